#include "agent/collectors/inventory/inventory_source.h"

#include <algorithm>

#include "agent/collectors/inventory/scans.h"

namespace tocsin::agent {
namespace {

constexpr const char* kKey = "inventory";
constexpr const char* kLog = "agent/inventory";

constexpr MetricInfo kChanges{"sec_access_changes_total", "Changes that were seen, by kind.",
                              model::MetricType::Counter};
constexpr MetricInfo kLastChange{"sec_access_change_timestamp_seconds",
                                 "When the last change of a kind was seen."};
constexpr MetricInfo kTime{"sec_inventory_timestamp_seconds", "When the inventory was taken."};

struct Part {
  const char* check;
  void (*scan)(InventoryScan&);
};
// In this order: accounts want to know who has a key.
constexpr Part kParts[] = {
    {"authorized_keys", scan_keys},
    {"accounts", scan_accounts},
    {"sudoers", scan_sudoers},
    {"cron", scan_cron},
    {"ports", scan_ports},
    {"secrets", scan_secrets},
    {"git", scan_git},
    {"files", scan_watched_files},
    {"encryption", scan_encryption},
    {"suid", scan_suid},
};

/// Lives on the source's thread.
class Inventory {
 public:
  Inventory(InventorySettings settings, const SlowWorld& world)
      : settings_(std::move(settings)),
        clock_(world.executor.clock()),
        files_(world.files),
        failures_(world.failures),
        state_(world.files, settings_.state) {}

  Fill read() {
    KeptRound round(kKey, failures_);
    const base::Result<void> loaded = load();
    InventoryScan scan{settings_, files_, clock_.wall(), *baseline_, round};
    for (const Part& part : kParts) {
      if (settings_.checks.contains(part.check)) part.scan(scan);
    }
    // Who is an admin is told by two parts; what a part that is left out knew is not gone.
    if (!settings_.checks.contains("accounts")) scan.snapshot["admin"].unread.insert("group ");
    if (!settings_.checks.contains("sudoers")) scan.snapshot["admin"].unread.insert("sudoers ");
    for (const AccessChange& change : baseline_->advance(scan.snapshot, scan.now)) {
      std::string kind = change.kind;
      std::replace(kind.begin(), kind.end(), '_', ' ');
      base::log_warning(kLog, "{}: {}", kind, change.name);
    }
    for (const auto& [kind, count] : baseline_->counts()) {
      round.add(kChanges, {{"kind", kind}}, static_cast<double>(count));
    }
    for (const auto& [kind, time_ms] : baseline_->last_ms()) {
      round.add(kLastChange, {{"kind", kind}}, base::to_seconds(base::wall_time(time_ms)));
    }
    round.add(kTime, base::to_seconds(scan.now));
    const base::Result<void> saved = state_.save(baseline_->to_json());
    round.check("state", loaded ? saved : loaded);
    return std::move(round).fill();
  }

 private:
  base::Result<void> load() {
    if (baseline_) return base::ok();
    const auto state = state_.load();
    baseline_ = state ? Baseline::from_json(*state) : Baseline();
    if (!state) return state.error();
    if (state->empty()) base::log_info(kLog, "first look: what is there now is the baseline");
    return base::ok();
  }

  InventorySettings settings_;
  const base::Clock& clock_;
  base::FileSystem& files_;
  base::FailureLog& failures_;
  StateFile state_;
  std::optional<Baseline> baseline_;
};

}  // namespace

std::unique_ptr<AsyncSource> make_inventory_source(const InventorySettings& settings,
                                                   const SlowWorld& world) {
  return make_slow_source_of<Inventory>(kKey, settings, world);
}

}  // namespace tocsin::agent

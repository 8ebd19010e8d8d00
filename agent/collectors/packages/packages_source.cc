#include "agent/collectors/packages/packages_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agent/collectors/kept/glob.h"
#include "agent/collectors/kept/kept_round.h"
#include "agent/collectors/packages/apt.h"
#include "agent/collectors/packages/running.h"
#include "common/base/strings.h"

namespace tocsin::agent {

using base::ErrorCode;
using base::Result;

namespace {

constexpr const char* kKey = "packages";
constexpr std::size_t kFileBytesMax = std::size_t{1} << 20U;
constexpr std::size_t kProductsMax = 100;
constexpr std::size_t kNamesMax = 20;

constexpr MetricInfo kPending{"apt_upgrades_pending", "Updates that wait, by origin."};
constexpr MetricInfo kPendingSince{"apt_upgrades_pending_since_timestamp_seconds",
                                   "Since when some wait all the time."};
constexpr MetricInfo kHeld{"apt_packages_held", "Packages that are held back."};
constexpr MetricInfo kHeldUpgrades{"apt_upgrades_held", "Updates of packages that are held back."};
constexpr MetricInfo kInstalled{"apt_packages_installed", "Packages that are installed."};
constexpr MetricInfo kUpdated{"apt_package_cache_timestamp_seconds",
                              "When the lists of packages were got last."};
constexpr MetricInfo kUnattended{"apt_unattended_upgrades_enabled",
                                 "1 if updates are installed by themselves."};
constexpr MetricInfo kUnattendedRun{"apt_unattended_upgrades_timestamp_seconds",
                                    "When that ran last."};
constexpr MetricInfo kReboot{"node_reboot_required",
                             "1 if a package asks for it, or a newer kernel is installed."};
constexpr MetricInfo kRebootSince{"node_reboot_required_since_timestamp_seconds", "Since when."};
constexpr MetricInfo kKernel{"node_kernel_outdated",
                             "1 if a newer kernel than that which runs is "
                             "installed."};
constexpr MetricInfo kOs{"os_end_of_life_timestamp_seconds",
                         "When the system gets its last updates."};
constexpr MetricInfo kProduct{"product_end_of_life_timestamp_seconds",
                              "When a product gets its last updates."};
constexpr MetricInfo kDataOf{"node_end_of_life_data_timestamp_seconds",
                             "As of which day the agent knows when products end."};
constexpr MetricInfo kOutdated{"node_processes_outdated_libraries",
                               "Processes that run libraries which were replaced."};
constexpr MetricInfo kOutdatedSince{"node_processes_outdated_libraries_since_timestamp_seconds",
                                    "Since when there are some all the time."};
constexpr MetricInfo kTime{"node_packages_timestamp_seconds", "When all this was looked at."};

std::string first_names(const std::vector<std::string>& names) {
  std::vector<std::string> shown(
      names.begin(),
      names.begin() + static_cast<std::ptrdiff_t>(std::min(names.size(), kNamesMax)));
  return base::join(shown, ", ") + (names.size() > kNamesMax ? ", ..." : "");
}

/// Lives on the source's thread.
class Packages {
 public:
  Packages(PackagesSettings settings, const SlowWorld& world)
      : settings_(std::move(settings)),
        clock_(world.executor.clock()),
        files_(world.files),
        failures_(world.failures),
        state_(world.files, settings_.state) {}

  Fill read() {
    KeptRound round(kKey, failures_);
    const Result<void> loaded = load();
    now_ = clock_.wall();
    if (settings_.checks.contains("apt")) round.check("apt", read_apt(round));
    if (settings_.checks.contains("reboot")) round.check("reboot", read_reboot(round));
    if (settings_.checks.contains("end_of_life")) read_end_of_life(round);
    if (settings_.checks.contains("libraries")) round.check("libraries", read_libraries(round));
    round.add(kTime, base::to_seconds(now_));
    const Result<void> saved = state_.save(*memory_);
    round.check("state", loaded ? saved : loaded);
    return std::move(round).fill();
  }

 private:
  Result<void> load() {
    if (memory_) return base::ok();
    auto state = state_.load();
    memory_ = state ? std::move(*state) : boost::json::object();
    return state ? base::ok() : Result<void>(state.error());
  }

  std::string path(std::string_view of_host) const { return below(settings_.root, of_host); }

  // Since when something is so without a break that was seen.
  void add_since(KeptRound& round, const MetricInfo& metric, const std::string& what, bool is_so,
                 std::initializer_list<KeptRound::Label> labels = {}) {
    if (!is_so) {
      memory_->erase(what);
      return;
    }
    const std::int64_t since = integer_of(*memory_, what, base::to_ms(now_));
    (*memory_)[what] = since;
    round.add(metric, labels, base::to_seconds(base::wall_time(since)));
  }

  Result<InstalledPackages> read_upgrades() const {
    TC_TRY(InstalledPackages installed, read_installed(files_, path("/var/lib/dpkg/status")));
    TC_TRY(read_lists(files_, path("/var/lib/apt/lists"), installed));
    return installed;
  }

  Result<void> read_apt(KeptRound& round) {
    auto read = read_upgrades();
    if (!read) read = read_upgrades();  // apt may have replaced a list under our feet
    TC_TRY(const InstalledPackages installed, std::move(read));
    std::vector<std::string> security;
    std::size_t other = 0;
    std::size_t held = 0;
    std::size_t held_upgrades = 0;
    for (const auto& [name, package] : installed) {
      held += package.held ? 1 : 0;
      if (package.offered.empty()) continue;
      if (package.held) {
        ++held_upgrades;
      } else if (package.offered_security) {
        security.push_back(name);
      } else {
        ++other;
      }
    }
    const auto add = [&](const char* origin, std::size_t count) {
      round.add(kPending, {{"origin", origin}}, static_cast<double>(count));
      add_since(round, kPendingSince, fmt::format("pending_{}_since_ms", origin), count > 0,
                {{"origin", origin}});
    };
    add("security", security.size());
    add("other", other);
    round.add(kHeld, static_cast<double>(held));
    round.add(kHeldUpgrades, static_cast<double>(held_upgrades));
    round.add(kInstalled, static_cast<double>(installed.size()));
    round.say("security updates that wait", first_names(security));
    add_times(round);
    return base::ok();
  }

  // apt gives lists the server's times: what it touches itself tells when it looked last.
  void add_times(KeptRound& round) {
    std::int64_t updated = 0;
    for (const char* file :
         {"/var/lib/apt/lists", "/var/lib/apt/lists/partial",
          "/var/lib/apt/periodic/update-success-stamp", "/var/lib/apt/periodic/update-stamp"}) {
      if (const auto time = files_.modified_ns(path(file))) updated = std::max(updated, *time);
    }
    if (updated > 0) round.add(kUpdated, static_cast<double>(updated) / 1e9);
    std::string settings;
    for (const std::string& name :
         glob(files_, settings_.root, "/etc/apt/apt.conf.d/*", kProductsMax).paths) {
      if (const auto text = files_.read(path(name), kFileBytesMax)) settings += *text + "\n";
    }
    round.add(kUnattended, unattended_upgrades_enabled(settings) ? 1 : 0);
    const auto run = files_.modified_ns(path("/var/lib/apt/periodic/unattended-upgrades-stamp"));
    if (run) round.add(kUnattendedRun, static_cast<double>(*run) / 1e9);
  }

  Result<void> read_reboot(KeptRound& round) {
    TC_TRY(const std::string release,
           files_.read(settings_.proc + "/sys/kernel/osrelease", kFileBytesMax));
    const std::string running(base::trim(release));
    std::vector<std::string> kernels;
    for (const std::string& name :
         glob(files_, settings_.root, "/boot/vmlinuz-*", kProductsMax).paths) {
      kernels.push_back(name.substr(name.find("vmlinuz-") + 8));
    }
    const auto newest = newest_kernel(kernels, running);
    // Where the kernel that runs is not among those installed, another machine brought it: a
    // container, or a hypervisor.
    const bool ours = std::find(kernels.begin(), kernels.end(), running) != kernels.end();
    const bool outdated = ours && newest && *newest != running;
    const auto asked = files_.modified_ns(path("/run/reboot-required"));
    if (!asked && asked.error().code != ErrorCode::NotFound) return asked.error();
    if (ours) round.add(kKernel, outdated ? 1 : 0);
    round.add(kReboot, outdated || asked ? 1 : 0);
    if (asked) {  // The file says since when, also before this agent was there.
      auto& since = (*memory_)["reboot_since_ms"];
      if (!since.is_int64()) since = *asked / 1'000'000;
    }
    add_since(round, kRebootSince, "reboot_since_ms", outdated || asked);
    return base::ok();
  }

  void read_end_of_life(KeptRound& round) {
    const auto text = files_.read(path("/etc/os-release"), kFileBytesMax);
    round.check("end_of_life",
                text ? add_os(round, parse_os_release(*text)) : Result<void>(text.error()));
    const auto of = base::parse_rfc3339(std::string(kEndOfLifeDataOf) + "T00:00:00Z");
    if (of) round.add(kDataOf, base::to_seconds(*of));
    std::map<std::string, std::set<std::string>> products;
    for (const std::string& folder :
         glob(files_, settings_.root, "/usr/lib/postgresql/*/bin/postgres", kProductsMax).paths) {
      products["postgresql"].insert(std::string(base::split(folder, '/')[4]));
    }
    const Globbed environments =
        glob_all(files_, settings_.root, settings_.virtual_environments, kProductsMax);
    for (const std::string& environment : environments.paths) {
      read_environment(environment, products);
    }
    Result<void> outcome = base::ok();
    if (environments.denied) outcome = *environments.denied;
    for (const auto& [product, versions] : products) {
      for (const std::string& version : versions) {
        if (const auto end = settings_.end_of_life.of(product, version)) {
          round.add(kProduct, {{"product", product}, {"version", version}}, base::to_seconds(*end));
        } else {
          outcome = unknown(product, version);
        }
      }
    }
    round.check("products", outcome);
  }

  static base::Error unknown(const std::string& product, const std::string& version) {
    return base::error(
        ErrorCode::NotFound,
        fmt::format("until when '{0} {1}' gets updates is not known here (the table is of {2}): "
                    "set [packages] end_of_life = {{ \"{0} {1}\" = \"YYYY-MM-DD\" }}",
                    product, version, kEndOfLifeDataOf));
  }

  Result<void> add_os(KeptRound& round, const OsRelease& os) {
    if (os.id.empty()) return base::error(ErrorCode::InvalidArgument, "no ID in '/etc/os-release'");
    const auto end = settings_.end_of_life.of(os.id, os.version);
    if (!end) return unknown(os.id, os.version);
    round.add(kOs, {{"id", os.id}, {"version", os.version}}, base::to_seconds(*end));
    return base::ok();
  }

  // A Python of the system's is kept by the system's makers, and ends with it.
  void read_environment(const std::string& environment,
                        std::map<std::string, std::set<std::string>>& products) {
    if (const auto text = files_.read(path(environment + "/pyvenv.cfg"), kFileBytesMax)) {
      std::string home;
      std::string version;
      base::for_each_line(*text, [&](std::string_view line) {
        const std::size_t equals = line.find('=');
        if (equals == std::string_view::npos) return;
        const std::string_view name = base::trim(line.substr(0, equals));
        if (name == "home") home = base::trim(line.substr(equals + 1));
        if (name == "version" || name == "version_info")
          version = base::trim(line.substr(equals + 1));
      });
      const auto parts = base::split(version, '.');
      if (home != "/usr/bin" && home != "/bin" && parts.size() >= 2) {
        products["python"].insert(fmt::format("{}.{}", parts[0], parts[1]));
      }
    }
    const auto packages =
        glob(files_, settings_.root,
             environment + "/lib/python3*/site-packages/[dD]jango-[0-9]*.dist-info", kProductsMax);
    for (const std::string& package : packages.paths) {
      const std::string name = package.substr(package.rfind('/') + 8);  // "Django-" and the slash
      const auto parts = base::split(name, '.');
      if (parts.size() >= 2) products["django"].insert(fmt::format("{}.{}", parts[0], parts[1]));
    }
  }

  Result<void> read_libraries(KeptRound& round) {
    TC_TRY(const OutdatedProcesses outdated, find_outdated(files_, settings_.proc));
    round.say("programs that run replaced libraries", base::join(outdated.names, ", "));
    if (outdated.refused > 0 && outdated.count == 0) {
      return base::error(
          ErrorCode::PermissionDenied,
          fmt::format(
              "the maps of {} of {} processes cannot be read: the agent needs CAP_SYS_PTRACE, or "
              "leave the check out (docs/packages.md)",
              outdated.refused, outdated.refused + outdated.looked_at));
    }
    round.add(kOutdated, static_cast<double>(outdated.count));
    add_since(round, kOutdatedSince, "outdated_since_ms", outdated.count > 0);
    return base::ok();
  }

  PackagesSettings settings_;
  const base::Clock& clock_;
  base::FileSystem& files_;
  base::FailureLog& failures_;
  StateFile state_;
  std::optional<boost::json::object> memory_;
  base::WallTime now_;
};

}  // namespace

std::unique_ptr<AsyncSource> make_packages_source(const PackagesSettings& settings,
                                                  const SlowWorld& world) {
  return make_slow_source_of<Packages>(kKey, settings, world);
}

}  // namespace tocsin::agent

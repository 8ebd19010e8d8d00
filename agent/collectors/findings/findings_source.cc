#include "agent/collectors/findings/findings_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <map>

#include "agent/collectors/kept/glob.h"
#include "agent/collectors/kept/kept_round.h"

namespace tocsin::agent {

namespace json = boost::json;
using base::ErrorCode;
using base::Result;

namespace {

constexpr const char* kKey = "findings";
constexpr std::size_t kFilesMax = 200;
constexpr std::size_t kPieceBytes = std::size_t{64} << 10U;
constexpr std::size_t kRememberedMax = 5'000;

constexpr MetricInfo kFindings{"sec_findings", "Findings of a scanner, by severity."};
constexpr MetricInfo kOldest{"sec_oldest_finding_timestamp_seconds",
                             "When the oldest of the open findings was seen first."};
constexpr MetricInfo kScanned{"sec_scan_timestamp_seconds", "When the last good scan was."};
constexpr MetricInfo kOverdue{"sec_findings_overdue",
                              "Open findings of a register whose day is over, by severity."};
constexpr MetricInfo kDue{"sec_finding_due_timestamp_seconds",
                          "The first day on which an open finding of a register must be closed."};
constexpr MetricInfo kImage{"sec_image_created_timestamp_seconds",
                            "When the container image that was looked at was built."};
constexpr MetricInfo kSkipped{"sec_scan_skipped", "What the scanner could not look at."};

Result<ScanReport> read_report(const base::FileSystem& files, const FindingsTool& tool,
                               const std::string& path) {
  TC_TRY(const auto file, files.open_read(path));
  if (file->size() > tool.bytes_max) {
    return base::error(ErrorCode::LimitExceeded,
                       fmt::format("'{}' has {} bytes, limit {}; raise bytes_max", path,
                                   file->size(), tool.bytes_max));
  }
  const std::unique_ptr<ScanReader> reader = make_scan_reader(tool.format, tool.unrated);
  std::uint64_t at = 0;
  for (;;) {
    TC_TRY(const std::string piece, file->read_at(at, kPieceBytes));
    if (piece.empty()) break;
    at += piece.size();
    if (at > tool.bytes_max) return base::error(ErrorCode::LimitExceeded, "'" + path + "' grows");
    if (const auto done = reader->read(piece); !done) {
      return base::with_context(done.error(), "'" + path + "'");
    }
  }
  auto report = reader->end();
  if (!report) return base::with_context(report.error(), "'" + path + "'");
  return report;
}

/// The last good results of one tool.
struct Known {
  std::map<FindingSeverity, std::size_t> counts;
  std::map<FindingSeverity, base::WallTime> oldest;             ///< Critical and High.
  std::vector<std::pair<base::WallTime, FindingSeverity>> due;  ///< Of a register.
  std::map<std::string, base::WallTime> images;                 ///< When each was built.
  std::size_t skipped = 0;
  bool in_memory = false;  ///< Read by this process.
};

/// The last attempt: files that are the same as then are not read again.
struct Tried {
  std::string of_files;  ///< Names, times and sizes.
  std::optional<base::Error> error;
};

/// Lives on the source's thread.
class Findings {
 public:
  Findings(FindingsSettings settings, const SlowWorld& world)
      : settings_(std::move(settings)),
        clock_(world.executor.clock()),
        files_(world.files),
        failures_(world.failures),
        state_(world.files, settings_.state) {}

  Fill read() {
    KeptRound round(kKey, failures_);
    const Result<void> loaded = load();
    now_ = clock_.wall();
    for (const FindingsTool& tool : settings_.tools) {
      round.check(tool.name, read_tool(tool));
      tell(tool, round);
    }
    const Result<void> saved = state_.save(*memory_);
    round.check("state", loaded ? saved : loaded);
    return std::move(round).fill();
  }

 private:
  Result<void> load() {
    if (memory_) return base::ok();
    const auto state = state_.load();
    memory_.emplace();
    for (const FindingsTool& tool : settings_.tools) {  // others are not configured any more
      const json::object* before = state ? object_of(*state, tool.name) : nullptr;
      if (before != nullptr) (*memory_)[tool.name] = *before;
    }
    return state ? base::ok() : Result<void>(state.error());
  }

  struct Chosen {
    std::string path;
    std::int64_t modified_ns = 0;
  };

  Result<std::vector<Chosen>> choose(const FindingsTool& tool) const {
    const Globbed found = glob_all(files_, "/", tool.files, kFilesMax);
    if (found.denied) return *found.denied;
    std::vector<Chosen> chosen;
    for (const std::string& path : found.paths) {
      TC_TRY(const std::int64_t modified, files_.modified_ns(path));
      chosen.push_back({path, modified});
    }
    if (chosen.empty()) {
      return base::error(ErrorCode::NotFound,
                         fmt::format("no file '{}': the scanner has written none",
                                     tool.files.empty() ? "" : tool.files.front()));
    }
    if (!tool.all) {
      chosen = {*std::max_element(
          chosen.begin(), chosen.end(),
          [](const Chosen& a, const Chosen& b) { return a.modified_ns < b.modified_ns; })};
    }
    return chosen;
  }

  Result<void> read_tool(const FindingsTool& tool) {
    TC_TRY(const std::vector<Chosen> chosen, choose(tool));
    std::string of_files;
    for (const Chosen& one : chosen) {
      TC_TRY(const std::uint64_t size, files_.size(one.path));
      of_files += fmt::format("{} {} {}\n", one.path, one.modified_ns, size);
    }
    Tried& tried = tried_[tool.name];
    if (tried.of_files != of_files) {
      const Result<void> outcome = read_files(tool, chosen);
      tried.of_files = std::move(of_files);
      tried.error = outcome ? std::nullopt : std::optional(outcome.error());
    }
    return tried.error ? Result<void>(*tried.error) : base::ok();
  }

  Result<void> read_files(const FindingsTool& tool, const std::vector<Chosen>& chosen) {
    ScanReport all;
    std::map<std::string, base::WallTime> images;
    for (const Chosen& one : chosen) {
      TC_TRY(ScanReport report, read_report(files_, tool, one.path));
      // A report that claims to be of the future is of when its file was written.
      const base::WallTime written = base::wall_time(one.modified_ns / 1'000'000);
      const base::WallTime scanned =
          report.scanned && *report.scanned <= now_ ? *report.scanned : written;
      all.scanned = all.scanned ? std::min(*all.scanned, scanned) : scanned;
      all.skipped += report.skipped;
      if (!report.image.empty() && report.image_created) {
        images[report.image] = *report.image_created;
      }
      all.findings.insert(all.findings.end(), std::make_move_iterator(report.findings.begin()),
                          std::make_move_iterator(report.findings.end()));
    }
    remember(tool.name, all, known_[tool.name]);
    known_[tool.name].images = std::move(images);
    return base::ok();
  }

  // Takes over a good result: since when each bad finding is open is kept from the result before.
  void remember(const std::string& tool, const ScanReport& report, Known& known) {
    json::object fresh;
    json::object seen;
    const json::object* before = object_of(*memory_, tool);
    const json::object* seen_before = before == nullptr ? nullptr : object_of(*before, "seen_ms");
    known = Known{};
    for (const FindingSeverity severity : kFindingSeverities) known.counts[severity] = 0;
    for (const ScanFinding& finding : report.findings) {
      ++known.counts[finding.severity];
      if (finding.due) known.due.emplace_back(*finding.due, finding.severity);
      if (finding.severity != FindingSeverity::Critical &&
          finding.severity != FindingSeverity::High) {
        continue;
      }
      const std::int64_t first =
          seen_before == nullptr ? base::to_ms(now_)
                                 : integer_of(*seen_before, finding.fingerprint, base::to_ms(now_));
      const base::WallTime since = base::wall_time(first);
      const auto [oldest, added] = known.oldest.try_emplace(finding.severity, since);
      if (!added) oldest->second = std::min(oldest->second, since);
      if (seen.size() < kRememberedMax) seen[finding.fingerprint] = first;
    }
    known.skipped = report.skipped;
    known.in_memory = true;
    fresh["scanned_ms"] = base::to_ms(report.scanned.value_or(now_));
    fresh["seen_ms"] = std::move(seen);
    (*memory_)[tool] = std::move(fresh);
  }

  void tell(const FindingsTool& of, KeptRound& round) const {
    const std::string& tool = of.name;
    const bool by_hand = of.format == "register";  // nobody scans again every week
    const json::object* before = by_hand ? nullptr : object_of(*memory_, tool);
    if (before != nullptr) {
      const std::int64_t scanned = integer_of(*before, "scanned_ms", 0);
      if (scanned > 0) {
        round.add(kScanned, {{"tool", tool}}, base::to_seconds(base::wall_time(scanned)));
      }
    }
    const auto it = known_.find(tool);
    if (it == known_.end() || !it->second.in_memory) return;
    const Known& known = it->second;
    for (const auto& [severity, count] : known.counts) {
      round.add(kFindings, {{"tool", tool}, {"severity", std::string(to_string(severity))}},
                static_cast<double>(count));
    }
    for (const auto& [severity, since] : known.oldest) {
      round.add(kOldest, {{"tool", tool}, {"severity", std::string(to_string(severity))}},
                base::to_seconds(since));
    }
    for (const auto& [image, created] : known.images) {
      round.add(kImage, {{"tool", tool}, {"image", image}}, base::to_seconds(created));
    }
    if (by_hand) tell_due(tool, known, round);
    round.add(kSkipped, {{"tool", tool}}, static_cast<double>(known.skipped));
  }

  void tell_due(const std::string& tool, const Known& known, KeptRound& round) const {
    std::map<FindingSeverity, int> overdue;
    for (const FindingSeverity severity : kFindingSeverities) overdue[severity] = 0;
    for (const auto& [due, severity] : known.due) {
      if (due < now_) ++overdue[severity];
    }
    for (const auto& [severity, count] : overdue) {
      round.add(kOverdue, {{"tool", tool}, {"severity", std::string(to_string(severity))}}, count);
    }
    if (known.due.empty()) return;
    const auto first = std::min_element(known.due.begin(), known.due.end());
    round.add(kDue, {{"tool", tool}}, base::to_seconds(first->first));
  }

  FindingsSettings settings_;
  const base::Clock& clock_;
  base::FileSystem& files_;
  base::FailureLog& failures_;
  StateFile state_;
  std::optional<json::object> memory_;
  std::map<std::string, Known> known_;
  std::map<std::string, Tried> tried_;
  base::WallTime now_;
};

}  // namespace

std::unique_ptr<AsyncSource> make_findings_source(const FindingsSettings& settings,
                                                  const SlowWorld& world) {
  return make_slow_source_of<Findings>(kKey, settings, world);
}

}  // namespace tocsin::agent

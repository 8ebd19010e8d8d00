#include "agent/tasks/maintenance/log_rotation.h"

#include <fmt/format.h>

#include <vector>

#include "common/base/strings.h"

namespace tocsin::agent {

using base::ErrorCode;
using base::Result;
using timezone::LocalTime;

namespace {

constexpr std::size_t kStatusBytesMax = 4 << 20;
constexpr std::int64_t kNsPerMs = 1'000'000;

struct RotationSettings {
  std::string status_file = "/var/lib/logrotate/status";
  base::Duration older_than = std::chrono::hours(26);  ///< Age of the status file.
  std::vector<std::string> logs;  ///< That must have been rotated within `rotated_within`.
  base::Duration rotated_within = std::chrono::hours(24 * 8);
  std::uint64_t size_max = 1ULL << 30;  ///< Of each of `logs`.
};

std::optional<LocalTime> parse_time(std::string_view text) {
  // 2026-11-27-6:0:1, or 2026-11-27
  std::vector<int> numbers;
  for (const std::string_view part : base::split(text, '-')) {
    for (const std::string_view number : base::split(part, ':')) {
      const auto value = base::parse_u64(number);
      if (!value || *value > 9999) return std::nullopt;
      numbers.push_back(static_cast<int>(*value));
    }
  }
  if (numbers.size() != 3 && numbers.size() != 6) return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(numbers[0]),
                                         std::chrono::month(static_cast<unsigned>(numbers[1])),
                                         std::chrono::day(static_cast<unsigned>(numbers[2])));
  if (!date.ok()) return std::nullopt;
  LocalTime time = std::chrono::local_days(date);
  if (numbers.size() == 6) {
    time += std::chrono::hours(numbers[3]) + std::chrono::minutes(numbers[4]) +
            std::chrono::seconds(numbers[5]);
  }
  return time;
}

class LogRotation final : public TaskWork {
 public:
  explicit LogRotation(RotationSettings settings) : settings_(std::move(settings)) {}

  // Reads only, so a dry run is the same.
  Result<TaskOutcome> run(TaskContext& context) override {
    const base::WallTime now = context.clock.wall();
    TC_TRY(const std::int64_t modified_ns, context.files.modified_ns(settings_.status_file));
    const base::Duration age = now - base::wall_time(modified_ns / kNsPerMs);
    if (age > settings_.older_than) {
      return base::error(
          ErrorCode::Io,
          fmt::format("logrotate has not run: {} is {} old, limit {}", settings_.status_file,
                      base::format_duration(age), base::format_duration(settings_.older_than)));
    }
    TC_TRY(const std::string text, context.files.read(settings_.status_file, kStatusBytesMax));
    TC_TRY(const auto status, parse_logrotate_status(text));
    TC_TRY(const timezone::Zone zone, timezone::Zone::find("Local"));
    std::string wrong;
    for (const std::string& log : settings_.logs) {
      wrong += fault_of(log, status, zone, context);
    }
    if (!wrong.empty()) return base::error(ErrorCode::Io, "not rotated:" + wrong);
    TaskOutcome outcome;
    outcome.evidence = fmt::format("logrotate ran {} ago and knows {} logs; {} were looked at",
                                   base::format_duration(std::max(age, base::Duration{0})),
                                   status.size(), settings_.logs.size());
    outcome.numbers = {{"logs_known", static_cast<double>(status.size())}};
    return outcome;
  }

 private:
  std::string fault_of(const std::string& log, const std::map<std::string, LocalTime>& status,
                       const timezone::Zone& zone, const TaskContext& context) const {
    const auto rotated = status.find(log);
    if (rotated == status.end()) return fmt::format(" {} (logrotate does not know it)", log);
    const base::Duration age = context.clock.wall() - zone.to_wall(rotated->second);
    if (age > settings_.rotated_within) {
      return fmt::format(" {} ({} ago)", log, base::format_duration(age));
    }
    const auto size = context.files.size(log);
    if (size && *size > settings_.size_max) return fmt::format(" {} ({} bytes)", log, *size);
    return {};
  }

  RotationSettings settings_;
};

}  // namespace

Result<std::map<std::string, LocalTime>> parse_logrotate_status(std::string_view text) {
  const std::string_view head = text.substr(0, text.find('\n'));
  if (head.find("state -- version") == head.npos) {
    return base::error(ErrorCode::InvalidArgument, "not the state file of logrotate");
  }
  std::map<std::string, LocalTime> status;
  base::for_each_line(text, [&](std::string_view line) {
    if (!line.starts_with('"')) return;
    std::string name;
    std::size_t at = 1;
    for (; at < line.size() && line[at] != '"'; ++at) {
      if (line[at] == '\\' && at + 1 < line.size()) ++at;
      name += line[at];
    }
    if (at >= line.size()) return;
    if (const auto time = parse_time(base::trim(line.substr(at + 1)))) status[name] = *time;
  });
  return status;
}

TaskWorkKind log_rotation_kind() {
  return {"log_rotation", [](config::Table& options) -> std::function<std::unique_ptr<TaskWork>()> {
            RotationSettings settings;
            settings.status_file = options.string("status_file", settings.status_file);
            settings.older_than = options.duration("older_than", settings.older_than);
            settings.logs = options.strings("logs");
            settings.rotated_within = options.duration("rotated_within", settings.rotated_within);
            settings.size_max = options.bytes("size_max", settings.size_max);
            return [settings] { return std::make_unique<LogRotation>(settings); };
          }};
}

}  // namespace tocsin::agent

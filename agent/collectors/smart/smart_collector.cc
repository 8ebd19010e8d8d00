#include "agent/collectors/smart/smart_collector.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <array>
#include <map>

#include "agent/collectors/blocking/blocking_source.h"
#include "agent/collectors/smart/smart_report.h"
#include "common/config/table.h"

namespace tocsin::agent {
namespace {

using model::MetricType;

constexpr std::size_t kFilesMax = 100;
constexpr std::size_t kFileBytesMax = 1 << 20;
constexpr double kNsPerSecond = 1e9;

constexpr MetricInfo kInfo{"smartctl_device", "A disk."};
constexpr MetricInfo kWritten{"smartctl_device_report_timestamp_seconds",
                              "When the disk was asked last, in Unix time."};
constexpr MetricInfo kExit{"smartctl_device_smartctl_exit_status", "Exit status of smartctl."};
constexpr MetricInfo kStatus{"smartctl_device_smart_status",
                             "The disk's verdict on itself: 1 passed, 0 it expects to fail."};
constexpr MetricInfo kCelsius{"smartctl_device_temperature", "Temperature in degrees Celsius."};
constexpr MetricInfo kPowerOn{"smartctl_device_power_on_seconds", "Seconds it was on.",
                              MetricType::Counter};
constexpr MetricInfo kDefects{"smartctl_device_scsi_grown_defect_list",
                              "Defects found since it was made."};
constexpr MetricInfo kAttribute{"smartctl_device_attribute", "An attribute of an ATA disk."};
constexpr MetricInfo kWarning{"smartctl_device_critical_warning", "Bits of an NVMe disk."};
constexpr MetricInfo kSpare{"smartctl_device_available_spare", "Spare blocks left in percent."};
constexpr MetricInfo kSpareLimit{"smartctl_device_available_spare_threshold",
                                 "Spare blocks below which the disk warns, in percent."};
constexpr MetricInfo kUsed{"smartctl_device_percentage_used",
                           "Share of the life that the maker gives it, in percent."};
constexpr MetricInfo kMediaErrors{"smartctl_device_media_errors", "Blocks it could not read.",
                                  MetricType::Counter};
constexpr MetricInfo kErrorLog{"smartctl_device_num_err_log_entries", "Entries of its error log.",
                               MetricType::Counter};
constexpr MetricInfo kBytesWritten{"smartctl_device_bytes_written", "Bytes written to it.",
                                   MetricType::Counter};

void add_report(MetricSink& sink, const SmartReport& report) {
  const model::LabelView device{"device", report.device};
  sink.add(kInfo, {device, {"model_name", report.model}, {"protocol", report.protocol}}, 1);
  sink.add(kExit, {device}, report.exit_status);
  if (report.passed) sink.add(kStatus, {device}, *report.passed ? 1 : 0);
  if (report.celsius)
    sink.add(kCelsius, {device, {"temperature_type", "current"}}, *report.celsius);
  if (report.power_on_seconds) sink.add(kPowerOn, {device}, *report.power_on_seconds);
  if (report.grown_defects) sink.add(kDefects, {device}, *report.grown_defects);
  for (const SmartAttribute& attribute : report.attributes) {
    const std::string id = std::to_string(attribute.id);
    const auto add = [&](std::string_view type, double value) {
      sink.add(kAttribute,
               {device,
                {"attribute_id", id},
                {"attribute_name", attribute.name},
                {"attribute_value_type", type}},
               value);
    };
    add("value", attribute.value);
    add("thresh", attribute.threshold);
    add("raw", attribute.raw);
  }
  if (!report.nvme) return;
  sink.add(kWarning, {device}, report.nvme->critical_warning);
  sink.add(kSpare, {device}, report.nvme->available_spare_percent);
  sink.add(kSpareLimit, {device}, report.nvme->available_spare_threshold_percent);
  sink.add(kUsed, {device}, report.nvme->used_percent);
  sink.add(kMediaErrors, {device}, report.nvme->media_errors);
  sink.add(kErrorLog, {device}, report.nvme->error_log_entries);
  sink.add(kBytesWritten, {device}, report.nvme->bytes_written);
}

class SmartCollector final : public Collector {
 public:
  SmartCollector(SmartSettings settings, SmartWorld world)
      : settings_(std::move(settings)), world_(world) {}

  std::string_view name() const override { return "smart"; }

  base::Result<void> collect(MetricSink& sink) override {
    std::map<std::string, Kept> next;
    std::map<std::string, int> devices;
    for (const std::string& path : paths()) {
      auto kept = read(path);
      const std::string subject = "smart " + path;
      // Two files of one disk would be one series twice.
      if (kept && devices[kept->report.device]++ > 0) {
        kept = base::error(base::ErrorCode::InvalidArgument,
                           "another file speaks of device '" + kept->report.device + "' too");
      }
      if (!kept) {
        world_.failures.report(subject, kept.error().message);
        add_check_failed(sink, path, "smart", kept.error());
        continue;
      }
      world_.failures.clear(subject);
      sink.add(kWritten, {{"device", kept->report.device}},
               static_cast<double>(kept->modified_ns) / kNsPerSecond);
      add_report(sink, kept->report);
      next.insert_or_assign(path, std::move(*kept));
    }
    kept_ = std::move(next);
    if (!kept_.empty()) return base::ok();
    return base::error(base::ErrorCode::NotFound,
                       fmt::format("no usable file of smartctl at '{}': see docs/processes.md for "
                                   "the timer that writes them",
                                   settings_.files.front()));
  }

 private:
  struct Kept {
    std::int64_t modified_ns = 0;
    SmartReport report;
  };

  std::vector<std::string> paths() const {
    std::vector<std::string> all;
    for (const std::string& glob : settings_.files) {
      const std::size_t slash = glob.rfind('/');
      const std::string folder = glob.substr(0, slash + 1);
      const std::string last = glob.substr(slash + 1);
      if (last.find_first_of("*?[") == std::string::npos) {
        all.push_back(glob);
        continue;
      }
      const auto names = world_.files.list(folder);
      if (!names) continue;
      for (const std::string& name : *names) {
        if (::fnmatch(last.c_str(), name.c_str(), FNM_PERIOD) == 0) all.push_back(folder + name);
      }
    }
    if (all.size() > kFilesMax) all.resize(kFilesMax);
    return all;
  }

  base::Result<Kept> read(const std::string& path) {
    TC_TRY(const std::int64_t modified_ns, world_.files.modified_ns(path));
    const double age =
        base::to_seconds(world_.clock.wall()) - static_cast<double>(modified_ns) / kNsPerSecond;
    if (age > std::chrono::duration<double>(settings_.age_max).count()) {
      return base::error(base::ErrorCode::Unavailable,
                         fmt::format("'{}' was last written {} ago: its timer does not run", path,
                                     base::format_duration(
                                         base::Duration{static_cast<std::int64_t>(age) * 1000})));
    }
    const auto before = kept_.find(path);
    if (before != kept_.end() && before->second.modified_ns == modified_ns) return before->second;
    TC_TRY(const std::string text, world_.files.read(path, kFileBytesMax));
    auto report = parse_smart_report(text);
    if (!report) return base::with_context(std::move(report).error(), "'" + path + "'");
    return Kept{modified_ns, std::move(*report)};
  }

  SmartSettings settings_;
  SmartWorld world_;
  std::map<std::string, Kept> kept_;
};

}  // namespace

SmartSettings read_smart_settings(config::Table& root) {
  SmartSettings settings;
  config::Table table = root.table("smart");
  settings.files = table.strings("files");
  for (const std::string& file : settings.files) {
    const std::size_t slash = file.rfind('/');
    if (!file.starts_with('/') || file.find_first_of("*?[") < slash) {
      table.error("files", fmt::format("'{}' is no absolute path with * in its last part", file),
                  "files = [\"/var/lib/tocsin/smart/*.json\"]");
    }
  }
  settings.age_max = table.duration("age_max", settings.age_max);
  if (settings.age_max < base::Duration{60'000})
    table.error("age_max", "age_max must be at least 1m");
  table.finish();
  return settings;
}

std::unique_ptr<Collector> make_smart_collector(SmartSettings settings, SmartWorld world) {
  return std::make_unique<SmartCollector>(std::move(settings), world);
}

}  // namespace tocsin::agent

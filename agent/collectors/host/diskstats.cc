#include "agent/collectors/host/diskstats.h"

#include "agent/collectors/host/pattern.h"
#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

using model::MetricType;
using Properties = std::map<std::string, std::string, std::less<>>;

// The kernel counts sectors of 512 bytes whatever the device's own block size is.
constexpr double kSectorBytes = 512.0;
constexpr double kMillisecond = 0.001;

struct Column {
  MetricInfo metric;
  double factor;
};

constexpr std::array<Column, 17> kColumns{{
    {{"node_disk_reads_completed_total", "Reads that finished.", MetricType::Counter}, 1},
    {{"node_disk_reads_merged_total", "Reads that were joined with a neighbour.",
      MetricType::Counter},
     1},
    {{"node_disk_read_bytes_total", "Bytes read.", MetricType::Counter}, kSectorBytes},
    {{"node_disk_read_time_seconds_total", "Seconds spent by all reads together.",
      MetricType::Counter},
     kMillisecond},
    {{"node_disk_writes_completed_total", "Writes that finished.", MetricType::Counter}, 1},
    {{"node_disk_writes_merged_total", "Writes that were joined with a neighbour.",
      MetricType::Counter},
     1},
    {{"node_disk_written_bytes_total", "Bytes written.", MetricType::Counter}, kSectorBytes},
    {{"node_disk_write_time_seconds_total", "Seconds spent by all writes together.",
      MetricType::Counter},
     kMillisecond},
    {{"node_disk_io_now", "Requests under way now.", MetricType::Gauge}, 1},
    {{"node_disk_io_time_seconds_total", "Seconds during which the device was busy.",
      MetricType::Counter},
     kMillisecond},
    {{"node_disk_io_time_weighted_seconds_total",
      "Seconds of all requests together, waiting included; its rate is the queue length.",
      MetricType::Counter},
     kMillisecond},
    {{"node_disk_discards_completed_total", "Discards that finished.", MetricType::Counter}, 1},
    {{"node_disk_discards_merged_total", "Discards that were joined with a neighbour.",
      MetricType::Counter},
     1},
    {{"node_disk_discarded_sectors_total", "Sectors of 512 bytes discarded.", MetricType::Counter},
     1},
    {{"node_disk_discard_time_seconds_total", "Seconds spent by all discards together.",
      MetricType::Counter},
     kMillisecond},
    {{"node_disk_flush_requests_total", "Flushes that finished.", MetricType::Counter}, 1},
    {{"node_disk_flush_requests_time_seconds_total", "Seconds spent by all flushes together.",
      MetricType::Counter},
     kMillisecond},
}};

constexpr MetricInfo kInfo{"node_disk_info", "Block device and its identity from udev; always 1.",
                           MetricType::Gauge};
constexpr MetricInfo kFilesystemInfo{"node_disk_filesystem_info",
                                     "File system found on a block device; always 1.",
                                     MetricType::Gauge};
constexpr MetricInfo kMapperInfo{"node_disk_device_mapper_info",
                                 "Device mapper volume behind a block device; always 1.",
                                 MetricType::Gauge};

struct AtaProperty {
  MetricInfo metric;
  std::string_view property;
};
constexpr std::array<AtaProperty, 3> kAtaProperties{{
    {{"node_disk_ata_write_cache", "1 if the ATA disk has a write cache.", MetricType::Gauge},
     "ID_ATA_WRITE_CACHE"},
    {{"node_disk_ata_write_cache_enabled", "1 if the ATA disk's write cache is on.",
      MetricType::Gauge},
     "ID_ATA_WRITE_CACHE_ENABLED"},
    {{"node_disk_ata_rotation_rate_rpm", "Turns a minute of the ATA disk; 0 for solid state.",
      MetricType::Gauge},
     "ID_ATA_ROTATION_RATE_RPM"},
}};

std::string_view property(const Properties& properties, std::string_view name) {
  const auto it = properties.find(name);
  return it == properties.end() ? std::string_view{} : std::string_view(it->second);
}

class DiskstatsCollector final : public Collector {
 public:
  DiskstatsCollector(const HostPaths& paths, const std::string& exclude)
      : path_(paths.proc + "/diskstats"),
        udev_folder_(paths.under_root("/run/udev/data")),
        exclude_(exclude) {}

  std::string_view name() const override { return "diskstats"; }

  base::Result<void> collect(MetricSink& sink) override {
    TC_TRY(const std::string_view text, reader_.read(path_));
    TC_TRY(const std::vector<DiskStats> disks, parse_diskstats(text));
    for (const DiskStats& disk : disks) {
      if (exclude_.matches(disk.device)) continue;
      for (std::size_t i = 0; i < disk.value_count; ++i) {
        sink.add(kColumns[i].metric, {{"device", disk.device}},
                 static_cast<double>(disk.values[i]) * kColumns[i].factor);
      }
      add_identity(sink, disk);
    }
    return base::ok();
  }

 private:
  void add_identity(MetricSink& sink, const DiskStats& disk) {
    const std::string major = std::to_string(disk.major);
    const std::string minor = std::to_string(disk.minor);
    std::string file = udev_folder_;
    file.append("/b").append(major).append(":").append(minor);
    const auto text = udev_reader_.attribute(file);
    const Properties udev = parse_udev_properties(text.value_or(""));
    const std::string_view device = disk.device;
    std::string_view serial = property(udev, "ID_SERIAL_SHORT");
    if (serial.empty()) serial = property(udev, "SCSI_IDENT_SERIAL");
    sink.add(kInfo,
             {{"device", device},
              {"major", major},
              {"minor", minor},
              {"path", property(udev, "ID_PATH")},
              {"wwn", property(udev, "ID_WWN")},
              {"model", property(udev, "ID_MODEL")},
              {"serial", serial},
              {"revision", property(udev, "ID_REVISION")}},
             1);
    if (!property(udev, "ID_FS_TYPE").empty()) {
      sink.add(kFilesystemInfo,
               {{"device", device},
                {"type", property(udev, "ID_FS_TYPE")},
                {"usage", property(udev, "ID_FS_USAGE")},
                {"uuid", property(udev, "ID_FS_UUID")},
                {"version", property(udev, "ID_FS_VERSION")}},
               1);
    }
    if (!property(udev, "DM_NAME").empty()) {
      sink.add(kMapperInfo,
               {{"device", device},
                {"name", property(udev, "DM_NAME")},
                {"uuid", property(udev, "DM_UUID")},
                {"vg_name", property(udev, "DM_VG_NAME")},
                {"lv_name", property(udev, "DM_LV_NAME")},
                {"lv_layer", property(udev, "DM_LV_LAYER")}},
               1);
    }
    for (const AtaProperty& ata : kAtaProperties) {
      const auto value = base::parse_double(property(udev, ata.property));
      if (value) sink.add(ata.metric, {{"device", device}}, *value);
    }
  }

  std::string path_;
  std::string udev_folder_;
  Pattern exclude_;
  FileReader reader_;
  FileReader udev_reader_{std::size_t{1} << 20U};  // apart: names still point into the other's text
};

}  // namespace

base::Result<std::vector<DiskStats>> parse_diskstats(std::string_view text) {
  constexpr std::size_t kValuesMin = 11;
  std::vector<DiskStats> disks;
  std::string_view bad;
  base::for_each_line(text, [&](std::string_view line) {
    Fields fields(line);
    if (fields.at_end() || !bad.empty()) return;
    DiskStats disk;
    const auto major = fields.next_number();
    const auto minor = fields.next_number();
    disk.device = fields.next();
    bool good = major && minor && !disk.device.empty();
    while (good && !fields.at_end() && disk.value_count < disk.values.size()) {
      const auto value = fields.next_number();
      good = value.has_value();
      disk.values[disk.value_count++] = value.value_or(0);
    }
    if (!good || disk.value_count < kValuesMin) {
      bad = line;
      return;
    }
    disk.major = *major;
    disk.minor = *minor;
    disks.push_back(disk);
  });
  if (!bad.empty()) return malformed("/proc/diskstats", bad);
  return disks;
}

std::map<std::string, std::string, std::less<>> parse_udev_properties(std::string_view text) {
  Properties properties;
  base::for_each_line(text, [&](std::string_view line) {
    if (!line.starts_with("E:")) return;
    line.remove_prefix(2);
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos || equals == 0) return;
    properties.insert_or_assign(std::string(line.substr(0, equals)),
                                std::string(line.substr(equals + 1)));
  });
  return properties;
}

std::unique_ptr<Collector> make_diskstats_collector(const HostPaths& paths,
                                                    const std::string& devices_exclude) {
  return std::make_unique<DiskstatsCollector>(paths, devices_exclude);
}

}  // namespace tocsin::agent

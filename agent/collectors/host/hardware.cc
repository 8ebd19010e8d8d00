#include "agent/collectors/host/hardware.h"

#include <string>

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

using model::MetricType;

constexpr MetricInfo kSlaves{"node_bonding_slaves", "Links of the bond.", MetricType::Gauge};
constexpr MetricInfo kActive{"node_bonding_active", "Links of the bond that are up.",
                             MetricType::Gauge};
constexpr MetricInfo kCorrectable{"node_edac_correctable_errors_total",
                                  "Memory errors that were corrected.", MetricType::Counter};
constexpr MetricInfo kUncorrectable{"node_edac_uncorrectable_errors_total",
                                    "Memory errors that could not be corrected.",
                                    MetricType::Counter};
constexpr MetricInfo kRowCorrectable{"node_edac_csrow_correctable_errors_total",
                                     "Memory errors of one row that were corrected.",
                                     MetricType::Counter};
constexpr MetricInfo kRowUncorrectable{"node_edac_csrow_uncorrectable_errors_total",
                                       "Memory errors of one row that could not be corrected.",
                                       MetricType::Counter};

class BondingCollector final : public Collector {
 public:
  explicit BondingCollector(const HostPaths& paths) : folder_(paths.sys + "/class/net/") {}

  std::string_view name() const override { return "bonding"; }
  bool present() const override { return path_exists(folder_ + "bonding_masters"); }

  base::Result<void> collect(MetricSink& sink) override {
    TC_TRY(const std::string_view text, reader_.read(folder_ + "bonding_masters"));
    const std::string masters(base::trim(text));
    for (Fields master(masters); !master.at_end();) add(sink, std::string(master.next()));
    return base::ok();
  }

 private:
  void add(MetricSink& sink, const std::string& master) {
    const std::string folder = folder_ + master;
    const std::string slaves(reader_.attribute(folder + "/bonding/slaves").value_or(""));
    double count = 0;
    double up = 0;
    for (Fields slave(slaves); !slave.at_end();) {
      const std::string name(slave.next());
      auto status = reader_.attribute(folder + "/lower_" + name + "/bonding_slave/mii_status");
      // Before Linux 3.15 the links were called slave_*.
      if (!status)
        status = reader_.attribute(folder + "/slave_" + name + "/bonding_slave/mii_status");
      count += 1;
      if (status == "up") up += 1;
    }
    sink.add(kSlaves, {{"master", master}}, count);
    sink.add(kActive, {{"master", master}}, up);
  }

  std::string folder_;
  FileReader reader_;
};

class EdacCollector final : public Collector {
 public:
  explicit EdacCollector(const HostPaths& paths) : folder_(paths.sys + "/devices/system/edac/mc") {}

  std::string_view name() const override { return "edac"; }
  bool present() const override { return path_exists(folder_ + "/mc0"); }

  base::Result<void> collect(MetricSink& sink) override {
    for (const std::string& entry : names_in(folder_)) {
      if (!is_numbered(entry, "mc")) continue;
      const std::string controller = entry.substr(2);
      const std::string folder = folder_ + "/" + entry;
      TC_TRY(add(sink, kCorrectable, folder + "/ce_count", {{"controller", controller}}));
      TC_TRY(add(sink, kUncorrectable, folder + "/ue_count", {{"controller", controller}}));
      TC_TRY(add(sink, kRowCorrectable, folder + "/ce_noinfo_count",
                 {{"controller", controller}, {"csrow", "unknown"}}));
      TC_TRY(add(sink, kRowUncorrectable, folder + "/ue_noinfo_count",
                 {{"controller", controller}, {"csrow", "unknown"}}));
      for (const std::string& row : names_in(folder)) {
        if (!is_numbered(row, "csrow")) continue;
        const std::string number = row.substr(5);
        TC_TRY(add(sink, kRowCorrectable, folder + "/" + row + "/ce_count",
                   {{"controller", controller}, {"csrow", number}}));
        TC_TRY(add(sink, kRowUncorrectable, folder + "/" + row + "/ue_count",
                   {{"controller", controller}, {"csrow", number}}));
      }
    }
    return base::ok();
  }

 private:
  static bool is_numbered(std::string_view entry, std::string_view prefix) {
    return entry.starts_with(prefix) && base::parse_u64(entry.substr(prefix.size()));
  }

  base::Result<void> add(MetricSink& sink, const MetricInfo& metric, const std::string& path,
                         std::initializer_list<model::LabelView> labels) {
    TC_TRY(const std::string_view text, reader_.read(path));
    const auto value = base::parse_u64(base::trim(text));
    if (!value) return malformed(path, text);
    sink.add(metric, labels, static_cast<double>(*value));
    return base::ok();
  }

  std::string folder_;
  FileReader reader_;
};

}  // namespace

std::unique_ptr<Collector> make_bonding_collector(const HostPaths& paths) {
  return std::make_unique<BondingCollector>(paths);
}

std::unique_ptr<Collector> make_edac_collector(const HostPaths& paths) {
  return std::make_unique<EdacCollector>(paths);
}

}  // namespace tocsin::agent

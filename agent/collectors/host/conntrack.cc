#include "agent/collectors/host/conntrack.h"

#include <algorithm>
#include <vector>

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

using model::MetricType;

constexpr MetricInfo kEntries{"node_nf_conntrack_entries", "Connections being tracked now.",
                              MetricType::Gauge};
constexpr MetricInfo kLimit{"node_nf_conntrack_entries_limit",
                            "Most connections that can be tracked.", MetricType::Gauge};

constexpr std::array<MetricInfo, kConntrackColumns.size()> kStats{{
    {"node_nf_conntrack_stat_found", "Look-ups that found an entry.", MetricType::Gauge},
    {"node_nf_conntrack_stat_invalid", "Packets that could not be tracked.", MetricType::Gauge},
    {"node_nf_conntrack_stat_ignore", "Packets that already belonged to an entry.",
     MetricType::Gauge},
    {"node_nf_conntrack_stat_insert", "Entries put into the table.", MetricType::Gauge},
    {"node_nf_conntrack_stat_insert_failed", "Entries that could not be put into the table.",
     MetricType::Gauge},
    {"node_nf_conntrack_stat_drop", "Packets dropped because tracking failed.", MetricType::Gauge},
    {"node_nf_conntrack_stat_early_drop", "Entries removed to make room in a full table.",
     MetricType::Gauge},
    {"node_nf_conntrack_stat_search_restart", "Look-ups begun again because the table was resized.",
     MetricType::Gauge},
}};

class ConntrackCollector final : public Collector {
 public:
  explicit ConntrackCollector(const HostPaths& paths)
      : count_path_(paths.proc + "/sys/net/netfilter/nf_conntrack_count"),
        max_path_(paths.proc + "/sys/net/netfilter/nf_conntrack_max"),
        stat_path_(paths.proc + "/net/stat/nf_conntrack") {}

  std::string_view name() const override { return "conntrack"; }
  bool present() const override { return path_exists(count_path_); }

  base::Result<void> collect(MetricSink& sink) override {
    TC_TRY(const double entries, number_in(count_path_));
    sink.add(kEntries, entries);
    TC_TRY(const double limit, number_in(max_path_));
    sink.add(kLimit, limit);
    TC_TRY(const std::string_view text, reader_.read(stat_path_));
    TC_TRY(const ConntrackStat stat, parse_conntrack_stat(text));
    for (std::size_t i = 0; i < kStats.size(); ++i) {
      sink.add(kStats[i], static_cast<double>(stat.totals[i]));
    }
    return base::ok();
  }

 private:
  base::Result<double> number_in(const std::string& path) {
    TC_TRY(const std::string_view text, reader_.read(path));
    const auto value = base::parse_u64(base::trim(text));
    if (!value) return malformed(path, text);
    return static_cast<double>(*value);
  }

  std::string count_path_;
  std::string max_path_;
  std::string stat_path_;
  FileReader reader_;
};

}  // namespace

base::Result<ConntrackStat> parse_conntrack_stat(std::string_view text) {
  ConntrackStat stat;
  std::vector<std::size_t> targets;  // for each column of the file, where it goes
  std::string_view bad;
  bool header = true;
  base::for_each_line(text, [&](std::string_view line) {
    Fields fields(line);
    if (fields.at_end() || !bad.empty()) return;
    if (header) {
      header = false;
      while (!fields.at_end()) {
        const auto* at =
            std::find(kConntrackColumns.begin(), kConntrackColumns.end(), fields.next());
        targets.push_back(static_cast<std::size_t>(at - kConntrackColumns.begin()));
      }
      return;
    }
    for (const std::size_t target : targets) {
      const auto value = parse_hex(fields.next());
      if (!value) {
        bad = line;
        return;
      }
      if (target < stat.totals.size()) stat.totals[target] += *value;
    }
  });
  if (!bad.empty()) return malformed("/proc/net/stat/nf_conntrack", bad);
  if (targets.empty()) return malformed("/proc/net/stat/nf_conntrack", "empty");
  return stat;
}

std::unique_ptr<Collector> make_conntrack_collector(const HostPaths& paths) {
  return std::make_unique<ConntrackCollector>(paths);
}

}  // namespace tocsin::agent

#include "agent/collectors/host/loadavg.h"

#include <cmath>

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

using model::MetricType;

constexpr MetricInfo kLoad1{"node_load1", "Load average over one minute.", MetricType::Gauge};
constexpr MetricInfo kLoad5{"node_load5", "Load average over five minutes.", MetricType::Gauge};
constexpr MetricInfo kLoad15{"node_load15", "Load average over fifteen minutes.",
                             MetricType::Gauge};

class LoadavgCollector final : public Collector {
 public:
  explicit LoadavgCollector(const HostPaths& paths) : path_(paths.proc + "/loadavg") {}

  std::string_view name() const override { return "loadavg"; }

  base::Result<void> collect(MetricSink& sink) override {
    TC_TRY(const std::string_view text, reader_.read(path_));
    TC_TRY(const LoadAverage load, parse_loadavg(text));
    sink.add(kLoad1, load.one);
    sink.add(kLoad5, load.five);
    sink.add(kLoad15, load.fifteen);
    return base::ok();
  }

 private:
  std::string path_;
  FileReader reader_;
};

}  // namespace

base::Result<LoadAverage> parse_loadavg(std::string_view text) {
  LoadAverage load;
  Fields fields(text.substr(0, text.find('\n')));
  for (double* target : {&load.one, &load.five, &load.fifteen}) {
    const auto value = base::parse_double(fields.next());
    if (!value || !std::isfinite(*value) || *value < 0) return malformed("/proc/loadavg", text);
    *target = *value;
  }
  return load;
}

std::unique_ptr<Collector> make_loadavg_collector(const HostPaths& paths) {
  return std::make_unique<LoadavgCollector>(paths);
}

}  // namespace tocsin::agent

#include "agent/collectors/host/meminfo.h"

#include <map>
#include <string>

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

using model::MetricType;

class MeminfoCollector final : public Collector {
 public:
  explicit MeminfoCollector(const HostPaths& paths) : path_(paths.proc + "/meminfo") {}

  std::string_view name() const override { return "meminfo"; }

  base::Result<void> collect(MetricSink& sink) override {
    TC_TRY(const std::string_view text, reader_.read(path_));
    TC_TRY(const std::vector<MemoryField> fields, parse_meminfo(text));
    for (const MemoryField& field : fields) {
      auto known = metrics_.find(field.name);
      if (known == metrics_.end()) {
        known = metrics_.emplace(std::string(field.name), memory_metric_name(field)).first;
      }
      const MetricType type =
          known->second.ends_with("_total") ? MetricType::Counter : MetricType::Gauge;
      sink.add(MetricInfo{known->second, "Field of /proc/meminfo; kB are turned into bytes.", type},
               field.value);
    }
    return base::ok();
  }

 private:
  std::string path_;
  FileReader reader_;
  std::map<std::string, std::string, std::less<>> metrics_;  // field -> metric
};

}  // namespace

base::Result<std::vector<MemoryField>> parse_meminfo(std::string_view text) {
  std::vector<MemoryField> out;
  out.reserve(64);
  std::string_view bad;
  base::for_each_line(text, [&](std::string_view line) {
    if (line.empty() || !bad.empty()) return;
    Fields fields(line);
    MemoryField field;
    field.name = fields.next();
    const auto number = fields.next_number();
    const std::string_view unit = fields.next();
    field.bytes = unit == "kB";
    if (!field.name.ends_with(':') || field.name.size() < 2 || !number ||
        (!field.bytes && !unit.empty())) {
      bad = line;
      return;
    }
    field.name.remove_suffix(1);
    field.value = static_cast<double>(*number) * (field.bytes ? 1024.0 : 1.0);
    out.push_back(field);
  });
  if (!bad.empty()) return malformed("/proc/meminfo", bad);
  if (out.empty()) return malformed("/proc/meminfo", "empty");
  return out;
}

std::string memory_metric_name(const MemoryField& field) {
  std::string name = "node_memory_";
  for (const char c : field.name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (c == ')') continue;
    name += letter ? c : '_';
  }
  return field.bytes ? name + "_bytes" : name;
}

std::unique_ptr<Collector> make_meminfo_collector(const HostPaths& paths) {
  return std::make_unique<MeminfoCollector>(paths);
}

}  // namespace tocsin::agent

#include "agent/collectors/host/vmstat.h"

#include <map>
#include <string>

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

class VmstatCollector final : public Collector {
 public:
  explicit VmstatCollector(const HostPaths& paths) : path_(paths.proc + "/vmstat") {}

  std::string_view name() const override { return "vmstat"; }

  base::Result<void> collect(MetricSink& sink) override {
    TC_TRY(const std::string_view text, reader_.read(path_));
    std::string_view bad;
    base::for_each_line(text, [&](std::string_view line) {
      if (line.empty() || !is_wanted_vmstat_field(line.substr(0, line.find(' ')))) return;
      const auto field = parse_vmstat_line(line);
      if (!field) {
        bad = line;
        return;
      }
      auto known = metrics_.find(field->name);
      if (known == metrics_.end()) {
        known = metrics_.emplace(field->name, "node_vmstat_" + std::string(field->name)).first;
      }
      sink.add(MetricInfo{known->second, "Field of /proc/vmstat.", model::MetricType::Unknown},
               field->value);
    });
    if (!bad.empty()) return malformed(path_, bad);
    return base::ok();
  }

 private:
  std::string path_;
  FileReader reader_;
  std::map<std::string, std::string, std::less<>> metrics_;  // field -> metric
};

}  // namespace

std::optional<VmstatField> parse_vmstat_line(std::string_view line) {
  Fields fields(line);
  VmstatField field;
  field.name = fields.next();
  const auto value = fields.next_number();
  if (field.name.empty() || !value || !fields.at_end()) return std::nullopt;
  field.value = static_cast<double>(*value);
  return field;
}

bool is_wanted_vmstat_field(std::string_view name) {
  if (name.starts_with("oom_kill") || name.starts_with("pgpg") || name.starts_with("pswp")) {
    return true;
  }
  return name.starts_with("pg") && name.find("fault", 2) != std::string_view::npos;
}

std::unique_ptr<Collector> make_vmstat_collector(const HostPaths& paths) {
  return std::make_unique<VmstatCollector>(paths);
}

}  // namespace tocsin::agent

// Prints one round of all host collectors in the Prometheus text format: what the parity test
// compares, and a quick look at what a host gives without the rest of the agent.
//
//   host_collectors_print [textfile folder [proc folder, sys folder, root folder]]
#include <cstdio>
#include <map>
#include <span>
#include <string>

#include "agent/collectors/host/host_collectors.h"
#include "common/base/clock.h"
#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

std::string_view type_word(model::MetricType type) {
  return type == model::MetricType::Unknown ? "untyped" : model::to_string(type);
}

// Groups the samples by name, as the format demands.
class PrintSink final : public MetricSink {
 public:
  using MetricSink::add;
  void add(const MetricInfo& metric, std::span<const model::LabelView> labels,
           double value) override {
    std::string& family = families_[std::string(metric.name)];
    if (family.empty()) {
      family.append("# TYPE ").append(metric.name).append(" ").append(type_word(metric.type));
      family += '\n';
    }
    family += metric.name;
    char separator = '{';
    for (const model::LabelView& label : labels) {
      family += separator;
      family.append(label.name).append("=\"").append(escaped(label.value)).append("\"");
      separator = ',';
    }
    if (!labels.empty()) family += '}';
    family.append(" ").append(base::format_double(value)).append("\n");
  }

  void print() const {
    for (const auto& [name, text] : families_) std::fputs(text.c_str(), stdout);
  }

 private:
  std::map<std::string, std::string> families_;
};

int print_round(std::span<char*> folders) {
  const base::RealClock clock;
  base::Metrics metrics;
  HostSettings settings;
  if (!folders.empty()) settings.textfile_directory = folders[0];
  if (folders.size() == 4) settings.paths = {folders[1], folders[2], folders[3]};
  PrintSink sink;
  int failures = 0;
  for (const auto& collector : make_host_collectors(settings, {clock, metrics})) {
    if (!collector->present()) continue;
    if (auto done = collector->collect(sink); !done) {
      const std::string name(collector->name());
      std::fprintf(stderr, "%s: %s\n", name.c_str(), done.error().message.c_str());
      ++failures;
    }
  }
  sink.print();
  return failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace tocsin::agent

int main(int argc, char** argv) {
  const auto count = static_cast<std::size_t>(argc);
  return tocsin::agent::print_round(std::span(argv, count).subspan(count > 0 ? 1 : 0));
}

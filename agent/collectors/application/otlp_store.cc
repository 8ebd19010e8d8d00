// From OpenTelemetry's model to series.
#include <algorithm>
#include <array>

#include "agent/collectors/application/otlp_metrics.h"
#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

struct UnitName {
  std::string_view ucum;
  std::string_view name;
};
constexpr std::array<UnitName, 22> kUnits{
    {{"s", "seconds"},      {"ms", "milliseconds"}, {"us", "microseconds"}, {"ns", "nanoseconds"},
     {"min", "minutes"},    {"h", "hours"},         {"d", "days"},          {"By", "bytes"},
     {"KiBy", "kibibytes"}, {"MiBy", "mebibytes"},  {"GiBy", "gibibytes"},  {"kBy", "kilobytes"},
     {"MBy", "megabytes"},  {"GBy", "gigabytes"},   {"m", "meters"},        {"V", "volts"},
     {"A", "amperes"},      {"J", "joules"},        {"W", "watts"},         {"g", "grams"},
     {"Cel", "celsius"},    {"Hz", "hertz"}}};

std::string unit_word(std::string_view unit) {
  for (const UnitName& known : kUnits) {
    if (known.ucum == unit) return std::string(known.name);
  }
  if (unit == "%") return "percent";
  return metric_name_of(unit);
}

/// "By/s" is "bytes_per_second"; annotations in braces say nothing of the unit.
std::string unit_suffix(std::string_view unit, bool gauge) {
  unit = base::trim(unit);
  if (unit == "1") return gauge ? "ratio" : "";
  if (unit.find('{') != std::string_view::npos) return {};
  const std::size_t slash = unit.find('/');
  if (slash == std::string_view::npos) return unit.empty() ? std::string() : unit_word(unit);
  std::string per = unit_word(unit.substr(slash + 1));
  if (per.ends_with('s')) per.pop_back();
  const std::string before = slash > 0 ? unit_word(unit.substr(0, slash)) + "_" : std::string();
  return per.empty() ? std::string() : before + "per_" + per;
}

std::string_view attribute(const OtlpAttributes& attributes, std::string_view key) {
  for (const auto& [name, value] : attributes) {
    if (name == key) return value;
  }
  return {};
}

/// The labels `job` and `instance` of a resource.
std::vector<std::pair<std::string, std::string>> target_of(const OtlpAttributes& attributes) {
  std::vector<std::pair<std::string, std::string>> target;
  const std::string_view service = attribute(attributes, "service.name");
  const std::string_view space = attribute(attributes, "service.namespace");
  std::string job(space);
  if (!space.empty() && !service.empty()) job += '/';
  job += service;
  if (!job.empty()) target.emplace_back("job", job);
  const std::string_view instance = attribute(attributes, "service.instance.id");
  if (!instance.empty()) target.emplace_back("instance", instance);
  return target;
}

class Storing {
 public:
  Storing(base::MonotonicTime now, SeriesStore& store) : now_(now), store_(store) {}

  void metric(OtlpMetric metric, const std::vector<std::pair<std::string, std::string>>& target) {
    const std::string name = otlp_metric_name(metric);
    refuse(metric.unsupported_points, "exponential histograms and summaries are not taken");
    for (OtlpPoint& point : metric.points) {
      if (point.no_value) continue;  // it ends by not coming any more
      SeriesName series{name, target, metric.description};
      for (const auto& [key, value] : point.attributes) {
        std::string label = label_name_of(key);
        // What says who is telling is not overwritten by what he tells.
        if (label == "job" || label == "instance") label = "exported_" + label;
        series.labels.emplace_back(std::move(label), value);
      }
      const Refusal refusal = put(metric, series, point);
      if (refusal == Refusal::None || refusal == Refusal::Duplicate) continue;
      refuse(1, "'" + base::escape_control(name) + "': " + std::string(to_string(refusal)));
    }
  }

  void info(const OtlpAttributes& attributes, const std::vector<std::string>& shown,
            const std::vector<std::pair<std::string, std::string>>& target) {
    SeriesName series{"target_info", target, "What an application says about itself."};
    for (const std::string& key : shown) {
      const std::string_view value = attribute(attributes, key);
      if (!value.empty()) series.labels.emplace_back(label_name_of(key), value);
    }
    if (!target.empty()) static_cast<void>(store_.set_gauge(series, 1, now_));
  }

  OtlpRejected take() { return std::move(rejected_); }

 private:
  Refusal put(const OtlpMetric& metric, const SeriesName& series, OtlpPoint& point) {
    if (metric.kind == OtlpKind::Histogram) {
      return metric.delta
                 ? store_.add_histogram(series, point.buckets, now_, point.time_ns)
                 : store_.set_histogram(series, std::move(point.buckets), now_, point.time_ns);
    }
    const bool counter = metric.kind == OtlpKind::Sum && metric.monotonic;
    const bool delta = metric.kind == OtlpKind::Sum && metric.delta;
    if (counter && delta) return store_.add_to_counter(series, point.value, now_, point.time_ns);
    if (counter) return store_.set_counter(series, point.value, now_, point.time_ns);
    if (delta) return store_.add_to_gauge(series, point.value, now_, point.time_ns);
    return store_.set_gauge(series, point.value, now_, point.time_ns);
  }

  void refuse(std::size_t points, std::string reason) {
    if (points == 0) return;
    rejected_.points += points;
    if (rejected_.reason.empty()) rejected_.reason = std::move(reason);
  }

  base::MonotonicTime now_;
  SeriesStore& store_;
  OtlpRejected rejected_;
};

}  // namespace

std::string otlp_metric_name(const OtlpMetric& metric) {
  std::string name = metric_name_of(metric.name);
  const bool counter = metric.kind == OtlpKind::Sum && metric.monotonic;
  if (counter && name.ends_with("_total")) name.resize(name.size() - 6);
  const std::string unit = unit_suffix(metric.unit, metric.kind == OtlpKind::Gauge);
  if (!unit.empty() && name != unit && !name.ends_with("_" + unit)) name += "_" + unit;
  if (counter) name += "_total";
  return name;
}

OtlpRejected store_otlp(std::vector<OtlpResource> resources,
                        const std::vector<std::string>& resource_labels, base::MonotonicTime now,
                        SeriesStore& store) {
  Storing storing(now, store);
  for (OtlpResource& resource : resources) {
    const auto target = target_of(resource.attributes);
    storing.info(resource.attributes, resource_labels, target);
    for (OtlpMetric& metric : resource.metrics) storing.metric(std::move(metric), target);
  }
  return storing.take();
}

}  // namespace tocsin::agent

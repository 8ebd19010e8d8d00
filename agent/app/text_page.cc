#include "agent/app/text_page.h"

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

std::string escaped(std::string_view text, bool quotes) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quotes) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
  return out;
}

// Text format 0.0.4 knows these types; everything else is a gauge that does not say so.
std::string_view type_name(model::MetricType type) {
  switch (type) {
    case model::MetricType::Counter:
    case model::MetricType::Gauge:
    case model::MetricType::Histogram:
    case model::MetricType::Summary:
      return model::to_string(type);
    case model::MetricType::Info:
    case model::MetricType::StateSet:
      return "gauge";
    default:
      return "untyped";
  }
}

std::string line_of(std::span<const model::LabelView> labels, model::Sample sample,
                    std::int64_t round_ms) {
  std::string line;
  std::string inside;
  for (const model::LabelView label : labels) {
    if (label.name == model::kMetricName) {
      line = label.value;
      continue;
    }
    if (!inside.empty()) inside += ',';
    inside.append(label.name).append("=\"").append(escaped(label.value, true)).append("\"");
  }
  if (!inside.empty()) line.append("{").append(inside).append("}");
  line.append(" ").append(base::format_double(sample.value));
  if (sample.timestamp_ms != round_ms) line.append(" ").append(std::to_string(sample.timestamp_ms));
  return line;
}

}  // namespace

void TextPage::add(const model::WriteBatch& batch) {
  for (const model::MetricMetadata& about : batch.metadata()) {
    Family& family = families_[std::string(about.metric_name)];
    family.help = about.help;
    family.type = about.type;
  }
  for (const auto& series : batch.series()) {
    const auto labels = batch.labels(series);
    std::string_view metric;
    for (const model::LabelView label : labels) {
      if (label.name == model::kMetricName) metric = label.value;
    }
    for (const model::Sample& sample : batch.samples(series)) {
      if (model::is_stale(sample.value)) continue;
      families_[family_of(metric)].lines.push_back(line_of(labels, sample, round_ms_));
    }
  }
}

// A histogram's or summary's series carry a suffix that its family does not.
std::string TextPage::family_of(std::string_view metric) const {
  for (const std::string_view suffix : {"_bucket", "_sum", "_count"}) {
    if (!metric.ends_with(suffix)) continue;
    std::string family(metric.substr(0, metric.size() - suffix.size()));
    const auto at = families_.find(family);
    if (at == families_.end()) continue;
    const model::MetricType type = at->second.type;
    if (type == model::MetricType::Histogram || type == model::MetricType::Summary) return family;
  }
  return std::string(metric);
}

std::string TextPage::text() const {
  std::string page;
  for (const auto& [name, family] : families_) {
    if (family.lines.empty()) continue;
    if (!family.help.empty()) {
      page.append("# HELP ").append(name).append(" ").append(escaped(family.help, false));
      page += '\n';
    }
    page.append("# TYPE ").append(name).append(" ").append(type_name(family.type)).append("\n");
    for (const std::string& line : family.lines) page.append(line).append("\n");
  }
  return page;
}

}  // namespace tocsin::agent

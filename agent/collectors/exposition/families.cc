#include "agent/collectors/exposition/families.h"

#include <array>
#include <optional>

#include "agent/collectors/exposition/cursor.h"

namespace tocsin::agent {
namespace {

using base::ErrorCode;
using model::MetricType;

struct Suffix {
  MetricType type;
  std::string_view text;
  bool open_metrics_only;
};

constexpr std::array<Suffix, 16> kSuffixes{{
    {MetricType::Histogram, "_bucket", false},
    {MetricType::Histogram, "_count", false},
    {MetricType::Histogram, "_sum", false},
    {MetricType::Histogram, "_created", true},
    {MetricType::Summary, "_count", false},
    {MetricType::Summary, "_sum", false},
    {MetricType::Summary, "_created", true},
    {MetricType::Counter, "_total", true},
    {MetricType::Counter, "_created", true},
    {MetricType::GaugeHistogram, "_bucket", true},
    {MetricType::GaugeHistogram, "_gcount", true},
    {MetricType::GaugeHistogram, "_gsum", true},
    {MetricType::Info, "_info", true},
    // Seen in the wild in text format 0.0.4 from newer client libraries.
    {MetricType::GaugeHistogram, "_count", false},
    {MetricType::GaugeHistogram, "_sum", false},
    {MetricType::GaugeHistogram, "_bucket", false},
}};

bool is_open(ExpositionFormat format) {
  return format == ExpositionFormat::OpenMetrics;
}

// OpenMetrics reserves the bare family name for these types.
bool bare_name_allowed(ExpositionFormat format, MetricType type) {
  if (!is_open(format)) return true;
  return type == MetricType::Unknown || type == MetricType::Gauge || type == MetricType::StateSet ||
         type == MetricType::Summary;
}

bool belongs(ExpositionFormat format, const Family& family, std::string_view sample) {
  if (!sample.starts_with(family.name)) return false;
  const std::string_view rest = sample.substr(family.name.size());
  if (rest.empty()) return bare_name_allowed(format, family.type);
  for (const Suffix& suffix : kSuffixes) {
    if (suffix.type != family.type || suffix.text != rest) continue;
    if (is_open(format) || !suffix.open_metrics_only) return true;
  }
  return false;
}

std::optional<MetricType> parse_type(ExpositionFormat format, std::string_view text) {
  if (text == "counter") return MetricType::Counter;
  if (text == "gauge") return MetricType::Gauge;
  if (text == "histogram") return MetricType::Histogram;
  if (text == "summary") return MetricType::Summary;
  if (text == "unknown") return MetricType::Unknown;
  if (text == "untyped" && !is_open(format)) return MetricType::Unknown;
  if (text == "gaugehistogram") return MetricType::GaugeHistogram;
  if (text == "info" && is_open(format)) return MetricType::Info;
  if (text == "stateset" && is_open(format)) return MetricType::StateSet;
  return std::nullopt;
}

base::Error invalid(std::string message) {
  return base::error(ErrorCode::InvalidArgument, std::move(message));
}

}  // namespace

Family* FamilyTable::find(std::string_view name) {
  const auto it = families_.find(name);
  return it == families_.end() ? nullptr : &it->second;
}

base::Result<Family*> FamilyTable::enter(std::string_view name) {
  if (Family* known = find(name)) {
    if (is_open(format_) && known != current_) {
      return invalid("family '" + shown(name) + "' comes again after another family");
    }
    current_ = known;
    return current_;
  }
  if (families_.size() >= limits_.families_max) {
    return base::error(
        ErrorCode::LimitExceeded,
        "more than " + std::to_string(limits_.families_max) + " metric families (families_max)");
  }
  // Names from lines with escapes live in a buffer of the line: keep a copy of every name's first
  // sight only, which is once a family.
  const std::string_view kept = text_.copy(name);
  current_ = &families_.emplace(kept, Family{}).first->second;
  current_->name = kept;
  return current_;
}

base::Result<Family*> FamilyTable::of_metadata(std::string_view name, std::string_view what) {
  last_sample_.clear();
  TC_TRY(Family * family, enter(name));
  if (family->has_samples) {
    return invalid(std::string(what) + " of '" + shown(name) + "' comes after its samples");
  }
  return family;
}

base::Result<void> FamilyTable::set_type(std::string_view name, std::string_view type) {
  TC_TRY(Family * family, of_metadata(name, "TYPE"));
  if (family->has_type) return invalid("second TYPE of '" + shown(name) + "'");
  const auto parsed = parse_type(format_, type);
  if (!parsed) {
    return invalid("unknown metric type '" + shown(type) + "' of '" + shown(name) + "'");
  }
  family->type = *parsed;
  family->has_type = true;
  return base::ok();
}

base::Result<void> FamilyTable::set_help(std::string_view name, std::string_view escaped_text) {
  // Prometheus reads HELP after the samples too; only TYPE changes the meaning of what came before.
  last_sample_.clear();
  TC_TRY(Family * family, enter(name));
  if (is_open(format_) && family->has_samples) {
    return invalid("HELP of '" + shown(name) + "' comes after its samples");
  }
  if (family->has_help) return invalid("second HELP of '" + shown(name) + "'");
  if (escaped_text.size() > limits_.value_bytes_max) {
    return base::error(ErrorCode::LimitExceeded,
                       "help of '" + shown(name) + "' is " + std::to_string(escaped_text.size()) +
                           " bytes, limit " + std::to_string(limits_.value_bytes_max));
  }
  family->has_help = true;
  family->help = escaped_text;
  if (escaped_text.find('\\') != std::string_view::npos) {
    scratch_.clear();
    unescape(escaped_text, is_open(format_), scratch_);
    family->help = text_.copy(scratch_);
  }
  return base::ok();
}

base::Result<void> FamilyTable::set_unit(std::string_view name, std::string_view unit) {
  TC_TRY(Family * family, of_metadata(name, "UNIT"));
  if (family->has_unit) return invalid("second UNIT of '" + shown(name) + "'");
  family->has_unit = true;
  if (unit.empty()) return base::ok();
  const bool fits = name.size() > unit.size() + 1 && name.ends_with(unit) &&
                    name[name.size() - unit.size() - 1] == '_';
  if (!fits) {
    return invalid("unit '" + shown(unit) + "' is not the end of the name '" + shown(name) + "'");
  }
  family->unit = unit;
  return base::ok();
}

base::Result<const Family*> FamilyTable::of_sample(std::string_view name) {
  if (current_ != nullptr && (name == last_sample_ || belongs(format_, *current_, name))) {
    last_sample_ = name;
    current_->has_samples = true;
    return current_;
  }
  Family* family = find(name);
  if (family != nullptr && !belongs(format_, *family, name)) {
    return invalid("sample '" + shown(name) + "' lacks the suffix of its type " +
                   std::string(model::to_string(family->type)));
  }
  for (std::size_t i = 0; family == nullptr && i < kSuffixes.size(); ++i) {
    const std::string_view suffix = kSuffixes[i].text;
    if (!name.ends_with(suffix)) continue;
    Family* base = find(name.substr(0, name.size() - suffix.size()));
    if (base != nullptr && belongs(format_, *base, name)) family = base;
  }
  TC_TRY(Family * entered, enter(family != nullptr ? family->name : name));
  entered->has_samples = true;
  last_sample_ = name;
  return entered;
}

}  // namespace tocsin::agent

#include "agent/collectors/exposition/exposition.h"

#include <charconv>
#include <cmath>
#include <string>
#include <vector>

#include "agent/collectors/exposition/cursor.h"
#include "agent/collectors/exposition/families.h"
#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

using base::ErrorCode;
using base::Result;
using model::LabelView;
using model::MetricType;

base::Error invalid(std::string message) {
  return base::error(ErrorCode::InvalidArgument, std::move(message));
}

// OpenMetrics 1.0: label names and values of an exemplar together.
constexpr std::size_t kExemplarCharactersMax = 128;

std::size_t characters(std::string_view utf8) {
  std::size_t count = 0;
  for (const char c : utf8) count += (static_cast<unsigned char>(c) & 0xc0U) != 0x80U ? 1 : 0;
  return count;
}

class Parser {
 public:
  Parser(ExpositionFormat format, const ExpositionLimits& limits,
         const ExpositionCallback& callback)
      : open_(format == ExpositionFormat::OpenMetrics),
        limits_(limits),
        callback_(callback),
        families_(format, limits) {}

  Result<ExpositionSummary> run(std::string_view text);

 private:
  Result<void> line(std::string_view line);
  Result<void> comment(std::string_view line);
  Result<void> sample(std::string_view line);
  Result<void> labels(Cursor& at, std::string_view* name);
  Result<void> one_label(Cursor& at, std::string_view* name);
  Result<void> add_label(std::string_view name, std::string_view value);
  Result<void> tail(Cursor& at, ExpositionSample& out);
  Result<void> exemplar(Cursor& at);
  Result<void> check_meaning(const ExpositionSample& sample) const;
  Result<double> number(std::string_view token, std::string_view what) const;
  Result<std::int64_t> timestamp(std::string_view token) const;
  Result<void> check_name(std::string_view name, bool quoted, std::string_view what) const;
  // Between two tokens: any blanks in the Prometheus format, exactly one space in OpenMetrics.
  bool separator(Cursor& at) const { return open_ ? at.take(' ') : at.skip_blanks(); }
  void optional_blanks(Cursor& at) const {
    if (!open_) at.skip_blanks();
  }

  bool open_;
  const ExpositionLimits& limits_;
  const ExpositionCallback& callback_;
  FamilyTable families_;
  ExpositionSummary summary_;
  std::vector<LabelView> labels_;
  std::string scratch_;
  bool ended_ = false;
  bool callback_failed_ = false;
};

Result<ExpositionSummary> Parser::run(std::string_view text) {
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = text.find('\n');
    const std::string_view current = text.substr(0, end);
    if (auto done = line(current); !done) {
      if (callback_failed_) return std::move(done).error();
      return base::with_context(std::move(done).error(), "line " + std::to_string(number));
    }
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  if (open_ && !ended_) {
    return invalid("line " + std::to_string(number + 1) + ": the text ends without '# EOF'");
  }
  summary_.families = families_.size();
  return summary_;
}

Result<void> Parser::line(std::string_view line) {
  if (ended_) return invalid("text after '# EOF'");
  if (!base::is_utf8(line)) return invalid("not valid UTF-8");
  if (line.find('\r') != std::string_view::npos) return invalid("carriage return");
  std::string_view content = line;
  if (!open_) {
    Cursor at(line);
    at.skip_blanks();
    content = at.rest();
    if (content.empty()) return base::ok();
  }
  if (content.empty()) return invalid("empty line");
  return content.front() == '#' ? comment(content) : sample(content);
}

Result<void> Parser::comment(std::string_view line) {
  if (open_ && line == "# EOF") {
    ended_ = true;
    return base::ok();
  }
  Cursor at(line.substr(1));
  const bool spaced = separator(at);
  const std::string_view keyword = at.until(" \t");
  const bool known = keyword == "HELP" || keyword == "TYPE" || (open_ && keyword == "UNIT");
  if (!spaced || !known) {
    return open_ ? Result<void>(invalid("expected HELP, TYPE, UNIT or EOF after '# '"))
                 : base::ok();
  }
  if (!separator(at)) return invalid(std::string(keyword) + " without a metric name");

  scratch_.clear();
  scratch_.reserve(line.size());
  std::string_view name;
  const bool quoted = at.peek() == '"';
  if (quoted) {
    if (!at.quoted(scratch_, name)) return invalid("quoted name without its closing quote");
  } else {
    name = at.until(" \t");
  }
  TC_TRY(check_name(name, quoted, "metric name"));
  const bool has_text = separator(at);
  if (!has_text && !at.at_end()) return invalid("expected a space after '" + shown(name) + "'");

  if (keyword == "HELP") return families_.set_help(name, at.rest());
  std::string_view word = at.until(" \t");
  optional_blanks(at);
  if (!at.at_end()) return invalid("unexpected text after the " + std::string(keyword));
  if (keyword == "UNIT") return families_.set_unit(name, word);
  return families_.set_type(name, word);
}

Result<void> Parser::sample(std::string_view line) {
  scratch_.clear();
  scratch_.reserve(line.size());
  labels_.clear();
  Cursor at(line);
  ExpositionSample out;
  out.name = at.until("{ \t");
  const bool name_before_braces = !out.name.empty();
  if (name_before_braces) TC_TRY(check_name(out.name, false, "metric name"));
  Cursor before_blanks = at;
  optional_blanks(at);
  const bool braces = at.peek() == '{';
  if (braces) {
    TC_TRY(labels(at, name_before_braces ? nullptr : &out.name));
  } else {
    at = before_blanks;
  }
  if (out.name.empty()) return invalid("sample without a metric name");
  // Prometheus reads `x{a="b"}1` too.
  if (!separator(at) && (open_ || !braces || at.at_end())) {
    return invalid("expected a space before the value of '" + shown(out.name) + "'");
  }

  TC_TRY(tail(at, out));
  TC_TRY(const Family* family, families_.of_sample(out.name));
  out.labels = labels_;
  out.family = family->name;
  out.type = family->type;
  out.help = family->help;
  out.unit = family->unit;
  out.created = open_ && out.name.size() > out.family.size() && out.name.ends_with("_created");
  if (open_) TC_TRY(check_meaning(out));
  if (summary_.samples >= limits_.samples_max) {
    return base::error(
        ErrorCode::LimitExceeded,
        "more than " + std::to_string(limits_.samples_max) + " samples (samples_max)");
  }
  ++summary_.samples;
  auto handed_over = callback_(out);
  callback_failed_ = !handed_over;
  return handed_over;
}

// The part after the labels: value, optional timestamp, optional exemplar.
Result<void> Parser::tail(Cursor& at, ExpositionSample& out) {
  TC_TRY(out.value, number(at.until(" \t"), "value"));
  bool more = separator(at) && (open_ || !at.at_end());
  if (more && at.peek() != '#') {
    TC_TRY(out.timestamp_ms, timestamp(at.until(" \t")));
    more = separator(at) && (open_ || !at.at_end());
  }
  if (more && open_ && at.take('#')) {
    if (!out.name.ends_with("_total") && !out.name.ends_with("_bucket")) {
      return invalid("exemplar on '" + shown(out.name) + "', which is no counter and no bucket");
    }
    // The exemplar's labels pass through the same reader; the sample's own are put aside meanwhile.
    std::vector<LabelView> kept;
    kept.swap(labels_);
    TC_TRY(exemplar(at));
    labels_.swap(kept);
    out.has_exemplar = true;
    ++summary_.exemplars;
    more = false;
  }
  if (!more && at.at_end()) return base::ok();
  return invalid("unexpected text at the end: '" + shown(at.rest()) + "'");
}

Result<void> Parser::exemplar(Cursor& at) {
  if (!at.take(' ') || at.peek() != '{') return invalid("expected '{' of the exemplar's labels");
  TC_TRY(labels(at, nullptr));
  std::size_t length = 0;
  for (const LabelView& label : labels_) length += characters(label.name) + characters(label.value);
  if (length > kExemplarCharactersMax) {
    return invalid("exemplar labels have " + std::to_string(length) + " characters, limit " +
                   std::to_string(kExemplarCharactersMax));
  }
  if (!at.take(' ')) return invalid("expected a space before the exemplar's value");
  TC_TRY([[maybe_unused]] const double value, number(at.until(" "), "exemplar value"));
  if (at.at_end()) return base::ok();
  at.take(' ');
  TC_TRY([[maybe_unused]] const std::int64_t when, timestamp(at.until(" ")));
  return base::ok();
}

// `name` is where a quoted metric name as first element goes; nullptr if the sample has its name.
Result<void> Parser::labels(Cursor& at, std::string_view* name) {
  at.take('{');
  optional_blanks(at);
  if (at.take('}')) return base::ok();
  for (;;) {
    TC_TRY(one_label(at, name));
    name = nullptr;
    optional_blanks(at);
    if (at.take('}')) return base::ok();
    if (!at.take(',')) return invalid("expected ',' or '}' after a label");
    optional_blanks(at);
    if (!open_ && at.take('}')) return base::ok();
  }
}

Result<void> Parser::one_label(Cursor& at, std::string_view* name) {
  std::string_view label;
  const bool quoted = at.peek() == '"';
  if (quoted) {
    if (!at.quoted(scratch_, label)) return invalid("quoted name without its closing quote");
    optional_blanks(at);
    if (at.peek() != '=') {
      if (name == nullptr)
        return invalid("expected '=' after the label name '" + shown(label) + "'");
      TC_TRY(check_name(label, true, "metric name"));
      *name = label;
      return base::ok();
    }
  } else {
    label = at.until("= \t,}\"{");
    optional_blanks(at);
  }
  TC_TRY(check_name(label, quoted, "label name"));
  if (!at.take('=')) return invalid("expected '=' after the label name '" + shown(label) + "'");
  optional_blanks(at);
  std::string_view value;
  if (at.peek() != '"') return invalid("value of label '" + shown(label) + "' is not quoted");
  if (!at.quoted(scratch_, value)) {
    return invalid("value of label '" + shown(label) + "' has no closing quote");
  }
  return add_label(label, value);
}

Result<void> Parser::add_label(std::string_view name, std::string_view value) {
  if (name == model::kMetricName)
    return invalid("label '__name__' is reserved for the metric's name");
  if (value.size() > limits_.value_bytes_max) {
    return base::error(ErrorCode::LimitExceeded,
                       "value of label '" + shown(name) + "' is " + std::to_string(value.size()) +
                           " bytes, limit " + std::to_string(limits_.value_bytes_max));
  }
  if (labels_.size() >= limits_.labels_max) {
    return base::error(ErrorCode::LimitExceeded,
                       "more than " + std::to_string(limits_.labels_max) + " labels (labels_max)");
  }
  for (const LabelView& label : labels_) {
    if (label.name == name) return invalid("label '" + shown(name) + "' is given twice");
  }
  labels_.push_back({name, value});
  return base::ok();
}

Result<void> Parser::check_name(std::string_view name, bool quoted, std::string_view what) const {
  if (name.size() > limits_.name_bytes_max) {
    return base::error(ErrorCode::LimitExceeded, std::string(what) + " '" + shown(name) + "' is " +
                                                     std::to_string(name.size()) +
                                                     " bytes, limit " +
                                                     std::to_string(limits_.name_bytes_max));
  }
  const bool metric = what == "metric name";
  const bool good = quoted   ? !name.empty()
                    : metric ? model::is_legacy_metric_name(name)
                             : model::is_legacy_label_name(name);
  if (good) return base::ok();
  return invalid("bad " + std::string(what) + " '" + shown(name) + "'");
}

Result<double> Parser::number(std::string_view token, std::string_view what) const {
  double value = 0;
  const char* end = token.data() + token.size();
  if (!token.empty() && token.front() >= '0' && token.front() <= '9') {
    const auto [stop, code] = std::from_chars(token.data(), end, value);
    if (code == std::errc{} && stop == end) return value;
  }
  // OpenMetrics has no hexadecimal numbers; Go's reader, hence the Prometheus format, does.
  const bool hex = token.find_first_of("xX") != std::string_view::npos;
  const auto parsed = open_ && hex ? std::nullopt : base::parse_double(token);
  if (!parsed) return invalid(std::string(what) + " '" + shown(token) + "' is no number");
  return *parsed;
}

Result<std::int64_t> Parser::timestamp(std::string_view token) const {
  if (!open_) {
    std::string_view digits = token;
    if (digits.starts_with('+')) digits.remove_prefix(1);
    const auto parsed = base::parse_i64(digits);
    if (!parsed) return invalid("timestamp '" + shown(token) + "' is no integer of milliseconds");
    return *parsed;
  }
  TC_TRY(const double seconds, number(token, "timestamp"));
  constexpr double kSecondsMax = 9e15;  // in milliseconds still well inside 64 bits
  if (!std::isfinite(seconds) || std::fabs(seconds) > kSecondsMax) {
    return invalid("timestamp '" + shown(token) + "' is out of range");
  }
  return static_cast<std::int64_t>(std::llround(seconds * 1000.0));
}

// OpenMetrics ties values and labels to the type; 0.0.4 has no such rules.
Result<void> Parser::check_meaning(const ExpositionSample& sample) const {
  const auto label = [&](std::string_view name) -> const LabelView* {
    for (const LabelView& candidate : sample.labels) {
      if (candidate.name == name) return &candidate;
    }
    return nullptr;
  };
  const bool bucket = sample.name.ends_with("_bucket");
  const bool bucketed =
      sample.type == MetricType::Histogram || sample.type == MetricType::GaugeHistogram;
  const bool negative_or_nan = std::isnan(sample.value) || sample.value < 0;
  if (bucketed && bucket) {
    const LabelView* le = label("le");
    if (le == nullptr || !base::parse_double(le->value)) {
      return invalid("bucket of '" + shown(sample.family) + "' without a number in its label 'le'");
    }
  }
  if (sample.type == MetricType::Summary && sample.name == sample.family) {
    const LabelView* quantile = label("quantile");
    const auto value = quantile == nullptr ? std::nullopt : base::parse_double(quantile->value);
    if (!value || !(*value >= 0 && *value <= 1)) {
      return invalid("summary '" + shown(sample.family) + "' without a 'quantile' from 0 to 1");
    }
  }
  if (sample.type == MetricType::Counter && negative_or_nan) {
    return invalid("counter '" + shown(sample.name) + "' is negative or NaN");
  }
  if (sample.type == MetricType::Info && sample.value != 1) {
    return invalid("info '" + shown(sample.name) + "' has another value than 1");
  }
  if (sample.type == MetricType::StateSet) {
    if (sample.value != 0 && sample.value != 1) {
      return invalid("stateset '" + shown(sample.name) + "' has another value than 0 and 1");
    }
    if (label(sample.family) == nullptr) {
      return invalid("stateset '" + shown(sample.name) + "' lacks the label of its own name");
    }
  }
  return base::ok();
}

}  // namespace

ExpositionFormat exposition_format(std::string_view content_type) {
  const std::string_view media = base::trim(content_type.substr(0, content_type.find(';')));
  return base::to_lower(media) == "application/openmetrics-text" ? ExpositionFormat::OpenMetrics
                                                                 : ExpositionFormat::Prometheus;
}

model::MetricType series_type(const ExpositionSample& sample) {
  const bool cumulative =
      sample.type == MetricType::Histogram || sample.type == MetricType::Summary;
  if (sample.name.size() == sample.family.size()) {
    const bool as_it_is = sample.type == MetricType::Counter || sample.type == MetricType::Gauge ||
                          sample.type == MetricType::Unknown;
    if (as_it_is) return sample.type;
    return sample.type == MetricType::Histogram ? MetricType::Unknown : MetricType::Gauge;
  }
  if (sample.created) return MetricType::Gauge;
  if (sample.type == MetricType::Counter) return MetricType::Counter;
  if (cumulative) {
    return sample.name.ends_with("_sum") ? MetricType::Unknown : MetricType::Counter;
  }
  return MetricType::Gauge;
}

Result<ExpositionSummary> parse_exposition(std::string_view text, ExpositionFormat format,
                                           const ExpositionLimits& limits,
                                           const ExpositionCallback& on_sample) {
  if (text.size() > limits.text_bytes_max) {
    return base::error(ErrorCode::LimitExceeded,
                       "exposition is " + std::to_string(text.size()) + " bytes, limit " +
                           std::to_string(limits.text_bytes_max) + " (text_bytes_max)");
  }
  return Parser(format, limits, on_sample).run(text);
}

}  // namespace tocsin::agent

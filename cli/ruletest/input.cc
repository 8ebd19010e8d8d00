#include "cli/ruletest/input.h"

#include <fmt/core.h>

#include <algorithm>

#include "alertd/promql/parser.h"
#include "alertd/promql/series_notation.h"
#include "common/base/strings.h"

namespace tocsin::ruletest {
namespace {

base::Error invalid(std::string message) {
  return base::error(base::ErrorCode::InvalidArgument, std::move(message));
}

/// One part of a line in real time.
struct Part {
  enum class Kind { Constant, Slope, Ramp, Gap, Stale };
  Kind kind = Kind::Constant;
  double value = 0;           ///< Constant: the value; Slope: change a second; Ramp: the beginning.
  double target = 0;          ///< Ramp: the end.
  base::Duration length{-1};  ///< -1: until the end of the test.
};

base::Error bad_part(std::string_view text) {
  return invalid(fmt::format(
      "'{}' is none of: 5 for 10m; +0.5/s for 10m; 3 to 9 in 10m; gap for 5m; stale", text));
}

base::Result<base::Duration> part_length(const std::vector<std::string_view>& words,
                                         std::size_t from, std::string_view keyword,
                                         std::string_view text) {
  if (words.size() == from) return base::Duration{-1};
  if (words.size() != from + 2 || words[from] != keyword) return bad_part(text);
  TC_TRY(const base::Duration length, base::parse_duration(words[from + 1]));
  if (length <= base::Duration{0}) return invalid(fmt::format("'{}' lasts no time", text));
  return length;
}

/// "+0.5/s", "-3/m": the change a second; nullopt if it is none.
std::optional<double> parse_slope(std::string_view word) {
  if (word.empty() || (word.front() != '+' && word.front() != '-')) return std::nullopt;
  const std::size_t slash = word.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto change = base::parse_double(word.substr(0, slash));
  const std::string_view unit = word.substr(slash + 1);
  const double seconds = unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : 0;
  if (!change || seconds == 0) return std::nullopt;
  return *change / seconds;
}

base::Result<Part> parse_part(std::string_view text) {
  const auto words = base::split_fields(text);
  if (words.empty()) return bad_part(text);
  Part part;
  if (words.front() == "stale") {
    part.kind = Part::Kind::Stale;
    part.length = base::Duration{0};
    if (words.size() != 1) return bad_part(text);
    return part;
  }
  if (words.front() == "gap") {
    part.kind = Part::Kind::Gap;
    TC_TRY(part.length, part_length(words, 1, "for", text));
    return part;
  }
  if (const auto slope = parse_slope(words.front())) {
    part.kind = Part::Kind::Slope;
    part.value = *slope;
    TC_TRY(part.length, part_length(words, 1, "for", text));
    return part;
  }
  const auto value = base::parse_double(words.front());
  if (!value) return bad_part(text);
  part.value = *value;
  if (words.size() < 2 || words[1] != "to") {
    TC_TRY(part.length, part_length(words, 1, "for", text));
    return part;
  }
  const auto target = words.size() == 5 ? base::parse_double(words[2]) : std::nullopt;
  if (!target) return bad_part(text);
  part.kind = Part::Kind::Ramp;
  part.target = *target;
  TC_TRY(part.length, part_length(words, 3, "in", text));
  return part;
}

/// The text after the series, if the line is in real time.
std::optional<std::string_view> history_of(std::string_view rest) {
  rest = base::trim(rest);
  if (!rest.starts_with(':')) return std::nullopt;
  return rest.substr(1);
}

/// A colon belongs to a metric's name unless the rest of the line follows it: "a:b: 1 for 5m".
std::size_t end_of_name(std::string_view line) {
  const std::size_t end = line.find_first_of(" \t{");
  const std::size_t stop = std::min(end, line.size());
  if (stop > 0 && line[stop - 1] == ':' && (stop == line.size() || line[stop] != '{')) {
    return stop - 1;
  }
  return std::string_view::npos;
}

base::Result<model::Labels> take_series(std::string_view line, std::size_t& length) {
  if (const std::size_t name = end_of_name(line); name != std::string_view::npos) {
    std::size_t inner = 0;
    length = name;
    return promql::parse_series(line.substr(0, name), inner);
  }
  return promql::parse_series(line, length);
}

class Writer {
 public:
  Writer(InputSeries& series, const InputGrid& grid)
      : series_(series), grid_(grid), at_(grid.from) {}

  base::Result<void> add(const Part& part) {
    const base::Duration end =
        part.length < base::Duration{0} ? std::max(grid_.until, at_) : at_ + part.length;
    if (part.kind == Part::Kind::Stale) {
      if (next_ == at_) next_ += grid_.step;
      return sample(at_, model::stale_marker());
    }
    const base::Duration begin = at_;
    const double first = part.kind == Part::Kind::Slope ? last_ : part.value;
    // Samples lie on the grid of the block; an open part has one at the very end too.
    const bool closed = part.length >= base::Duration{0};
    for (; next_ < end || (!closed && next_ == end); next_ += grid_.step) {
      if (next_ < begin || part.kind == Part::Kind::Gap) continue;
      TC_TRY(sample(next_, value_at(part, first, next_ - begin)));
    }
    if (part.kind != Part::Kind::Gap) last_ = value_at(part, first, end - begin);
    at_ = end;
    return base::ok();
  }
  base::Duration end() const { return at_; }

 private:
  static double value_at(const Part& part, double first, base::Duration after) {
    const double seconds = static_cast<double>(after.count()) / 1000;
    if (part.kind == Part::Kind::Slope) return first + part.value * seconds;
    if (part.kind != Part::Kind::Ramp) return first;
    const double whole = static_cast<double>(part.length.count()) / 1000;
    return first + (part.target - first) * std::min(seconds / whole, 1.0);
  }

  base::Result<void> sample(base::Duration at, double value) {
    if (series_.samples.size() >= kInputSamplesMax) {
      return base::error(base::ErrorCode::LimitExceeded,
                         fmt::format("more than {} samples", kInputSamplesMax));
    }
    if (!series_.samples.empty() && series_.samples.back().timestamp_ms >= at.count()) {
      // A marker that falls on a sample of the grid wins: it says that the series ends there.
      series_.samples.back().value = value;
      return base::ok();
    }
    series_.samples.push_back({at.count(), value});
    return base::ok();
  }

  InputSeries& series_;
  const InputGrid& grid_;
  base::Duration at_;
  base::Duration next_{grid_.from};
  double last_ = 0;
};

}  // namespace

bool is_open(std::string_view line) {
  std::size_t length = 0;
  if (!take_series(line, length)) return false;
  const auto history = history_of(line.substr(length));
  if (!history) return false;
  const auto parts = base::split(*history, ',');
  const auto last = parse_part(parts.back());
  return last && last->length < base::Duration{0};
}

base::Result<InputSeries> parse_input(std::string_view line, const InputGrid& grid) {
  InputSeries series;
  std::size_t length = 0;
  TC_TRY(series.labels, take_series(line, length));
  const auto history = history_of(line.substr(length));
  if (!history) {
    TC_TRY(const promql::NotedSeries noted, promql::parse_noted_series(line));
    for (std::size_t i = 0; i < noted.values.size(); ++i) {
      const auto at = grid.from + static_cast<std::int64_t>(i) * grid.step;
      if (noted.values[i]) series.samples.push_back({at.count(), *noted.values[i]});
    }
    series.end = grid.from + static_cast<std::int64_t>(noted.values.size()) * grid.step - grid.step;
    return series;
  }
  Writer writer(series, grid);
  const auto parts = base::split(*history, ',');
  for (std::size_t i = 0; i < parts.size(); ++i) {
    TC_TRY(const Part part, parse_part(base::trim(parts[i])));
    if (part.length < base::Duration{0} && i + 1 < parts.size()) {
      return invalid(fmt::format("'{}' has no end; only the last part may go on until the test's",
                                 base::trim(parts[i])));
    }
    TC_TRY(writer.add(part));
  }
  series.end = writer.end();
  return series;
}

std::vector<FeedSample> make_feed(std::span<const InputSeries> series) {
  std::vector<FeedSample> feed;
  for (std::uint32_t i = 0; i < series.size(); ++i) {
    for (const model::Sample& sample : series[i].samples) {
      feed.push_back({sample.timestamp_ms, i, sample.value});
    }
  }
  std::stable_sort(feed.begin(), feed.end(),
                   [](const FeedSample& a, const FeedSample& b) { return a.at_ms < b.at_ms; });
  return feed;
}

}  // namespace tocsin::ruletest

// Series in memory, for tests of whatever evaluates expressions. Not for production: selecting is a
// scan.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "alertd/promql/series_notation.h"
#include "common/base/time.h"
#include "common/model/series_source.h"

namespace tocsin::promql {

/// Usage: `TestSource source; source.load("1m", "up{job=\"a\"} 1 1 0");`
class TestSource final : public model::SeriesSource {
 public:
  /// Adds one sample; a sample of the same time is replaced.
  void add(const model::Labels& labels, model::Sample sample) {
    std::vector<model::Sample>& samples = series_[labels];
    const auto at =
        std::ranges::lower_bound(samples, sample.timestamp_ms, {}, &model::Sample::timestamp_ms);
    if (at != samples.end() && at->timestamp_ms == sample.timestamp_ms) {
      *at = sample;
    } else {
      samples.insert(at, sample);
    }
  }

  /// Adds samples at 0, step, 2*step ... from lines in the notation of series_notation.h.
  /// Errors: InvalidArgument (the line).
  base::Result<void> load(std::string_view step, std::string_view lines) {
    TC_TRY(const base::Duration duration, base::parse_duration(step));
    std::size_t begin = 0;
    while (begin <= lines.size()) {
      const std::size_t end = std::min(lines.find('\n', begin), lines.size());
      const std::string_view line = base_trim(lines.substr(begin, end - begin));
      begin = end + 1;
      if (line.empty()) continue;
      TC_TRY(const NotedSeries noted, parse_noted_series(line));
      add(noted, duration);
    }
    return base::ok();
  }

  /// Adds one series in notation, samples `step` apart from time 0.
  void add(const NotedSeries& noted, base::Duration step) {
    for (std::size_t i = 0; i < noted.values.size(); ++i) {
      if (!noted.values[i]) continue;
      add(noted.labels, {static_cast<std::int64_t>(i) * step.count(), *noted.values[i]});
    }
  }

  void clear() { series_.clear(); }
  std::size_t series_count() const { return series_.size(); }

  base::Result<std::unique_ptr<model::SeriesSet>> select(
      std::span<const model::Matcher> matchers, std::int64_t begin_ms, std::int64_t end_ms,
      const model::SelectLimits& limits) const override {
    auto set = std::make_unique<Set>();
    for (const auto& [labels, samples] : series_) {
      if (!model::matches_all(matchers, labels)) continue;
      if (samples.empty() || samples.front().timestamp_ms > end_ms ||
          samples.back().timestamp_ms < begin_ms) {
        continue;
      }
      if (set->series.size() >= limits.series_max) {
        return base::error(base::ErrorCode::LimitExceeded,
                           "more than " + std::to_string(limits.series_max) + " series selected");
      }
      set->series.emplace_back(labels, samples);
    }
    return std::unique_ptr<model::SeriesSet>(std::move(set));
  }

  std::unique_ptr<model::PreparedSelector> prepare(
      std::span<const model::Matcher> matchers) const override {
    return std::make_unique<Prepared>(*this, matchers);
  }

  base::Result<std::vector<std::string>> label_values(
      std::string_view name, std::span<const model::Matcher> matchers) const override {
    std::vector<std::string> values;
    for (const auto& [labels, samples] : series_) {
      if (labels.has(name) && model::matches_all(matchers, labels)) {
        values.emplace_back(labels.get(name));
      }
    }
    return unique(std::move(values));
  }

  base::Result<std::vector<std::string>> label_names(
      std::span<const model::Matcher> matchers) const override {
    std::vector<std::string> names;
    for (const auto& [labels, samples] : series_) {
      if (!model::matches_all(matchers, labels)) continue;
      for (const model::LabelView label : labels) names.emplace_back(label.name);
    }
    return unique(std::move(names));
  }

 private:
  struct Set final : model::SeriesSet {
    std::vector<std::pair<model::Labels, std::vector<model::Sample>>> series;

    std::size_t size() const override { return series.size(); }
    const model::Labels& labels(std::size_t index) const override { return series[index].first; }
    base::Result<void> samples(std::size_t index, std::int64_t begin_ms, std::int64_t end_ms,
                               std::vector<model::Sample>& out) const override {
      const auto& all = series[index].second;
      const auto from = std::ranges::lower_bound(all, begin_ms, {}, &model::Sample::timestamp_ms);
      const auto to = std::ranges::upper_bound(all, end_ms, {}, &model::Sample::timestamp_ms);
      if (from < to) out.insert(out.end(), from, to);
      return base::ok();
    }
  };

  struct List final : model::SeriesList {
    std::vector<model::Labels> series;

    std::size_t size() const override { return series.size(); }
    const model::Labels& labels(std::size_t index) const override { return series[index]; }
    std::span<const std::uint32_t> grown_from(const model::SeriesList& older) const override {
      from.clear();
      const auto& before = dynamic_cast<const List&>(older).series;
      if (!std::ranges::includes(series, before)) return {};
      std::uint32_t next = 0;
      for (const model::Labels& labels : series) {
        const bool old = next < before.size() && before[next] == labels;
        from.push_back(old ? next++ : kNewSeries);
      }
      return from;
    }
    mutable std::vector<std::uint32_t> from;
  };

  // Reads backwards, so that nobody relies on the order of labels.
  struct Prepared final : model::PreparedSelector {
    Prepared(const TestSource& source_in, std::span<const model::Matcher> matchers_in)
        : source(source_in), matchers(matchers_in.begin(), matchers_in.end()) {}

    std::shared_ptr<const model::SeriesList> refresh() override {
      auto now = std::make_shared<List>();
      for (const auto& [labels, samples] : source.series_) {
        if (model::matches_all(matchers, labels)) now->series.push_back(labels);
      }
      if (!list || now->series != list->series) list = std::move(now);
      return list;
    }
    base::Result<void> newest(std::int64_t begin_ms, std::int64_t end_ms,
                              std::span<model::Sample> out) override {
      for (std::size_t i = 0; i < out.size(); ++i) {
        const auto samples = between(i, begin_ms, end_ms);
        out[i] = samples.empty() ? model::Sample{kNoSample, 0} : samples.back();
      }
      return base::ok();
    }
    base::Result<void> windows(std::int64_t begin_ms, std::int64_t end_ms,
                               const Visit& visit) override {
      for (std::size_t i = list->size(); i-- > 0;) {
        auto samples = between(i, begin_ms, end_ms);
        std::erase_if(samples, [](const auto& sample) { return model::is_stale(sample.value); });
        if (!samples.empty() && !visit(i, samples)) break;
      }
      return base::ok();
    }
    std::vector<model::Sample> between(std::size_t index, std::int64_t begin_ms,
                                       std::int64_t end_ms) const {
      std::vector<model::Sample> out = source.series_.at(list->series[index]);
      std::erase_if(out, [&](const model::Sample& sample) {
        return sample.timestamp_ms < begin_ms || sample.timestamp_ms > end_ms;
      });
      return out;
    }

    const TestSource& source;
    std::vector<model::Matcher> matchers;
    std::shared_ptr<const List> list;
  };

  static std::string_view base_trim(std::string_view text) {
    const std::size_t begin = text.find_first_not_of(" \t\r\n");
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
  }

  static std::vector<std::string> unique(std::vector<std::string> values) {
    std::ranges::sort(values);
    values.erase(std::unique(values.begin(), values.end()), values.end());
    return values;
  }

  std::map<model::Labels, std::vector<model::Sample>> series_;
};

}  // namespace tocsin::promql

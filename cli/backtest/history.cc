#include "cli/backtest/history.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <span>

#include "alertd/ruler/memory_store.h"

namespace tocsin::backtest {
namespace {

/// Forwards to a source that somebody else owns.
class Borrowed final : public model::SeriesSource {
 public:
  explicit Borrowed(const model::SeriesSource& source) : source_(source) {}
  base::Result<std::unique_ptr<model::SeriesSet>> select(
      std::span<const model::Matcher> matchers, std::int64_t begin_ms, std::int64_t end_ms,
      const model::SelectLimits& limits) const override {
    return source_.select(matchers, begin_ms, end_ms, limits);
  }
  base::Result<std::vector<std::string>> label_values(
      std::string_view name, std::span<const model::Matcher> matchers) const override {
    return source_.label_values(name, matchers);
  }
  base::Result<std::vector<std::string>> label_names(
      std::span<const model::Matcher> matchers) const override {
    return source_.label_names(matchers);
  }

 private:
  const model::SeriesSource& source_;
};

class LocalHistory final : public History {
 public:
  LocalHistory(const promql::Engine& engine, const model::SeriesSource& source, std::string name)
      : engine_(engine), source_(source), name_(std::move(name)) {}

  Portions portions() const override { return {11'000, 11'000, 20'000'000, 0}; }

  base::Result<promql::Matrix> range(const Question& question, const Slots& slots) override {
    TC_TRY(auto result,
           engine_.range(source_, question.expr, slots.begin, slots.last(), slots.step));
    auto* matrix = std::get_if<promql::Matrix>(&result.value);
    if (matrix == nullptr) return not_a_vector();
    return std::move(*matrix);
  }

  base::Result<promql::Vector> instant(const Question& question, base::WallTime at) override {
    TC_TRY(auto result, engine_.instant(source_, question.expr, at));
    if (auto* vector = std::get_if<promql::Vector>(&result.value)) return std::move(*vector);
    const auto* scalar = std::get_if<promql::Scalar>(&result.value);
    if (scalar == nullptr) return not_a_vector();
    return promql::Vector{{model::Labels(), scalar->sample}};
  }

  base::Result<std::unique_ptr<model::SeriesSource>> samples(const std::vector<Need>&) override {
    return std::unique_ptr<model::SeriesSource>(std::make_unique<Borrowed>(source_));
  }

  std::string name() const override { return name_; }

 private:
  static base::Error not_a_vector() {
    return base::error(base::ErrorCode::InvalidArgument,
                       "the result is neither an instant vector nor a scalar");
  }

  const promql::Engine& engine_;
  const model::SeriesSource& source_;
  const std::string name_;
};

class RemoteHistory final : public History {
 public:
  RemoteHistory(QueryApi& api, std::string name) : api_(api), name_(std::move(name)) {}

  // Prometheus refuses more than 11,000 points a series; a million points are some 25 MB of JSON.
  Portions portions() const override { return {1'000, 11'000, 1'000'000, 50}; }

  base::Result<promql::Matrix> range(const Question& question, const Slots& slots) override {
    TC_TRY(auto answer, api_.range(question.text, slots.begin, slots.last(), slots.step));
    return std::move(answer.series);
  }

  base::Result<promql::Vector> instant(const Question& question, base::WallTime at) override {
    TC_TRY(const auto answer, api_.instant(question.text, at));
    return answer.vector();
  }

  base::Result<std::unique_ptr<model::SeriesSource>> samples(
      const std::vector<Need>& needs) override {
    auto store = std::make_unique<ruler::MemoryStore>();
    std::size_t held = 0;
    for (const auto& [text, period] : merge(needs)) TC_TRY(fetch(text, period, *store, held));
    return std::unique_ptr<model::SeriesSource>(std::move(store));
  }

  std::string name() const override { return name_; }

 private:
  static constexpr std::size_t kSamplesMax = 50'000'000;
  static constexpr base::Duration kPieceMin{1'000};
  struct Period {
    base::WallTime begin;
    base::WallTime end;
  };

  static std::string selector_text(const std::vector<model::Matcher>& matchers) {
    std::string text;
    for (const model::Matcher& matcher : matchers) {
      text += (text.empty() ? "" : ",") + matcher.to_string();
    }
    return '{' + text + '}';
  }

  /// The same selector is fetched once, for all that need it.
  static std::map<std::string, Period> merge(const std::vector<Need>& needs) {
    std::map<std::string, Period> merged;
    for (const Need& need : needs) {
      const auto [it, added] =
          merged.emplace(selector_text(need.matchers), Period{need.begin, need.end});
      if (added) continue;
      it->second.begin = std::min(it->second.begin, need.begin);
      it->second.end = std::max(it->second.end, need.end);
    }
    return merged;
  }

  /// Reads samples as `selector[piece]`, in pieces that the server can answer.
  base::Result<void> fetch(const std::string& selector, const Period& period,
                           ruler::MemoryStore& store, std::size_t& held) {
    base::Duration piece = std::chrono::hours(1);
    for (base::WallTime at = period.begin; at < period.end;) {
      const base::WallTime end = std::min(at + piece, period.end);
      const std::string expr =
          fmt::format("{}[{}ms]", selector, std::max<std::int64_t>((end - at).count(), 1));
      auto answer = api_.instant(expr, end);
      if (!answer) {
        const bool smaller = answer.error().code == base::ErrorCode::LimitExceeded ||
                             answer.error().code == base::ErrorCode::Timeout;
        if (!smaller || piece / 2 < kPieceMin) return std::move(answer).error();
        piece /= 2;
        continue;
      }
      held += answer->points();
      if (held > kSamplesMax) {
        return base::error(base::ErrorCode::LimitExceeded,
                           fmt::format("rules that read what other rules record need more than {} "
                                       "samples in memory; take a shorter time",
                                       kSamplesMax));
      }
      for (const promql::MatrixSeries& series : answer->series) {
        for (const model::Sample& sample : series.samples) store.add(series.labels, sample);
      }
      at = end;
      if (answer->points() < portions().points_wanted / 4) piece *= 2;
    }
    return base::ok();
  }

  QueryApi& api_;
  const std::string name_;
};

}  // namespace

std::unique_ptr<History> make_local_history(const promql::Engine& engine,
                                            const model::SeriesSource& source, std::string name) {
  return std::make_unique<LocalHistory>(engine, source, std::move(name));
}

std::unique_ptr<History> make_remote_history(QueryApi& api, std::string name) {
  return std::make_unique<RemoteHistory>(api, std::move(name));
}

}  // namespace tocsin::backtest

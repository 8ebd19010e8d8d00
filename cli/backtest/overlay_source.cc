#include "cli/backtest/overlay_source.h"

#include <algorithm>
#include <optional>

namespace tocsin::backtest {
namespace {

using SetPtr = std::unique_ptr<model::SeriesSet>;

class MergedSet final : public model::SeriesSet {
 public:
  MergedSet(SetPtr past, SetPtr written, const Shadow& shadow)
      : past_(std::move(past)), written_(std::move(written)), since_(base::to_ms(shadow.since)) {
    std::size_t p = 0;
    std::size_t w = 0;
    while (p < past_->size() || w < written_->size()) {
      const bool only_past =
          w == written_->size() || (p < past_->size() && past_->labels(p) < written_->labels(w));
      const bool only_written =
          !only_past && (p == past_->size() || written_->labels(w) < past_->labels(p));
      Entry entry;
      if (!only_written) {
        entry.past = p;
        entry.covered = shadow.covers(past_->labels(p));
        ++p;
      }
      if (!only_past) entry.written = w++;
      entries_.push_back(entry);
    }
  }

  std::size_t size() const override { return entries_.size(); }
  const model::Labels& labels(std::size_t series) const override {
    const Entry& entry = entries_[series];
    return entry.past ? past_->labels(*entry.past) : written_->labels(*entry.written);
  }
  base::Result<void> samples(std::size_t series, std::int64_t begin_ms, std::int64_t end_ms,
                             std::vector<model::Sample>& out) const override {
    const Entry& entry = entries_[series];
    if (entry.past) {
      const std::int64_t end = entry.covered ? std::min(end_ms, since_ - 1) : end_ms;
      if (begin_ms <= end) TC_TRY(past_->samples(*entry.past, begin_ms, end, out));
    }
    if (!entry.written) return base::ok();
    const std::size_t before = out.size();
    TC_TRY(written_->samples(*entry.written, begin_ms, end_ms, out));
    // A series that is written and not covered cannot be; if it is all the same, time must grow.
    if (before == 0 || out.size() == before) return base::ok();
    if (out[before].timestamp_ms > out[before - 1].timestamp_ms) return base::ok();
    const auto middle = out.begin() + static_cast<std::ptrdiff_t>(before);
    std::inplace_merge(out.begin(), middle, out.end(), earlier);
    out.erase(std::unique(out.begin(), out.end(), same_time), out.end());
    return base::ok();
  }

 private:
  struct Entry {
    std::optional<std::size_t> past;
    std::optional<std::size_t> written;
    bool covered = false;
  };
  static bool earlier(const model::Sample& a, const model::Sample& b) {
    return a.timestamp_ms < b.timestamp_ms;
  }
  static bool same_time(const model::Sample& a, const model::Sample& b) {
    return a.timestamp_ms == b.timestamp_ms;
  }

  SetPtr past_;
  SetPtr written_;
  std::int64_t since_;
  std::vector<Entry> entries_;
};

std::vector<std::string> united(const std::vector<std::string>& a,
                                const std::vector<std::string>& b) {
  std::vector<std::string> all;
  std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(all));
  return all;
}

}  // namespace

bool Shadow::covers(const model::Labels& labels) const {
  const std::string_view name = labels.metric_name();
  if (name == "ALERTS" || name == "ALERTS_FOR_STATE") {
    return alerts.contains(labels.get(model::kAlertName));
  }
  return recordings.contains(name);
}

base::Result<SetPtr> OverlaySource::select(std::span<const model::Matcher> matchers,
                                           std::int64_t begin_ms, std::int64_t end_ms,
                                           const model::SelectLimits& limits) const {
  TC_TRY(auto past, past_.select(matchers, begin_ms, end_ms, limits));
  TC_TRY(auto written, written_.select(matchers, begin_ms, end_ms, limits));
  return SetPtr(std::make_unique<MergedSet>(std::move(past), std::move(written), shadow_));
}

base::Result<std::vector<std::string>> OverlaySource::label_values(
    std::string_view name, std::span<const model::Matcher> matchers) const {
  TC_TRY(const auto past, past_.label_values(name, matchers));
  TC_TRY(const auto written, written_.label_values(name, matchers));
  return united(past, written);
}

base::Result<std::vector<std::string>> OverlaySource::label_names(
    std::span<const model::Matcher> matchers) const {
  TC_TRY(const auto past, past_.label_names(matchers));
  TC_TRY(const auto written, written_.label_names(matchers));
  return united(past, written);
}

}  // namespace tocsin::backtest

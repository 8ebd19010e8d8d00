#include "tests/sim/store_faults/ledger.h"

#include <fmt/core.h>

#include <algorithm>
#include <bit>

namespace tocsin::store_faults {
namespace {

constexpr std::size_t kBreachesTold = 5;

bool same(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

bool has(const std::vector<double>& values, double value) {
  return std::any_of(values.begin(), values.end(), [&](double one) { return same(one, value); });
}

const model::Sample* find(const std::vector<model::Sample>& samples, std::int64_t timestamp_ms) {
  const auto at = std::lower_bound(
      samples.begin(), samples.end(), timestamp_ms,
      [](const model::Sample& sample, std::int64_t ts) { return sample.timestamp_ms < ts; });
  return at == samples.end() || at->timestamp_ms != timestamp_ms ? nullptr : &*at;
}

}  // namespace

void Ledger::sent(std::vector<SentSample>& batch) {
  for (SentSample& one : batch) {
    Series& series = series_[one.series];
    one.certain = one.certain && (series.newest_ms == std::numeric_limits<std::int64_t>::min() ||
                                  one.sample.timestamp_ms >= series.newest_ms - window_.count());
    Known& known = series.samples[one.sample.timestamp_ms];
    // What was acknowledged keeps its value, whatever comes later.
    auto& values = known.acked_step == 0 ? known.values : known.refused;
    if (!has(values, one.sample.value)) values.push_back(one.sample.value);
    series.newest_ms = std::max(series.newest_ms, one.sample.timestamp_ms);
  }
}

void Ledger::acknowledged(const std::vector<SentSample>& batch, std::uint64_t step) {
  for (const SentSample& one : batch) {
    if (!one.certain) continue;
    Known& known = series_[one.series].samples[one.sample.timestamp_ms];
    if (known.acked_step != 0) continue;
    known.acked_step = step;
    ++acknowledged_;
  }
}

void Ledger::forgive_after(std::uint64_t step) {
  for (auto& [name, series] : series_) {
    for (auto& [timestamp, known] : series.samples) {
      if (known.acked_step > step) known.acked_step = 0;
    }
  }
}

std::vector<Ledger::Missing> Ledger::missing(const tsdb::Contents& found,
                                             std::int64_t horizon_ms) const {
  std::vector<Missing> missing;
  for (const auto& [name, series] : series_) {
    const auto at = found.find(name);
    for (auto known = series.samples.lower_bound(horizon_ms); known != series.samples.end();
         ++known) {
      if (known->second.acked_step == 0) continue;
      if (at != found.end() && find(at->second, known->first) != nullptr) continue;
      missing.push_back({known->second.acked_step, name, known->first});
    }
  }
  return missing;
}

std::vector<std::string> Ledger::breaches(const tsdb::Contents& found, std::int64_t horizon_ms,
                                          Values values) const {
  std::vector<std::string> told;
  for (const Missing& one : missing(found, horizon_ms)) {
    told.push_back(fmt::format("{} at {}: acknowledged in step {}, lost", one.series,
                               one.timestamp_ms, one.step));
  }
  for (const auto& [name, samples] : found) {
    const auto at = series_.find(name);
    if (at == series_.end()) {
      told.push_back(fmt::format("{} was never sent", name));
      continue;
    }
    std::int64_t before = std::numeric_limits<std::int64_t>::min();
    for (const model::Sample& sample : samples) {
      const auto known = at->second.samples.find(sample.timestamp_ms);
      const bool sent = known != at->second.samples.end() &&
                        (has(known->second.values, sample.value) ||
                         (values == Values::Any && has(known->second.refused, sample.value)));
      if (!sent) {
        told.push_back(fmt::format(
            "{} at {} is {}, which was never sent{}", name, sample.timestamp_ms, sample.value,
            known == at->second.samples.end()
                ? std::string()
                : fmt::format("; acknowledged {} in step {}", known->second.values.front(),
                              known->second.acked_step)));
      }
      if (sample.timestamp_ms <= before && before != std::numeric_limits<std::int64_t>::min()) {
        told.push_back(fmt::format("{} at {} comes after {}", name, sample.timestamp_ms, before));
      }
      before = sample.timestamp_ms;
    }
  }
  if (told.size() > kBreachesTold) {
    const std::size_t more = told.size() - kBreachesTold;
    told.resize(kBreachesTold);
    told.push_back(fmt::format("and {} more", more));
  }
  return told;
}

}  // namespace tocsin::store_faults

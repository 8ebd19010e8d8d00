// Rates extrapolate to the edges of the window as Prometheus 3 does; see extrapolated().
#include "alertd/promql/range_functions.h"

#include <cmath>
#include <limits>

#include "alertd/promql/kahan.h"
#include "alertd/promql/quantile.h"
#include "alertd/promql/table.h"

namespace tocsin::promql {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

double seconds(std::int64_t ms) {
  return static_cast<double>(ms) / 1000.0;
}

// The samples rarely touch the window's edges. If the first (last) one is nearer to its edge
// than 1.1 average intervals, the series is taken to go on to the edge; else for half an interval.
// A counter is never extrapolated to below zero. Source: Prometheus promql/functions.go,
// extrapolatedRate.
double extrapolated(const Window& window, bool counter, bool per_second) {
  const auto& samples = window.samples;
  if (samples.size() < 2) return absent_value();
  double result = samples.back().value - samples.front().value;
  if (counter) {
    for (std::size_t i = 1; i < samples.size(); ++i) {
      if (samples[i].value < samples[i - 1].value) result += samples[i - 1].value;
    }
  }
  double to_start = seconds(samples.front().timestamp_ms - window.begin_ms);
  double to_end = seconds(window.end_ms - samples.back().timestamp_ms);
  const double sampled = seconds(samples.back().timestamp_ms - samples.front().timestamp_ms);
  const double average = sampled / static_cast<double>(samples.size() - 1);
  const double threshold = average * 1.1;
  if (to_start >= threshold) to_start = average / 2;
  if (counter) {
    double to_zero = to_start;
    if (result > 0 && samples.front().value >= 0) {
      to_zero = sampled * (samples.front().value / result);
    }
    if (to_zero < to_start) to_start = to_zero;
  }
  if (to_end >= threshold) to_end = average / 2;
  double factor = (sampled + to_start + to_end) / sampled;
  if (per_second) factor /= seconds(window.end_ms - window.begin_ms);
  return result * factor;
}

double instant_change(const Window& window, bool is_rate) {
  const auto& samples = window.samples;
  if (samples.size() < 2) return absent_value();
  const model::Sample& last = samples.back();
  const model::Sample& previous = samples[samples.size() - 2];
  const std::int64_t interval_ms = last.timestamp_ms - previous.timestamp_ms;
  if (interval_ms == 0) return absent_value();
  double result = last.value;
  if (!is_rate || !(last.value < previous.value)) result = last.value - previous.value;
  return is_rate ? result / seconds(interval_ms) : result;
}

struct Line {
  double slope = 0;
  double intercept = 0;
};

// Least squares; `origin_ms` is where the intercept is wanted.
Line regression(std::span<const model::Sample> samples, std::int64_t origin_ms) {
  const double first = samples[0].value;
  bool constant = true;
  KahanSum x_sum;
  KahanSum y_sum;
  KahanSum xy_sum;
  KahanSum xx_sum;
  for (const model::Sample& sample : samples) {
    constant = constant && sample.value == first;
    const double x = seconds(sample.timestamp_ms - origin_ms);
    x_sum.add(x);
    y_sum.add(sample.value);
    xy_sum.add(x * sample.value);
    xx_sum.add(x * x);
  }
  if (constant) return std::isinf(first) ? Line{kNan, kNan} : Line{0, first};
  const auto n = static_cast<double>(samples.size());
  const double x = x_sum.sum + x_sum.compensation;
  const double y = y_sum.sum + y_sum.compensation;
  const double covariance = xy_sum.sum + xy_sum.compensation - x * y / n;
  const double variance = xx_sum.sum + xx_sum.compensation - x * x / n;
  const double slope = covariance / variance;
  return {slope, y / n - slope * x / n};
}

double variance(const Window& window) {
  double count = 0;
  KahanSum mean;
  KahanSum squares;
  for (const model::Sample& sample : window.samples) {
    count += 1;
    const double delta = sample.value - (mean.sum + mean.compensation);
    mean.add(delta / count);
    squares.add(delta * (sample.value - (mean.sum + mean.compensation)));
  }
  return (squares.sum + squares.compensation) / count;
}

template <class Better>
const model::Sample& extreme(const Window& window, Better better) {
  const model::Sample* best = &window.samples[0];
  for (const model::Sample& sample : window.samples) {
    if (better(sample.value, best->value) || std::isnan(best->value)) best = &sample;
  }
  return *best;
}

std::vector<double>& values_of(const Window& window) {
  window.scratch->clear();
  for (const model::Sample& sample : window.samples) window.scratch->push_back(sample.value);
  return *window.scratch;
}

}  // namespace

double rate(const Window& window) {
  return extrapolated(window, true, true);
}
double increase(const Window& window) {
  return extrapolated(window, true, false);
}
double delta(const Window& window) {
  return extrapolated(window, false, false);
}
double irate(const Window& window) {
  return instant_change(window, true);
}
double idelta(const Window& window) {
  return instant_change(window, false);
}

double deriv(const Window& window) {
  if (window.samples.size() < 2) return absent_value();
  return regression(window.samples, window.samples[0].timestamp_ms).slope;
}

double predict_linear(const Window& window) {
  if (window.samples.size() < 2) return absent_value();
  const Line line = regression(window.samples, window.at_ms);
  return line.slope * window.parameter + line.intercept;
}

// Holt's linear method. Source: NIST/SEMATECH e-Handbook, 6.4.3.3.
double double_exponential_smoothing(const Window& window) {
  const auto& samples = window.samples;
  if (samples.size() < 2) return absent_value();
  const double smoothing = window.parameter;
  const double trend_factor = window.second_parameter;
  double before = 0;
  double level = samples[0].value;
  double trend = samples[1].value - samples[0].value;
  for (std::size_t i = 1; i < samples.size(); ++i) {
    if (i > 1) trend = trend_factor * (level - before) + (1 - trend_factor) * trend;
    const double next = smoothing * samples[i].value + (1 - smoothing) * (level + trend);
    before = level;
    level = next;
  }
  return level;
}

double avg_over_time(const Window& window) {
  KahanMean mean;
  for (const model::Sample& sample : window.samples) mean.add(sample.value);
  return mean.value();
}

double min_over_time(const Window& window) {
  return extreme(window, [](double a, double b) { return a < b; }).value;
}
double max_over_time(const Window& window) {
  return extreme(window, [](double a, double b) { return a > b; }).value;
}

double sum_over_time(const Window& window) {
  KahanSum sum;
  for (const model::Sample& sample : window.samples) sum.add(sample.value);
  return sum.value();
}

double count_over_time(const Window& window) {
  return static_cast<double>(window.samples.size());
}
double stddev_over_time(const Window& window) {
  return std::sqrt(variance(window));
}
double stdvar_over_time(const Window& window) {
  return variance(window);
}
double first_over_time(const Window& window) {
  return window.samples.front().value;
}
double last_over_time(const Window& window) {
  return window.samples.back().value;
}
double present_over_time(const Window&) {
  return 1;
}

double quantile_over_time(const Window& window) {
  return quantile(window.parameter, values_of(window));
}

// Median absolute deviation from the median.
double mad_over_time(const Window& window) {
  std::vector<double>& values = values_of(window);
  for (const double value : values) {
    if (std::isnan(value)) return kNan;
  }
  const double median = quantile(0.5, values);
  for (double& value : values) value = std::fabs(value - median);
  return quantile(0.5, values);
}

double ts_of_first_over_time(const Window& window) {
  return seconds(window.samples.front().timestamp_ms);
}
double ts_of_last_over_time(const Window& window) {
  return seconds(window.samples.back().timestamp_ms);
}
// Of equal extremes the last one counts, as in Prometheus.
double ts_of_min_over_time(const Window& window) {
  return seconds(extreme(window, [](double a, double b) { return a <= b; }).timestamp_ms);
}
double ts_of_max_over_time(const Window& window) {
  return seconds(extreme(window, [](double a, double b) { return a >= b; }).timestamp_ms);
}

double changes(const Window& window) {
  double count = 0;
  for (std::size_t i = 1; i < window.samples.size(); ++i) {
    const double current = window.samples[i].value;
    const double previous = window.samples[i - 1].value;
    if (current != previous && !(std::isnan(current) && std::isnan(previous))) count += 1;
  }
  return count;
}

double resets(const Window& window) {
  double count = 0;
  for (std::size_t i = 1; i < window.samples.size(); ++i) {
    if (window.samples[i].value < window.samples[i - 1].value) count += 1;
  }
  return count;
}

}  // namespace tocsin::promql

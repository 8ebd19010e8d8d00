// Functions of one window of samples. Each returns absent_value() where Prometheus returns nothing.
#pragma once

#include "alertd/promql/functions.h"

namespace tocsin::promql {

double rate(const Window& window);
double increase(const Window& window);
double delta(const Window& window);
double irate(const Window& window);
double idelta(const Window& window);
double deriv(const Window& window);
double predict_linear(const Window& window);
double double_exponential_smoothing(const Window& window);

double avg_over_time(const Window& window);
double min_over_time(const Window& window);
double max_over_time(const Window& window);
double sum_over_time(const Window& window);
double count_over_time(const Window& window);
double stddev_over_time(const Window& window);
double stdvar_over_time(const Window& window);
double first_over_time(const Window& window);
double last_over_time(const Window& window);
double present_over_time(const Window& window);
double quantile_over_time(const Window& window);
double mad_over_time(const Window& window);
double ts_of_first_over_time(const Window& window);
double ts_of_last_over_time(const Window& window);
double ts_of_min_over_time(const Window& window);
double ts_of_max_over_time(const Window& window);
double changes(const Window& window);
double resets(const Window& window);

}  // namespace tocsin::promql

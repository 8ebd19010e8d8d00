// Compensated summation, as Prometheus adds: the sum keeps the bits that plain addition loses.
// Source: Neumaier's variant of Kahan's algorithm.
#pragma once

#include <cmath>

namespace tocsin::promql {

struct KahanSum {
  double sum = 0;
  double compensation = 0;

  void add(double value) {
    const double total = sum + value;
    if (std::isinf(total)) {
      compensation = 0;
    } else if (std::fabs(sum) >= std::fabs(value)) {
      compensation += (sum - total) + value;
    } else {
      compensation += (value - total) + sum;
    }
    sum = total;
  }
  double value() const { return std::isinf(sum) ? sum : sum + compensation; }
};

/// A mean that sums as long as the sum does not overflow and goes on incrementally then.
class KahanMean {
 public:
  void add(double value) {
    count_ += 1;
    if (!incremental_) {
      KahanSum next = sum_;
      next.add(value);
      if (count_ == 1 || !std::isinf(next.sum)) {
        sum_ = count_ == 1 ? KahanSum{value, 0} : next;
        return;
      }
      incremental_ = true;
      sum_ = {sum_.sum / (count_ - 1), sum_.compensation / (count_ - 1)};
    }
    const double share = (count_ - 1) / count_;
    sum_ = {share * sum_.sum, share * sum_.compensation};
    sum_.add(value / count_);
  }
  double count() const { return count_; }
  double value() const {
    if (incremental_) return sum_.sum + sum_.compensation;
    return sum_.sum / count_ + sum_.compensation / count_;
  }

 private:
  KahanSum sum_;  // of the values; of the mean once incremental
  double count_ = 0;
  bool incremental_ = false;
};

}  // namespace tocsin::promql

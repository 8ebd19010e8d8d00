#include <fmt/core.h>

#include <cmath>

#include "cli/explain/explain.h"
#include "common/base/strings.h"

namespace tocsin::explain {

std::string short_number(double value) {
  if (!std::isfinite(value) || (value == std::floor(value) && std::fabs(value) < 1e15)) {
    return base::format_double(value);
  }
  return fmt::format("{:.6g}", value);
}

bool holds(promql::BinaryOp op, double value, double threshold) {
  switch (op) {
    case promql::BinaryOp::Equal:
      return value == threshold;
    case promql::BinaryOp::NotEqual:
      return value != threshold;
    case promql::BinaryOp::Less:
      return value < threshold;
    case promql::BinaryOp::LessEqual:
      return value <= threshold;
    case promql::BinaryOp::Greater:
      return value > threshold;
    case promql::BinaryOp::GreaterEqual:
      return value >= threshold;
    default:
      return false;
  }
}

std::string describe_distance(promql::BinaryOp op, double value, double threshold) {
  const bool true_now = holds(op, value, threshold);
  if (std::isnan(value)) return "NaN: no comparison but != holds";
  const std::string distance = short_number(std::fabs(value - threshold));
  if (op == promql::BinaryOp::Equal) return true_now ? "equal" : "differs by " + distance;
  if (op == promql::BinaryOp::NotEqual) return true_now ? "differs by " + distance : "equal";
  const bool upwards = op == promql::BinaryOp::Greater || op == promql::BinaryOp::GreaterEqual;
  if (true_now) return "holds by " + distance;
  if (value == threshold) return "exactly at the threshold";
  return distance + (upwards ? " too low" : " too high");
}

}  // namespace tocsin::explain

#include "tests/runners/promql/planned.h"

#include <fmt/core.h>

#include <bit>

#include "alertd/promql/plan.h"

namespace tocsin::promql_runner {
namespace {

using promql::QueryResult;

std::string one(const model::Sample& sample) {
  return fmt::format("{:016x}@{}", std::bit_cast<std::uint64_t>(sample.value), sample.timestamp_ms);
}

std::vector<std::string> lines_of(const base::Result<QueryResult>& result) {
  if (!result) return {"error " + result.error().message};
  std::vector<std::string> lines;
  if (const auto* vector = std::get_if<promql::Vector>(&result->value)) {
    for (const auto& sample : *vector) {
      lines.push_back(sample.labels.to_string() + " " + one(sample.sample));
    }
  } else if (const auto* matrix = std::get_if<promql::Matrix>(&result->value)) {
    for (const auto& series : *matrix) {
      lines.push_back(series.labels.to_string());
      for (const auto& sample : series.samples) lines.push_back(one(sample));
    }
  } else if (const auto* scalar = std::get_if<promql::Scalar>(&result->value)) {
    lines.push_back(one(scalar->sample));
  } else {
    lines.push_back(std::get<promql::String>(result->value).value);
  }
  lines.insert(lines.end(), result->warnings.begin(), result->warnings.end());
  lines.insert(lines.end(), result->infos.begin(), result->infos.end());
  return lines;
}

}  // namespace

std::string difference(const base::Result<QueryResult>& plain,
                       const base::Result<QueryResult>& planned) {
  const std::vector<std::string> a = lines_of(plain);
  const std::vector<std::string> b = lines_of(planned);
  for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
    const std::string left = i < a.size() ? a[i] : "nothing";
    const std::string right = i < b.size() ? b[i] : "nothing";
    if (left != right) return fmt::format("line {}: plain {}, planned {}", i + 1, left, right);
  }
  return "";
}

std::string check_planned(const promql::Engine& engine, const model::SeriesSource& source,
                          const promql::Expr& expr, base::WallTime at,
                          const base::Result<QueryResult>& plain) {
  promql::Plan plan(engine, source);
  plan.add(promql::ExprPtr(promql::ExprPtr(), &expr));  // the caller's, who outlives the plan
  (void)plan.instant(expr, at - base::Duration{60'000});
  for (const char* when : {"first", "second"}) {
    plan.begin_round();
    const std::string problem = difference(plain, plan.instant(expr, at));
    if (!problem.empty()) return fmt::format("with a plan, {} time: {}", when, problem);
  }
  return "";
}

}  // namespace tocsin::promql_runner

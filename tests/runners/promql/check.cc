#include "tests/runners/promql/check.h"

#include <fmt/core.h>
#include <re2/re2.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "common/base/strings.h"

namespace tocsin::promql_runner {
namespace {

using promql::Matrix;
using promql::QueryResult;
using promql::Vector;

constexpr double kEpsilon = 1e-6;

bool matches(const Pattern& pattern, const std::string& text) {
  switch (pattern.kind) {
    case Pattern::Kind::Any:
      return true;
    case Pattern::Kind::Exact:
      return pattern.text == text;
    case Pattern::Kind::Regex:
      return RE2::PartialMatch(text, pattern.text);
  }
  return false;
}

std::string check_annotations(const char* kind, const std::vector<Pattern>& expected, bool none,
                              const std::vector<std::string>& actual) {
  if (none && !actual.empty()) return fmt::format("unexpected {}: {}", kind, actual[0]);
  for (const Pattern& pattern : expected) {
    const bool found = std::ranges::any_of(
        actual, [&](const std::string& text) { return matches(pattern, text); });
    if (!found) return fmt::format("expected {} '{}', got {}", kind, pattern.text, actual.size());
  }
  if (expected.empty()) return "";
  for (const std::string& text : actual) {
    const bool found = std::ranges::any_of(
        expected, [&](const Pattern& pattern) { return matches(pattern, text); });
    if (!found) return fmt::format("unexpected {}: {}", kind, text);
  }
  return "";
}

std::string check_vector(const Eval& eval, const Vector& actual) {
  std::map<model::Labels, std::size_t> expected;
  for (std::size_t i = 0; i < eval.series.size(); ++i) {
    expected[eval.series[i].series.labels] = i;
  }
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const auto found = expected.find(actual[i].labels);
    if (found == expected.end()) {
      return fmt::format("unexpected {} {}", actual[i].labels.to_string(), actual[i].sample.value);
    }
    if (eval.ordered && found->second != i) {
      return fmt::format("{} is at place {}, expected {}", actual[i].labels.to_string(), i + 1,
                         found->second + 1);
    }
    const auto& values = eval.series[found->second].series.values;
    if (values.size() != 1 || !values[0]) {
      return fmt::format("line {}: an instant query has one value",
                         eval.series[found->second].line);
    }
    if (!almost_equal(*values[0], actual[i].sample.value)) {
      return fmt::format("{}: expected {}, got {}", actual[i].labels.to_string(), *values[0],
                         actual[i].sample.value);
    }
  }
  if (actual.size() == expected.size()) return "";
  for (const auto& [labels, index] : expected) {
    const bool found = std::ranges::any_of(
        actual, [&](const promql::VectorSample& sample) { return sample.labels == labels; });
    if (!found) return fmt::format("missing {}", labels.to_string());
  }
  return fmt::format("expected {} samples, got {}", expected.size(), actual.size());
}

std::string check_sorted(const Matrix& matrix) {
  for (std::size_t i = 1; i < matrix.size(); ++i) {
    if (!(matrix[i - 1].labels < matrix[i].labels)) return "series are not sorted by labels";
  }
  return "";
}

std::string check_matrix(const Eval& eval, const Matrix& actual, std::int64_t begin_ms,
                         std::int64_t step_ms) {
  std::map<model::Labels, const promql::NotedSeries*> expected;
  for (const ExpectedSeries& series : eval.series) {
    expected[series.series.labels] = &series.series;
  }
  if (std::string problem = check_sorted(actual); !problem.empty()) return problem;
  for (const promql::MatrixSeries& series : actual) {
    const auto found = expected.find(series.labels);
    if (found == expected.end()) return fmt::format("unexpected {}", series.labels.to_string());
    std::vector<model::Sample> wanted;
    for (std::size_t k = 0; k < found->second->values.size(); ++k) {
      if (!found->second->values[k]) continue;
      wanted.push_back(
          {begin_ms + static_cast<std::int64_t>(k) * step_ms, *found->second->values[k]});
    }
    if (wanted.size() != series.samples.size()) {
      return fmt::format("{}: expected {} points, got {}", series.labels.to_string(), wanted.size(),
                         series.samples.size());
    }
    for (std::size_t k = 0; k < wanted.size(); ++k) {
      const model::Sample& got = series.samples[k];
      if (got.timestamp_ms != wanted[k].timestamp_ms || !almost_equal(wanted[k].value, got.value)) {
        return fmt::format("{}: expected {} @{}, got {} @{}", series.labels.to_string(),
                           wanted[k].value, wanted[k].timestamp_ms, got.value, got.timestamp_ms);
      }
    }
    expected.erase(found);
  }
  // A series expected without any point is the same as no series.
  for (const auto& [labels, series] : expected) {
    for (const auto& value : series->values) {
      if (value) return fmt::format("missing {}", labels.to_string());
    }
  }
  return "";
}

std::string check_value(const Eval& eval, const QueryResult& result) {
  if (eval.string) {
    const auto* string = std::get_if<promql::String>(&result.value);
    if (string == nullptr) return "expected a string";
    return string->value == *eval.string ? "" : fmt::format("got string '{}'", string->value);
  }
  if (eval.scalar) {
    const auto* scalar = std::get_if<promql::Scalar>(&result.value);
    if (scalar == nullptr) return "expected a scalar";
    if (almost_equal(*eval.scalar, scalar->sample.value)) return "";
    return fmt::format("expected {}, got {}", *eval.scalar, scalar->sample.value);
  }
  if (const auto* matrix = std::get_if<Matrix>(&result.value)) {
    if (eval.range) return check_matrix(eval, *matrix, eval.begin.count(), eval.step.count());
    if (!eval.range_vector) return "got a range vector";
    return check_matrix(eval, *matrix, eval.range_vector->begin.count(),
                        eval.range_vector->step.count());
  }
  const auto* vector = std::get_if<Vector>(&result.value);
  if (vector == nullptr) return "got a scalar or string";
  return check_vector(eval, *vector);
}

}  // namespace

bool almost_equal(double a, double b) {
  if (model::is_stale(a) || model::is_stale(b)) return model::is_stale(a) && model::is_stale(b);
  if (std::isnan(a) && std::isnan(b)) return true;
  if (a == b) return true;
  const double size = std::fabs(a) + std::fabs(b);
  const double difference = std::fabs(a - b);
  constexpr double kSmallest = std::numeric_limits<double>::min();
  if (a == 0 || b == 0 || size < kSmallest) return difference < kEpsilon * kSmallest;
  return difference / std::min(size, std::numeric_limits<double>::max()) < kEpsilon;
}

std::string check(const Eval& eval, const base::Result<QueryResult>& outcome) {
  if (!outcome) {
    const std::string& message = outcome.error().message;
    if (!eval.fail) return "failed: " + message;
    return matches(*eval.fail, message) ? "" : "failed, but with: " + message;
  }
  if (eval.fail) return "expected to fail";
  std::string problem = check_annotations("warning", eval.warns, eval.no_warn, outcome->warnings);
  if (problem.empty()) {
    problem = check_annotations("info", eval.infos, eval.no_info, outcome->infos);
  }
  return problem.empty() ? check_value(eval, *outcome) : problem;
}

std::string check_middle(const Eval& eval, std::int64_t at_ms, const QueryResult& instant,
                         const base::Result<QueryResult>& range) {
  if (!range) return "failed: " + range.error().message;
  const auto& matrix = std::get<Matrix>(range->value);
  if (std::string problem = check_sorted(matrix); !problem.empty()) return problem;
  Vector middle;
  for (const promql::MatrixSeries& series : matrix) {
    for (const model::Sample& sample : series.samples) {
      if (sample.timestamp_ms == at_ms) middle.push_back({series.labels, sample});
    }
  }
  QueryResult result;
  if (std::holds_alternative<promql::Scalar>(instant.value)) {
    if (middle.size() != 1) return fmt::format("a scalar became {} series", middle.size());
    result.value = promql::Scalar{middle[0].sample};
  } else {
    result.value = std::move(middle);
  }
  return check_value(eval, result);
}

}  // namespace tocsin::promql_runner

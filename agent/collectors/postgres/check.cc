#include "agent/collectors/postgres/check.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>

#include "common/base/strings.h"

namespace tocsin::agent {

using base::ErrorCode;
using base::Result;

namespace {

constexpr std::size_t kLabelBytesMax = 256;

/// Mail addresses and long runs of digits (telephone, card and identity numbers).
bool looks_personal(const std::string& value) {
  static const re2::RE2 kPersonal(R"([^\s@]+@[^\s@]+\.[A-Za-z]{2,}|(?:\d[ -]?){9,})");
  return re2::RE2::PartialMatch(value, kPersonal);
}

/// PostgreSQL's own spellings of booleans and numbers.
Result<double> number(const std::string& text, const std::string& column) {
  if (text == "t") return 1.0;
  if (text == "f") return 0.0;
  if (const auto value = base::parse_double(text)) return *value;
  return base::error(ErrorCode::InvalidArgument,
                     fmt::format("column '{}' holds '{}', which is no number", column,
                                 base::escape_control(text.substr(0, 40))));
}

/// Where the labels and then the metrics stand in the answer.
Result<std::vector<std::size_t>> columns_of(const Check& check,
                                            const std::vector<std::string>& names) {
  std::vector<std::string> wanted = check.labels;
  for (const NamedMetric& metric : check.metrics) wanted.push_back(metric.name);
  if (names.size() != wanted.size()) {
    return base::error(ErrorCode::InvalidArgument,
                       fmt::format("the statement answers the columns {}; expected are {}",
                                   base::join(names, ", "), base::join(wanted, ", ")));
  }
  std::vector<std::size_t> columns;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (!check.from_people) {
      columns.push_back(i);
      continue;
    }
    const auto found = std::find(names.begin(), names.end(), wanted[i]);
    if (found == names.end()) {
      return base::error(ErrorCode::InvalidArgument,
                         fmt::format("the statement answers no column '{}', but {}", wanted[i],
                                     base::join(names, ", ")));
    }
    columns.push_back(static_cast<std::size_t>(found - names.begin()));
  }
  return columns;
}

}  // namespace

Result<std::vector<Reading>> readings_of(const Check& check, const postgres::Rows& rows,
                                         const std::string& database) {
  TC_TRY(const std::vector<std::size_t> columns, columns_of(check, rows.names()));
  if (rows.size() > check.rows_max) {
    return base::error(ErrorCode::LimitExceeded,
                       fmt::format("{} rows, limit {}", rows.size(), check.rows_max));
  }
  std::vector<Reading> readings;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    std::vector<std::pair<std::string, std::string>> labels;
    if (!database.empty()) labels.emplace_back("datname", database);
    for (std::size_t i = 0; i < check.labels.size(); ++i) {
      std::string value = rows.text(row, columns[i]).substr(0, kLabelBytesMax);
      if (check.from_people && looks_personal(value)) {
        return base::error(ErrorCode::PermissionDenied,
                           fmt::format("a value of label '{}' looks like personal data; count "
                                       "people instead of naming them",
                                       check.labels[i]));
      }
      labels.emplace_back(check.labels[i], std::move(value));
    }
    for (std::size_t i = 0; i < check.metrics.size(); ++i) {
      const std::size_t column = columns[check.labels.size() + i];
      if (rows.is_null(row, column)) continue;
      TC_TRY(const double value, number(rows.text(row, column), rows.names()[column]));
      readings.push_back({&check.metrics[i], labels, value});
    }
  }
  return readings;
}

std::vector<Check> standard_checks() {
  std::vector<Check> all;
  for (auto part : {activity_checks, database_checks, wal_checks, security_checks}) {
    for (Check& check : part()) all.push_back(std::move(check));
  }
  return all;
}

}  // namespace tocsin::agent

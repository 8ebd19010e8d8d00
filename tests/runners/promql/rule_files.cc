#include "tests/runners/promql/rule_files.h"

#include <fmt/core.h>
#include <yaml-cpp/yaml.h>

#include <string>
#include <vector>

#include "alertd/promql/engine.h"

namespace tocsin::promql_runner {
namespace {

void collect(const YAML::Node& node, std::vector<std::string>& out) {
  if (node.IsMap()) {
    const bool rule = node["alert"].IsDefined() || node["record"].IsDefined();
    if (rule && node["expr"].IsDefined() && node["expr"].IsScalar()) {
      out.push_back(node["expr"].Scalar());
    }
    for (const auto& entry : node) collect(entry.second, out);
  } else if (node.IsSequence()) {
    for (const auto& entry : node) collect(entry, out);
  }
}

}  // namespace

Counts check_rule_file(std::string_view name, std::string_view text, ExceptionLog& exceptions) {
  Counts counts;
  std::vector<std::string> expressions;
  try {
    for (const YAML::Node& document : YAML::LoadAll(std::string(text))) {
      collect(document, expressions);
    }
  } catch (const YAML::Exception& exception) {
    fmt::print("  {}: {}\n", name, exception.what());
    ++counts.failed;
    return counts;
  }
  for (const std::string& expression : expressions) {
    const promql::Parsed parsed = promql::parse(expression, kAllOptions);
    const std::string problem = parsed.expr ? check_round_trip(*parsed.expr)
                                            : "does not parse: " + parsed.errors.at(0).message;
    if (problem.empty()) {
      ++counts.passed;
      continue;
    }
    if (exceptions.find(name, problem) != nullptr) {
      ++counts.excepted;
      continue;
    }
    ++counts.failed;
    fmt::print("  {}: {}\n      {}\n", name, expression, problem);
  }
  return counts;
}

}  // namespace tocsin::promql_runner

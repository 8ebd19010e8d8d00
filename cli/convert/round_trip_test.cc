// Every published rule file: import, read the output as the daemon does, and find the same model.
//
// What is allowed to differ is exactly the list of exceptions in README.md: the severity, where a
// second rule with the same name and labels stands, and labels whose names TOML rules cannot have.

#include <doctest/doctest.h>
#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "alertd/promql/ast.h"
#include "alertd/ruler/rule_file.h"
#include "cli/convert/convert.h"
#include "common/base/strings.h"
#include "common/config/source.h"

namespace tocsin::cli::convert {
namespace {

constexpr std::size_t kFileBytesMax = 16 << 20;

void collect(const base::FileSystem& files, const std::string& folder,
             std::vector<std::string>& found) {
  const auto names = files.list(folder);
  REQUIRE(names);
  for (const std::string& name : *names) {
    const std::string path = base::join_path(folder, name);
    if (files.is_folder(path)) {
      collect(files, path, found);
    } else if (name.ends_with(".yml") || name.ends_with(".yaml")) {
      found.push_back(path);
    }
  }
}

std::string texts(const std::vector<ruler::NamedText>& list) {
  std::string out;
  for (const ruler::NamedText& text : list) {
    if (text.name == "severity" || text.name == "imported_severity") continue;
    if (!model::is_legacy_label_name(text.name)) continue;
    out += text.name + "=" + text.text + "\n";
  }
  return out;
}

/// Everything about a rule that must survive, as text.
std::string described(const ruler::RuleGroup& group, const ruler::Rule& rule) {
  std::string out = fmt::format("{} {} every {} offset {} limit {}\nexpr {}\n{}--\n{}",
                                rule.kind == ruler::RuleKind::Alerting ? "alert" : "record",
                                rule.name, group.interval.count(), group.query_offset.count(),
                                group.limit, rule.expr ? promql::print(*rule.expr) : "?",
                                texts(rule.labels), texts(rule.annotations));
  out += fmt::format("no_data {}\n", ruler::to_string(rule.no_data));
  for (const ruler::Level& level : rule.levels) {
    out += fmt::format("for {} keep {}\n", level.hold_for.count(), level.keep_firing_for.count());
  }
  return out;
}

std::string severity_label(const ruler::Rule& rule) {
  for (const ruler::NamedText& label : rule.labels) {
    if (label.name == "severity") return label.text;
  }
  return {};
}

/// "group/rule" -> descriptions, so that a rule that moved to "group (2)" is still found.
using Model = std::map<std::string, std::vector<std::string>>;

Model model_of(const std::vector<ruler::RuleGroup>& groups) {
  Model model;
  for (const ruler::RuleGroup& group : groups) {
    std::string name = group.name;
    const std::size_t open = name.rfind(" (");
    if (name.ends_with(')') && open != std::string::npos &&
        base::parse_u64(std::string_view(name).substr(open + 2, name.size() - open - 3))) {
      name.resize(open);
    }
    for (const ruler::Rule& rule : group.rules) {
      model[name + "/" + rule.name].push_back(described(group, rule));
    }
  }
  for (auto& [name, list] : model) std::sort(list.begin(), list.end());
  return model;
}

TEST_CASE("published rule files survive the import") {
  const std::string folder = TOCSIN_SOURCE_DIR "/../shared/conformance/rules";
  const auto files = base::make_real_file_system();
  if (!files->is_folder(folder)) {
    MESSAGE("skipped: there is no " << folder);
    return;
  }
  std::vector<std::string> paths;
  collect(*files, folder, paths);
  std::size_t compared = 0;
  std::size_t rules = 0;
  for (const std::string& path : paths) {
    INFO(path);
    const auto source = config::load_source(*files, path, kFileBytesMax);
    REQUIRE(source);
    base::Diagnostics before;
    const auto original = ruler::read_rule_file(*source, {}, *files, before);
    if (base::has_errors(before)) {
      MESSAGE("not compared, it does not load itself: " << path << ": " << before.front().message);
      continue;
    }
    const Converted converted = convert_prometheus(*source, {});
    CHECK_FALSE(base::has_errors(converted.diagnostics));
    REQUIRE(converted.files.size() == 1);
    const config::Source output{converted.files.front().name, converted.files.front().text};
    base::Diagnostics after;
    const auto imported = ruler::read_rule_file(output, {}, *files, after);
    CHECK_MESSAGE(!base::has_errors(after),
                  config::render_all(after, std::vector<config::Source>{output}));
    const Model wanted = model_of(original);
    const Model got = model_of(imported);
    for (const auto& [name, rules_of_name] : wanted) {
      INFO(name);
      const auto found = got.find(name);
      REQUIRE(found != got.end());
      CHECK(base::join(found->second, "\n====\n") == base::join(rules_of_name, "\n====\n"));
    }
    CHECK(got.size() == wanted.size());
    for (const ruler::RuleGroup& group : imported) {
      for (const ruler::Rule& rule : group.rules) {
        ++rules;
        if (rule.kind == ruler::RuleKind::Recording) continue;
        CHECK(model::parse_severity(severity_label(rule)).has_value());
      }
    }
    ++compared;
  }
  MESSAGE(compared << " of " << paths.size() << " files, " << rules << " rules compared");
  CHECK(compared > 100);
}

}  // namespace
}  // namespace tocsin::cli::convert

#include "cli/ruletest/promtool_file.h"

#include <fmt/core.h>
#include <fnmatch.h>

#include <algorithm>

#include "common/base/strings.h"
#include "common/config/table.h"
#include "common/config/yaml.h"

namespace tocsin::ruletest {
namespace {

using config::Table;

model::Labels labels_of(Table& table, std::string_view key, std::string_view alertname = {}) {
  model::LabelsBuilder labels;
  for (const auto& [name, value] : table.string_map(key)) labels.set(name, value);
  if (!alertname.empty()) labels.set(model::kAlertName, alertname);
  return labels.build();
}

/// YAML writes .inf and .nan, and 1_000; people also write Inf and NaN.
double value_of(Table& table) {
  const config::Node* node = table.node("value");
  if (node == nullptr) return 0;
  std::string text = base::to_lower(node->text);
  const std::size_t sign = text.starts_with('-') || text.starts_with('+') ? 1 : 0;
  if (text.size() > sign && text[sign] == '.' && text.find_first_of("in", sign) == sign + 1) {
    text.erase(sign, 1);
  }
  std::erase(text, '_');
  if (const auto value = base::parse_double(text)) return *value;
  table.error("value", fmt::format("value: expected a number, got '{}'", node->text));
  return 0;
}

class Reader {
 public:
  explicit Reader(PromtoolFile& file) : file_(file) {}

  void read(Table& root) {
    if (const config::Node* node = root.node("rule_files")) {
      for (const config::Node& item : node->items) {
        file_.rule_files.emplace_back(item.at, item.text);
      }
      if (node->kind != config::Kind::Array) {
        root.error("rule_files", "rule_files: expected a list of file names");
      }
    }
    file_.evaluation_interval = root.duration("evaluation_interval", file_.evaluation_interval);
    if (file_.evaluation_interval <= base::Duration{0}) {
      file_.evaluation_interval = std::chrono::minutes(1);
    }
    file_.fuzzy_compare = root.boolean("fuzzy_compare", false);
    file_.group_eval_order = root.strings("group_eval_order");
    check_order(root);
    std::size_t number = 0;
    for (Table& table : root.tables("tests")) read_group(table, number++);
    root.finish();
  }

 private:
  void check_order(Table& root) const {
    std::vector<std::string> sorted = file_.group_eval_order;
    std::sort(sorted.begin(), sorted.end());
    const auto twin = std::adjacent_find(sorted.begin(), sorted.end());
    if (twin == sorted.end()) return;
    root.error("group_eval_order", fmt::format("group '{}' is named twice", *twin));
  }

  void read_group(Table& table, std::size_t number) {
    PromtoolGroup group;
    group.place = table.position();
    group.name = table.string("name", fmt::format("unnamed#{}", number));
    group.interval = table.duration("interval", file_.evaluation_interval);
    if (group.interval <= base::Duration{0}) group.interval = file_.evaluation_interval;
    read_start(table, group);
    group.external_labels = labels_of(table, "external_labels");
    group.external_url = table.string("external_url", "");
    for (Table& series : table.tables("input_series")) {
      PromtoolSeries input;
      input.place = series.position("series");
      input.series = series.string("series", "");
      input.values = series.string("values", "");
      series.finish();
      group.input.push_back(std::move(input));
    }
    for (Table& one : table.tables("alert_rule_test")) read_alert(one, group);
    for (Table& one : table.tables("promql_expr_test")) read_expr(one, group);
    table.finish();
    file_.groups.push_back(std::move(group));
  }

  /// RFC 3339, or Unix seconds with a fraction or without.
  static void read_start(Table& table, PromtoolGroup& group) {
    const auto text = table.optional_string("start_timestamp");
    if (!text) return;
    if (const auto seconds = base::parse_double(*text);
        seconds && *seconds > -1e12 && *seconds < 1e12) {
      group.start = base::wall_time(static_cast<std::int64_t>(*seconds * 1000));
      return;
    }
    const auto instant = base::parse_rfc3339(*text);
    if (instant) group.start = *instant;
    if (!instant) {
      table.error("start_timestamp",
                  fmt::format("'{}' is neither RFC 3339 nor Unix seconds", *text));
    }
  }

  static void read_alert(Table& table, PromtoolGroup& group) {
    PromtoolAlertCase one;
    one.place = table.position();
    one.eval_time = table.duration("eval_time", base::Duration{0});
    one.alertname = table.string("alertname", "");
    for (Table& alert : table.tables("exp_alerts")) {
      one.expected.push_back(
          {labels_of(alert, "exp_labels", one.alertname), labels_of(alert, "exp_annotations")});
      alert.finish();
    }
    table.finish();
    group.alerts.push_back(std::move(one));
  }

  static void read_expr(Table& table, PromtoolGroup& group) {
    PromtoolExprCase one;
    one.place = table.position();
    one.expr = table.string("expr", "");
    one.eval_time = table.duration("eval_time", base::Duration{0});
    for (Table& sample : table.tables("exp_samples")) {
      PromtoolExprCase::Expected expected;
      expected.place = sample.position();
      expected.labels = sample.string("labels", "");
      expected.histogram = !sample.string("histogram", "").empty();
      expected.value = value_of(sample);
      sample.finish();
      one.expected.push_back(std::move(expected));
    }
    table.finish();
    group.exprs.push_back(std::move(one));
  }

  PromtoolFile& file_;
};

void expand(const std::string& folder, std::string_view rest, const base::FileSystem& files,
            std::vector<std::string>& found) {
  const std::size_t slash = rest.find('/');
  const std::string part(rest.substr(0, slash));
  const bool last = slash == std::string_view::npos;
  const std::string_view after = last ? std::string_view() : rest.substr(slash + 1);
  const auto join = [&](const std::string& name) {
    return folder.empty() ? name : base::join_path(folder, name);
  };
  const auto go_on = [&](const std::string& path) {
    if (!last) return expand(path, after, files, found);
    if (files.exists(path)) found.push_back(path);
  };
  if (part.find_first_of("*?[\\") == std::string::npos) return go_on(join(part));
  const auto names = files.list(folder.empty() ? "." : folder);
  if (!names) return;
  for (const std::string& name : *names) {
    if (::fnmatch(part.c_str(), name.c_str(), 0) == 0) go_on(join(name));
  }
}

}  // namespace

base::Duration PromtoolGroup::last_time() const {
  base::Duration last{0};
  for (const PromtoolAlertCase& one : alerts) last = std::max(last, one.eval_time);
  for (const PromtoolExprCase& one : exprs) last = std::max(last, one.eval_time);
  return last;
}

std::vector<std::string> expand_pattern(const std::string& pattern, const std::string& test_file,
                                        const base::FileSystem& files) {
  std::vector<std::string> found;
  if (pattern.starts_with('/')) {
    expand("/", std::string_view(pattern).substr(1), files, found);
  } else {
    const std::size_t slash = test_file.rfind('/');
    const std::string folder = slash == std::string::npos ? "" : test_file.substr(0, slash);
    expand(slash == 0 ? "/" : folder, pattern, files, found);
  }
  std::sort(found.begin(), found.end());
  return found;
}

PromtoolFile read_promtool_file(config::Source source, const base::FileSystem& files,
                                bool ignore_unknown_fields, base::Diagnostics& diagnostics) {
  PromtoolFile file;
  file.source = std::move(source);
  const std::size_t before = diagnostics.size();
  const config::Node root = config::parse_yaml(file.source, diagnostics);
  if (diagnostics.size() > before) return file;
  config::Context context{file.source, diagnostics, files, ignore_unknown_fields};
  Table table(context, &root);
  Reader(file).read(table);
  return file;
}

}  // namespace tocsin::ruletest

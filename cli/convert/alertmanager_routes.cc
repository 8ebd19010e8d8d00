// Routes of Alertmanager. What it takes for granted is written out, because our defaults are others
// (they depend on severity); matchers on severity follow the rules, whose severities change at
// import.

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "alertd/routing/matcher_text.h"
#include "cli/convert/alertmanager.h"
#include "common/base/strings.h"

namespace tocsin::cli::convert {
namespace {

class Routes {
 public:
  explicit Routes(const AlertmanagerFile& file)
      : file_(file), reading_(file.reading), out_(file.out) {}

  void write() {
    const config::Node* root = file_.root.find("route");
    if (!root) {
      reading_.error({1, 1}, "there is no 'route' in this file", "is it Alertmanager's?");
      return;
    }
    out_.blank();
    std::size_t line = 0;
    for (const config::Field& field : file_.root.fields) {
      if (field.name == "route") line = field.at.line;
    }
    const Remarks head = reading_.comments.take(line);
    out_.header("[route]", head);
    root_defaults(*root);
    keys(*root, true);
    children(*root, "route.routes");
  }

 private:
  void root_defaults(const config::Node& root) {
    if (!root.find("group_by")) out_.value("group_by", "[]");
    bool said = false;
    for (const auto& [key, value] :
         {std::pair("group_wait", "30s"), std::pair("group_interval", "5m"),
          std::pair("repeat_interval", "4h")}) {
      if (root.find(key)) continue;
      if (!said) out_.note("Alertmanager's defaults; without them severity decides");
      said = true;
      out_.string(key, value);
    }
  }

  void keys(const config::Node& node, bool root) {
    for (const config::Field& field : node.fields) {
      const std::string& name = field.name;
      if (name == "routes") continue;
      if (name == "receiver") {
        out_.string("receiver", receiver_name(field.value.text), take(field));
      } else if (name == "group_by") {
        out_.value("group_by", toml_strings(texts_at(node, "group_by")), take(field));
      } else if (name == "group_wait" || name == "group_interval" || name == "repeat_interval") {
        out_.string(name, field.value.text, take(field));
      } else if (name == "continue") {
        if (is_true(node, "continue") && !root) out_.value("continue", "true", take(field));
      } else if (name == "match" || name == "match_re" || name == "matchers") {
        comments_of(field);
      } else if (name == "mute_time_intervals" || name == "active_time_intervals") {
        not_carried(reading_, out_, field.at, fmt::format("'{}'", name),
                    "routes know no time intervals yet");
      } else {
        not_carried(reading_, out_, field.at, fmt::format("'{}' of a route", name),
                    "our routes have no such key");
      }
    }
    const std::vector<std::string> matchers = matchers_of(node);
    if (!matchers.empty() && root) {
      not_carried(reading_, out_, node.at, "matchers of the root route", "it takes every alert");
    } else if (!matchers.empty()) {
      out_.value("matchers", toml_strings(matchers));
    }
  }

  Remarks take(const config::Field& field) { return reading_.comments.take(field.at.line); }

  void comments_of(const config::Field& field) {
    const Remarks remarks = take(field);
    out_.comments(remarks.above);
    out_.comments(remarks.beside);
    for (const config::Node& item : field.value.items) {
      const Remarks one = reading_.comments.take(item.at.line);
      out_.comments(one.above);
      out_.comments(one.beside);
    }
    for (const config::Field& inner : field.value.fields) {
      const Remarks one = reading_.comments.take(inner.at.line);
      out_.comments(one.above);
      out_.comments(one.beside);
    }
  }

  std::vector<std::string> matchers_of(const config::Node& node) {
    std::vector<std::string> texts;
    const auto add = [&](model::MatchOp op, const config::Field& field) {
      auto matcher = model::Matcher::make(op, field.name, field.value.text);
      if (matcher) {
        texts.push_back(on_our_severity(*matcher, field.value.at));
      } else {
        reading_.error(field.value.at, matcher.error().message);
      }
    };
    if (const config::Node* match = node.find("match")) {
      for (const config::Field& field : match->fields) add(model::MatchOp::Equal, field);
    }
    if (const config::Node* match = node.find("match_re")) {
      for (const config::Field& field : match->fields) add(model::MatchOp::Regex, field);
    }
    for (const config::Node* item : items_at(node, "matchers")) {
      const auto matchers = routing::parse_matchers(item->text);
      if (!matchers) {
        reading_.error(item->at,
                       fmt::format("matcher '{}': {}", item->text, matchers.error().message));
        continue;
      }
      for (const model::Matcher& matcher : *matchers) {
        texts.push_back(on_our_severity(matcher, item->at));
      }
    }
    return texts;
  }

  /// severity="warning" -> severity="medium"; a pattern is followed if it is plain alternatives.
  std::string on_our_severity(const model::Matcher& matcher, base::Position at) {
    if (matcher.name() != "severity" || matcher.value().empty()) return matcher.to_string();
    std::string_view value = matcher.value();
    if (value.starts_with('^')) value.remove_prefix(1);
    if (value.ends_with('$')) value.remove_suffix(1);
    if (value.starts_with('(') && value.ends_with(')')) value = value.substr(1, value.size() - 2);
    std::vector<std::string> words;
    for (const std::string_view word : base::split(value, '|')) {
      const auto severity = mapped_severity(std::string(word), reading_.options);
      if (!severity) {
        reading_.warn(at,
                      fmt::format("{} is kept, but severities are critical, high, medium and "
                                  "low here: adapt it",
                                  matcher.to_string()),
                      "say what a word means with --severity WORD=high");
        return matcher.to_string();
      }
      const std::string ours(model::to_string(*severity));
      if (std::find(words.begin(), words.end(), ours) == words.end()) words.push_back(ours);
    }
    const bool negative =
        matcher.op() == model::MatchOp::NotEqual || matcher.op() == model::MatchOp::NotRegex;
    const std::string op = words.size() == 1 ? negative ? "!=" : "=" : negative ? "!~" : "=~";
    return fmt::format("severity{}\"{}\"", op, base::join(words, "|"));
  }

  void children(const config::Node& node, const std::string& path) {
    for (const config::Node* child : items_at(node, "routes")) {
      const Remarks head = reading_.comments.take(first_line(*child));
      out_.blank();
      out_.header(fmt::format("[[{}]]", path), head);
      keys(*child, false);
      children(*child, path + ".routes");
    }
  }

  const AlertmanagerFile& file_;
  const Reading& reading_;
  TomlWriter& out_;
};

/// Parts of the file that have no counterpart.
void write_leftovers(const AlertmanagerFile& file) {
  for (const config::Field& field : file.root.fields) {
    const std::string& name = field.name;
    if (name == "global" || name == "route" || name == "receivers" || name == "templates") continue;
    if (name == "inhibit_rules") {
      for (const config::Node* rule : items_at(file.root, name)) {
        not_carried(file.reading, file.out, rule->at, "an inhibit rule",
                    "alerts do not inhibit each other yet");
      }
    } else if (name == "time_intervals" || name == "mute_time_intervals") {
      for (const config::Node* interval : items_at(file.root, name)) {
        not_carried(file.reading, file.out, interval->at,
                    fmt::format("time interval '{}'", text_at(*interval, "name")),
                    "routes know no time intervals yet");
      }
    } else {
      not_carried(file.reading, file.out, field.at, fmt::format("'{}'", name),
                  "there is no such part");
    }
  }
  for (const config::Field& field : file.global.fields) {
    if (field.name.starts_with("smtp_") || field.name.starts_with("slack_api_url") ||
        field.name == "http_config") {
      continue;
    }
    not_carried(file.reading, file.out, field.at, fmt::format("global '{}'", field.name),
                field.name == "resolve_timeout" ? "rules say themselves when their alerts end"
                                                : "no channel needs it");
  }
}

}  // namespace

void write_routes(const AlertmanagerFile& file) {
  Routes(file).write();
}

Converted convert_alertmanager_file(const config::Source& source, const config::Node& root,
                                    const ConvertOptions& options) {
  Converted result;
  Comments comments(source.text, root);
  const Reading reading{source, options, comments, result.diagnostics};
  TomlWriter out;
  out.note(
      fmt::format("Proposed by tocsin import from {}: put it into alertd.toml, and check it "
                  "with\ntocsin check.",
                  base::escape_control(source.file)));
  const config::Node empty;
  const config::Node* global = root.find("global");
  const AlertmanagerFile file{reading, root, global ? *global : empty, out};
  write_receivers(file);
  write_routes(file);
  out.blank();
  write_leftovers(file);
  out.comments(comments.take_rest(0, std::string::npos));
  out.comments(comments.take(std::string::npos).above);
  result.files.push_back({"alertd.toml", out.take()});
  return result;
}

}  // namespace tocsin::cli::convert

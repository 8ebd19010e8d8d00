#include "alertd/ruler/rule_template.h"

#include <algorithm>
#include <vector>

#include "common/base/diagnostic.h"
#include "common/base/strings.h"

namespace tocsin::ruler {
namespace {

using gotemplate::List;
using gotemplate::Map;
using gotemplate::Value;
using Arguments = std::vector<Value>;

// Declared in front of every template, so that a name mistyped as $lables is found when it is
// parsed.
constexpr std::string_view kPrefix =
    "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}"
    "{{$externalURL := .ExternalURL}}{{$value := .Value}}";

base::Error invalid(std::string message) {
  return base::error(base::ErrorCode::InvalidArgument, std::move(message));
}

Map to_map(const model::Labels& labels) {
  Map map;
  for (const auto& label : labels) map.emplace(std::string(label.name), Value(label.value));
  return map;
}

/// As application/x-www-form-urlencoded.
std::string escape_query(std::string_view text) {
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  static constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (kPlain.find(c) != std::string_view::npos) {
      out += c;
    } else if (c == ' ') {
      out += '+';
    } else {
      out += '%';
      out += kHex[byte >> 4U];
      out += kHex[byte & 15U];
    }
  }
  return out;
}

base::Result<std::string> only_text(const Arguments& arguments, std::string_view function) {
  if (arguments.size() != 1 || !arguments[0].string()) {
    return invalid(std::string(function) + " takes one string");
  }
  return *arguments[0].string();
}

base::Result<Value> run_query(const TemplateContext& context, const Arguments& arguments) {
  TC_TRY(const std::string expr, only_text(arguments, "query"));
  if (!context.query) return invalid("query is not available here");
  TC_TRY(const promql::Vector vector, context.query(expr));
  List list;
  for (const auto& element : vector) {
    list.emplace_back(
        Map{{"Labels", Value(to_map(element.labels))}, {"Value", Value(element.sample.value)}});
  }
  return Value(std::move(list));
}

std::string path_of(std::string_view url) {
  const auto scheme = url.find("://");
  const auto slash = url.find('/', scheme == std::string_view::npos ? 0 : scheme + 3);
  return slash == std::string_view::npos ? std::string() : std::string(url.substr(slash));
}

gotemplate::Functions functions_of(const TemplateContext& context) {
  gotemplate::Functions functions = gotemplate::standard_functions();
  const TemplateContext* world = &context;
  functions["query"] = [world](const Arguments& arguments) { return run_query(*world, arguments); };
  functions["graphLink"] = [](const Arguments& arguments) -> base::Result<Value> {
    TC_TRY(const std::string expr, only_text(arguments, "graphLink"));
    return Value("/graph?g0.expr=" + escape_query(expr) + "&g0.tab=0");
  };
  functions["tableLink"] = [](const Arguments& arguments) -> base::Result<Value> {
    TC_TRY(const std::string expr, only_text(arguments, "tableLink"));
    return Value(table_link(expr));
  };
  functions["externalURL"] = [world](const Arguments&) -> base::Result<Value> {
    return Value(world->external_url);
  };
  functions["pathPrefix"] = [world](const Arguments&) -> base::Result<Value> {
    return Value(path_of(world->external_url));
  };
  functions["tmpl"] = [](const Arguments&) -> base::Result<Value> {
    return invalid("tmpl needs the template it stands in");
  };
  functions["now"] = [world](const Arguments&) -> base::Result<Value> {
    return Value(base::to_seconds(world->now));
  };
  return functions;
}

/// Splits "line:column: message" of the template engine; the position is in prefix + text.
TemplateError to_error(const std::string& message, std::string_view text) {
  const auto first = message.find(':');
  const auto second = first == std::string::npos ? first : message.find(':', first + 1);
  if (second == std::string::npos) return {0, message};
  const auto line = base::parse_u64(std::string_view(message).substr(0, first));
  const auto column =
      base::parse_u64(std::string_view(message).substr(first + 1, second - first - 1));
  if (!line || !column) return {0, message};
  std::size_t begin = 0;
  for (std::uint64_t i = 1; i < *line; ++i) {
    const auto end = text.find('\n', begin);
    if (end == std::string_view::npos) break;
    begin = end + 1;
  }
  std::size_t offset = begin + static_cast<std::size_t>(*column) - 1;
  if (*line == 1) offset = offset > kPrefix.size() ? offset - kPrefix.size() : 0;
  return {std::min(offset, text.size()),
          std::string(base::trim(std::string_view(message).substr(second + 1)))};
}

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/// Calls `visit(offset, name)` for each $name inside actions, outside strings and comments.
template <class Visit>
void for_each_variable(std::string_view text, Visit visit) {
  bool inside = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!inside) {
      inside = text.substr(i, 2) == "{{";
      if (!inside) continue;
      ++i;
      if (text.substr(i + 1, 2) == "/*" || text.substr(i + 1, 4) == "- /*") {
        i = std::min(text.find("*/", i), text.size());
      }
    } else if (text[i] == '"' || text[i] == '`' || text[i] == '\'') {
      const char quote = text[i];
      for (++i; i < text.size() && text[i] != quote; ++i) {
        if (text[i] == '\\' && quote != '`') ++i;
      }
    } else if (text.substr(i, 2) == "}}") {
      inside = false;
      ++i;
    } else if (text[i] == '$') {
      std::size_t end = i + 1;
      while (end < text.size() && is_name_char(text[end])) ++end;
      visit(i, text.substr(i + 1, end - i - 1));
      i = end - 1;
    }
  }
}

/// A variable that nothing declares: the template engine would say so only when the alert fires.
std::optional<TemplateError> find_undeclared(std::string_view text) {
  std::vector<std::string> declared{"", "labels", "value", "externalLabels", "externalURL"};
  for_each_variable(text, [&](std::size_t at, std::string_view name) {
    const std::string_view rest = base::trim(text.substr(at + 1 + name.size()));
    // `$x := ...`, and the first of `range $i, $x := ...`.
    if (rest.starts_with(":=") || rest.starts_with(',')) declared.emplace_back(name);
  });
  std::optional<TemplateError> error;
  for_each_variable(text, [&](std::size_t at, std::string_view name) {
    if (error || std::find(declared.begin(), declared.end(), name) != declared.end()) return;
    error = TemplateError{at, "undefined variable \"$" + std::string(name) + "\""};
    if (const auto near = base::closest(name, declared); near && !near->empty()) {
      error->message += "; did you mean $" + *near + "?";
    }
  });
  return error;
}

}  // namespace

bool has_actions(std::string_view text) {
  return text.find("{{") != std::string_view::npos;
}

std::optional<TemplateError> check_template(std::string_view text) {
  if (!has_actions(text)) return std::nullopt;
  const TemplateContext nothing;
  const auto parsed =
      gotemplate::Template::parse(std::string(kPrefix) + std::string(text), functions_of(nothing));
  if (parsed) return find_undeclared(text);
  return to_error(parsed.error().message, text);
}

base::Result<RuleText> RuleText::parse(std::string text, const TemplateContext& context) {
  RuleText result;
  result.text_ = std::move(text);
  result.context_ = &context;
  if (has_actions(result.text_)) {
    TC_TRY(auto parsed,
           gotemplate::Template::parse(std::string(kPrefix) + result.text_, functions_of(context)));
    result.parsed_ = std::move(parsed);
  }
  return result;
}

base::Result<std::string> RuleText::expand(const TemplateData& data) const {
  if (!parsed_) return text_;
  Map root;
  root.emplace("Labels", Value(to_map(data.labels)));
  root.emplace("ExternalLabels", Value(to_map(context_->external_labels)));
  root.emplace("ExternalURL", Value(context_->external_url));
  root.emplace("Value", Value(data.value));
  return parsed_->execute(Value(std::move(root)));
}

std::string table_link(std::string_view expr) {
  return "/graph?g0.expr=" + escape_query(expr) + "&g0.tab=1";
}

}  // namespace tocsin::ruler

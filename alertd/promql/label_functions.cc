// label_replace, label_join and sorting by labels.
#include <fmt/core.h>
#include <re2/re2.h>

#include <algorithm>

#include "alertd/promql/special_functions.h"
#include "common/base/strings.h"

namespace tocsin::promql {
namespace {

const Call& call_of(const Expr& expr) {
  return std::get<Call>(expr.node);
}

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// A replacement text cut into literal parts and references to groups: $1, ${1}, $name; $$ is a
// dollar.
class Replacement {
 public:
  Replacement(std::string_view text, const re2::RE2& pattern) {
    const auto& names = pattern.NamedCapturingGroups();
    std::string literal;
    for (std::size_t i = 0; i < text.size();) {
      if (text[i] != '$' || i + 1 >= text.size()) {
        literal += text[i++];
        continue;
      }
      if (text[i + 1] == '$') {
        literal += '$';
        i += 2;
        continue;
      }
      const bool braces = text[i + 1] == '{';
      std::size_t end = i + (braces ? 2 : 1);
      const std::size_t begin = end;
      while (end < text.size() && is_word(text[end])) ++end;
      if (end == begin || (braces && (end >= text.size() || text[end] != '}'))) {
        literal += text[i++];
        continue;
      }
      const std::string name(text.substr(begin, end - begin));
      i = braces ? end + 1 : end;
      int group = -1;
      if (const auto number = base::parse_u64(name)) {
        group = *number <= 1000 ? static_cast<int>(*number) : -1;
      } else if (const auto found = names.find(name); found != names.end()) {
        group = found->second;
      }
      parts_.push_back({std::exchange(literal, {}), group});
    }
    parts_.push_back({std::move(literal), -1});
  }

  std::string expand(std::span<const re2::StringPiece> groups) const {
    std::string out;
    for (const Part& part : parts_) {
      out += part.literal;
      if (part.group < 0 || static_cast<std::size_t>(part.group) >= groups.size()) continue;
      const re2::StringPiece& group = groups[static_cast<std::size_t>(part.group)];
      out.append(group.data(), group.size());
    }
    return out;
  }

 private:
  struct Part {
    std::string literal;
    int group = -1;
  };
  std::vector<Part> parts_;
};

// Gives a series another value of one label, if that changes anything.
void set_label(Evaluator& evaluator, SeriesRef& series, std::string_view name,
               std::string_view value) {
  if (visible_label(series, name, evaluator.delayed()) == value) return;
  std::vector<model::LabelView> visible;
  for_each_label(series, evaluator.delayed(),
                 [&](const model::LabelView& label) { visible.push_back(label); });
  model::LabelsBuilder builder(model::Labels::from_sorted(visible));
  builder.set(name, value);
  NameState state = series.name;
  if (state == NameState::Gone || !evaluator.delayed()) state = NameState::Keep;
  if (name == model::kMetricName) state = NameState::Keep;  // a new name is not to be dropped
  series = {evaluator.keep(builder.build()), state};
}

base::Result<void> check_label(const std::string& name, std::string_view role) {
  if (!name.empty() && base::is_utf8(name)) return base::ok();
  return plain_error(fmt::format("invalid {}: {}", role, base::escape_control(name)));
}

// Compares as people number things: "node10" after "node9".
int natural_order(std::string_view a, std::string_view b) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto take = [&](std::string_view& text) {
    const bool number = digit(text[0]);
    std::size_t length = 1;
    while (length < text.size() && digit(text[length]) == number) ++length;
    const std::string_view part = text.substr(0, length);
    text.remove_prefix(length);
    return part;
  };
  while (!a.empty() && !b.empty()) {
    const std::string_view left = take(a);
    const std::string_view right = take(b);
    const auto left_number = base::parse_u64(left);
    const auto right_number = base::parse_u64(right);
    if (left_number && right_number) {
      if (*left_number != *right_number) return *left_number < *right_number ? -1 : 1;
    } else if (left != right) {
      return left < right ? -1 : 1;
    }
  }
  return a.empty() ? (b.empty() ? 0 : -1) : 1;
}

base::Result<Table> sort_labels(Evaluator& evaluator, const Expr& expr, const Grid& grid,
                                bool descending) {
  const Call& call = call_of(expr);
  TC_TRY(Table table, evaluator.evaluate(*call.args[0], grid));
  std::vector<std::string> names;
  for (std::size_t i = 1; i < call.args.size(); ++i) {
    names.push_back(Evaluator::text(*call.args[i]));
  }
  const std::vector<SeriesRef> series = table.series;
  const auto order = [&](std::size_t a, std::size_t b) {
    for (const std::string& name : names) {
      const int natural = natural_order(visible_label(series[a], name, evaluator.delayed()),
                                        visible_label(series[b], name, evaluator.delayed()));
      if (natural != 0) return natural < 0;
    }
    return *series[a].labels < *series[b].labels;
  };
  return in_order(evaluator, expr, std::move(table), [&](std::size_t a, std::size_t b) {
    return descending ? order(b, a) : order(a, b);
  });
}

}  // namespace

base::Result<Table> label_replace(Evaluator& evaluator, const Expr& expr, const Grid& grid) {
  const Call& call = call_of(expr);
  const std::string& target = Evaluator::text(*call.args[1]);
  const std::string& source = Evaluator::text(*call.args[3]);
  const std::string& pattern_text = Evaluator::text(*call.args[4]);
  TC_TRY(check_label(target, "destination label name in label_replace()"));
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_dot_nl(true);
  const re2::RE2 pattern(pattern_text, options);
  if (!pattern.ok()) {
    return plain_error(
        fmt::format("invalid regular expression in label_replace(): {}", pattern_text));
  }
  const Replacement replacement(Evaluator::text(*call.args[2]), pattern);
  TC_TRY(Table table, evaluator.evaluate(*call.args[0], grid));
  std::vector<re2::StringPiece> groups(static_cast<std::size_t>(pattern.NumberOfCapturingGroups()) +
                                       1);
  for (SeriesRef& series : table.series) {
    const std::string_view value = visible_label(series, source, evaluator.delayed());
    const re2::StringPiece piece(value.data(), value.size());
    const bool matches = pattern.Match(piece, 0, piece.size(), re2::RE2::ANCHOR_BOTH, groups.data(),
                                       static_cast<int>(groups.size()));
    if (matches) set_label(evaluator, series, target, replacement.expand(groups));
  }
  table.distinct_without_name = false;
  TC_TRY(merge_equal_series(table, evaluator.delayed(), false));
  return table;
}

base::Result<Table> label_join(Evaluator& evaluator, const Expr& expr, const Grid& grid) {
  const Call& call = call_of(expr);
  const std::string& target = Evaluator::text(*call.args[1]);
  const std::string& separator = Evaluator::text(*call.args[2]);
  TC_TRY(check_label(target, "destination label name in label_join()"));
  for (std::size_t i = 3; i < call.args.size(); ++i) {
    TC_TRY(check_label(Evaluator::text(*call.args[i]), "source label name in label_join()"));
  }
  TC_TRY(Table table, evaluator.evaluate(*call.args[0], grid));
  for (SeriesRef& series : table.series) {
    std::string value;
    for (std::size_t i = 3; i < call.args.size(); ++i) {
      if (i > 3) value += separator;
      value += visible_label(series, Evaluator::text(*call.args[i]), evaluator.delayed());
    }
    set_label(evaluator, series, target, value);
  }
  table.distinct_without_name = false;
  TC_TRY(merge_equal_series(table, evaluator.delayed(), false));
  return table;
}

base::Result<Table> sort_by_label(Evaluator& evaluator, const Expr& expr, const Grid& grid) {
  return sort_labels(evaluator, expr, grid, false);
}
base::Result<Table> sort_by_label_desc(Evaluator& evaluator, const Expr& expr, const Grid& grid) {
  return sort_labels(evaluator, expr, grid, true);
}

}  // namespace tocsin::promql

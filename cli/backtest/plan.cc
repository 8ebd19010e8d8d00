#include "cli/backtest/plan.h"

#include <algorithm>
#include <string_view>

#include "alertd/promql/ast.h"
#include "alertd/promql/functions.h"

namespace tocsin::backtest {
namespace {

using base::Duration;
using base::WallTime;
using promql::Expr;

constexpr Duration kLookback{300'000};
/// What a computed duration is taken for: reading too much is harmless.
constexpr Duration kComputed{86'400'000};

bool may_read(const promql::VectorSelector& selector, std::string_view metric) {
  return std::all_of(selector.matchers.begin(), selector.matchers.end(), [&](const auto& matcher) {
    return matcher.name() != model::kMetricName || matcher.matches(metric);
  });
}

bool may_read(const Expr& expr, const ruler::Rule& writer) {
  const auto selectors = promql::selectors_of(expr);
  return std::any_of(selectors.begin(), selectors.end(), [&](const auto* selector) {
    if (writer.kind == ruler::RuleKind::Recording) return may_read(*selector, writer.name);
    return may_read(*selector, "ALERTS") || may_read(*selector, "ALERTS_FOR_STATE");
  });
}

/// The rules as a graph: an edge leads from a reader to whom it reads.
class Graph {
 public:
  explicit Graph(const std::vector<ruler::RuleGroup>& groups) {
    for (std::size_t g = 0; g < groups.size(); ++g) {
      for (std::size_t r = 0; r < groups[g].rules.size(); ++r)
        nodes_.push_back({{g, r}, {}, false});
    }
    for (std::size_t reader = 0; reader < nodes_.size(); ++reader) {
      for (std::size_t writer = 0; writer < nodes_.size(); ++writer) {
        connect(groups, reader, writer);
      }
    }
  }

  std::vector<Stage> stages() {
    for (std::size_t node = 0; node < nodes_.size(); ++node) {
      if (nodes_[node].index == 0) visit(node);
    }
    return std::move(stages_);
  }

  std::vector<RuleRef> read() const {
    std::vector<RuleRef> read;
    for (const Node& node : nodes_) {
      if (node.is_read) read.push_back(node.rule);
    }
    return read;
  }

 private:
  struct Node {
    RuleRef rule;
    std::vector<std::size_t> edges;
    bool is_read = false;
    bool reads = false;
    bool late = false;  ///< It reads itself or a later rule of its group, or is so read.
    std::size_t index = 0;
    std::size_t low = 0;
    bool on_stack = false;
  };

  static const ruler::Rule& rule(const std::vector<ruler::RuleGroup>& groups, const Node& node) {
    return groups[node.rule.group].rules[node.rule.rule];
  }

  void connect(const std::vector<ruler::RuleGroup>& groups, std::size_t reader,
               std::size_t writer) {
    Node& from = nodes_[reader];
    Node& to = nodes_[writer];
    if (!may_read(*rule(groups, from).expr, rule(groups, to))) return;
    from.edges.push_back(writer);
    from.reads = true;
    to.is_read = true;
    if (from.rule.group != to.rule.group || to.rule.rule < from.rule.rule) return;
    // It sees the slot before: the two go together.
    to.edges.push_back(reader);
    from.late = true;
    to.late = true;
  }

  /// Tarjan's strongly connected components; they come out with the read before their readers.
  void visit(std::size_t at) {
    Node& node = nodes_[at];
    node.index = node.low = ++last_index_;
    node.on_stack = true;
    stack_.push_back(at);
    for (const std::size_t next : node.edges) {
      if (nodes_[next].index == 0) {
        visit(next);
        node.low = std::min(node.low, nodes_[next].low);
      } else if (nodes_[next].on_stack) {
        node.low = std::min(node.low, nodes_[next].index);
      }
    }
    if (node.low == node.index) pop_stage(at);
  }

  void pop_stage(std::size_t root) {
    Stage stage;
    for (std::size_t top = nodes_.size(); top != root;) {
      top = stack_.back();
      stack_.pop_back();
      Node& node = nodes_[top];
      node.on_stack = false;
      stage.rules.push_back(node.rule);
      stage.reads_rules = stage.reads_rules || node.reads;
      stage.slot_by_slot = stage.slot_by_slot || node.late;
    }
    stage.slot_by_slot = stage.slot_by_slot || stage.rules.size() > 1;
    std::sort(stage.rules.begin(), stage.rules.end());
    stages_.push_back(std::move(stage));
  }

  std::vector<Node> nodes_;
  std::vector<std::size_t> stack_;
  std::size_t last_index_ = 0;
  std::vector<Stage> stages_;
};

Duration length_of(const promql::DurationExpr* duration) {
  if (duration == nullptr) return Duration{0};
  if (duration->kind == promql::DurationExpr::Kind::Negate) return -length_of(duration->left.get());
  if (duration->kind != promql::DurationExpr::Kind::Constant) return kComputed;
  return Duration{static_cast<std::int64_t>(duration->seconds * 1000)};
}

/// Finds what is read, with the time at which each part of the expression is evaluated.
struct NeedFinder {
  WallTime top_begin;
  WallTime top_end;
  std::vector<Need> needs;

  void shift(const promql::TimeShift& shift, WallTime& begin, WallTime& end) const {
    if (shift.at == promql::At::Timestamp) {
      begin = end = base::wall_time(shift.at_ms);
    } else if (shift.at != promql::At::None) {
      begin = top_begin;
      end = top_end;
    }
    const Duration offset = length_of(shift.offset.get());
    const bool computed = shift.offset != nullptr && std::abs(offset.count()) == kComputed.count();
    begin -= offset;
    end -= computed ? -kComputed : offset;
  }

  void selector(const promql::VectorSelector& selector, Duration back, WallTime begin,
                WallTime end) {
    shift(selector.shift, begin, end);
    needs.push_back({selector.matchers, begin - back, end});
  }

  void find(const Expr& expr, WallTime begin, WallTime end) {
    if (const auto* one = std::get_if<promql::VectorSelector>(&expr.node)) {
      selector(*one, kLookback, begin, end);
    } else if (const auto* many = std::get_if<promql::MatrixSelector>(&expr.node)) {
      selector(many->selector, length_of(many->range.get()), begin, end);
    } else if (const auto* subquery = std::get_if<promql::Subquery>(&expr.node)) {
      shift(subquery->shift, begin, end);
      find(*subquery->expr, begin - length_of(subquery->range.get()), end);
    } else if (const auto* unary = std::get_if<promql::Unary>(&expr.node)) {
      find(*unary->expr, begin, end);
    } else if (const auto* binary = std::get_if<promql::Binary>(&expr.node)) {
      find(*binary->left, begin, end);
      find(*binary->right, begin, end);
    } else if (const auto* aggregation = std::get_if<promql::Aggregation>(&expr.node)) {
      if (aggregation->parameter) find(*aggregation->parameter, begin, end);
      find(*aggregation->expr, begin, end);
    } else if (const auto* call = std::get_if<promql::Call>(&expr.node)) {
      for (const auto& arg : call->args) find(*arg, begin, end);
    } else if (const auto* paren = std::get_if<promql::Paren>(&expr.node)) {
      find(*paren->expr, begin, end);
    }
  }
};

bool asks_for_range(const promql::DurationExpr* duration) {
  using Kind = promql::DurationExpr::Kind;
  if (duration == nullptr) return false;
  return duration->kind == Kind::Step || duration->kind == Kind::Range ||
         asks_for_range(duration->left.get()) || asks_for_range(duration->right.get());
}

bool asks_for_range(const promql::TimeShift& shift) {
  return shift.at == promql::At::Start || shift.at == promql::At::End ||
         asks_for_range(shift.offset.get());
}

}  // namespace

Plan make_plan(const std::vector<ruler::RuleGroup>& groups) {
  Graph graph(groups);
  Plan plan;
  for (const ruler::RuleGroup& group : groups) plan.is_read.emplace_back(group.rules.size());
  for (const RuleRef& rule : graph.read()) plan.is_read[rule.group][rule.rule] = true;
  plan.stages = graph.stages();
  return plan;
}

std::vector<Need> needs_of(const Expr& expr, WallTime begin, WallTime end) {
  NeedFinder finder{begin, end, {}};
  finder.find(expr, begin, end);
  return std::move(finder.needs);
}

bool depends_on_range(const Expr& expr) {
  bool depends = false;
  promql::walk(expr, [&](const Expr& node) {
    if (const auto* one = std::get_if<promql::VectorSelector>(&node.node)) {
      depends = depends || asks_for_range(one->shift);
    } else if (const auto* many = std::get_if<promql::MatrixSelector>(&node.node)) {
      depends =
          depends || asks_for_range(many->selector.shift) || asks_for_range(many->range.get());
    } else if (const auto* subquery = std::get_if<promql::Subquery>(&node.node)) {
      depends = depends || asks_for_range(subquery->shift) ||
                asks_for_range(subquery->range.get()) || asks_for_range(subquery->step.get());
    } else if (const auto* call = std::get_if<promql::Call>(&node.node)) {
      const std::string_view name = call->function->name;
      depends = depends || name == "start" || name == "end" || name == "step" || name == "range";
    }
  });
  return depends;
}

}  // namespace tocsin::backtest

// Walks the tree. Every node costs a step and every produced byte counts, so that a run ends:
// values that functions make cost steps by their size, which also bounds memory.

#include "common/gotemplate/evaluator.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "common/gotemplate/format.h"
#include "common/gotemplate/values.h"

namespace tocsin::gotemplate {
namespace {

constexpr int kIncludeDepthMax = 100;
constexpr int kDepthMax = 300;
constexpr std::uint8_t kValueDepthMax = 24;
constexpr std::size_t kBytesPerStep = 64;
// Needs the tree, so that it cannot be a function like the others; callers turn it on by its name.
constexpr std::string_view kTemplateFunction = "tmpl";

enum class Flow { Normal, Break, Continue };

using base::ErrorCode;
using base::Result;

class Run {
 public:
  Run(const World& world, const Value& data) : world_(world) {
    for (const auto& [name, value] : world.variables) stack_.emplace_back('$' + name, value);
    stack_.emplace_back("$", data);
  }

  Result<std::string> main(const Value& data) {
    TC_TRY(walk(world_.tree.main, data));
    return std::move(out_);
  }

 private:
  static base::Error fail_at(const Node& node, std::string_view message) {
    return fail(fmt::format("{}:{}: {}", node.line, node.column, message));
  }

  Result<void> spend(const Node& node, std::size_t steps) {
    if (steps > world_.limits.steps_max - std::min(steps_, world_.limits.steps_max)) {
      return base::error(ErrorCode::LimitExceeded,
                         fmt::format("{}:{}: template takes more than {} steps", node.line,
                                     node.column, world_.limits.steps_max));
    }
    steps_ += steps;
    return base::ok();
  }

  Result<void> write(const Node& node, std::string_view text) {
    if (out_.size() + text.size() > world_.limits.output_bytes_max) {
      return base::error(ErrorCode::LimitExceeded,
                         fmt::format("{}:{}: output is over {} bytes", node.line, node.column,
                                     world_.limits.output_bytes_max));
    }
    out_ += text;
    return base::ok();
  }

  // Bodies inside bodies, templates inside templates and parentheses all use the machine's stack.
  Result<void> deeper(const Node& node) {
    if (++depth_ <= kDepthMax) return base::ok();
    return base::error(ErrorCode::LimitExceeded,
                       fmt::format("{}:{}: evaluation is nested more than {} deep", node.line,
                                   node.column, kDepthMax));
  }

  Result<Flow> walk(const std::vector<Node>& nodes, const Value& dot) {
    if (nodes.empty()) return Flow::Normal;
    TC_TRY(deeper(nodes.front()));
    auto flow = walk_deeper(nodes, dot);
    --depth_;
    return flow;
  }

  Result<Flow> walk_deeper(const std::vector<Node>& nodes, const Value& dot) {
    for (const Node& node : nodes) {
      TC_TRY(const Flow flow, statement(node, dot));
      if (flow != Flow::Normal) return flow;
    }
    return Flow::Normal;
  }

  Result<Flow> statement(const Node& node, const Value& dot) {
    TC_TRY(spend(node, 1));
    switch (node.kind) {
      case NodeKind::Text:
        TC_TRY(write(node, node.text));
        break;
      case NodeKind::Action: {
        TC_TRY(const Value value, pipeline(node.children[0], dot));
        if (node.children[0].names.empty()) {
          TC_TRY(print(node, value));
        }
        break;
      }
      case NodeKind::If:
      case NodeKind::With:
        return branch(node, dot);
      case NodeKind::Range:
        return range(node, dot);
      case NodeKind::Include:
        TC_TRY(include(node, dot));
        break;
      case NodeKind::Break:
        return Flow::Break;
      case NodeKind::Continue:
        return Flow::Continue;
      default:
        return fail_at(node, "not a statement");
    }
    return Flow::Normal;
  }

  Result<void> print(const Node& node, const Value& value) {
    if (value.is_nil()) return write(node, "<no value>");
    if (value.function() != nullptr) return fail_at(node, "can't print a function");
    if (const std::string* text = value.string()) return write(node, *text);
    const std::string text = value.to_text();
    TC_TRY(spend(node, text.size() / kBytesPerStep));
    return write(node, text);
  }

  Result<Flow> branch(const Node& node, const Value& dot) {
    const std::size_t mark = stack_.size();
    TC_TRY(const Value value, pipeline(node.children[0], dot));
    auto flow = value.truth() ? walk(node.body, node.kind == NodeKind::With ? value : dot)
                              : walk(node.otherwise, dot);
    stack_.resize(mark);
    return flow;
  }

  // One round; returns whether the loop goes on.
  Result<bool> round(const Node& node, Value index, Value element) {
    TC_TRY(spend(node, 1));
    const Node& pipe = node.children[0];
    const std::size_t mark = stack_.size();
    if (pipe.names.size() == 1) {
      TC_TRY(set(pipe, pipe.names[0], element));
    }
    if (pipe.names.size() == 2) {
      TC_TRY(set(pipe, pipe.names[0], std::move(index)));
      TC_TRY(set(pipe, pipe.names[1], element));
    }
    TC_TRY(const Flow flow, walk(node.body, element));
    stack_.resize(mark);
    return flow != Flow::Break;
  }

  Result<Flow> range(const Node& node, const Value& dot) {
    const std::size_t mark = stack_.size();
    // The loop sets the variables itself, not the pipeline.
    TC_TRY(const Value value, commands(node.children[0], dot));
    bool empty = true;
    bool more = true;
    if (const List* list = list_of(value)) {
      for (std::size_t i = 0; more && i < list->size(); ++i) {
        empty = false;
        TC_TRY(more, round(node, Value(static_cast<std::int64_t>(i)), (*list)[i]));
      }
    } else if (const Map* map = map_of(value)) {
      for (auto entry = map->begin(); more && entry != map->end(); ++entry) {
        if (is_method(entry->first)) continue;
        empty = false;
        TC_TRY(more, round(node, Value(entry->first), entry->second));
      }
    } else if (const auto* count = value.integer()) {
      for (std::int64_t i = 0; more && i < *count; ++i) {
        empty = false;
        TC_TRY(more, round(node, Value(i), Value(i)));
      }
    } else if (!value.is_nil() && !(value.string() != nullptr && value.string()->empty())) {
      return fail_at(node, fmt::format("range can't iterate over a {}", type_name(value)));
    }
    Flow flow = Flow::Normal;
    if (empty) {
      TC_TRY(flow, walk(node.otherwise, dot));
    }
    stack_.resize(mark);
    return flow;
  }

  Result<void> include(const Node& node, const Value& dot) {
    const auto found = world_.tree.definitions.find(node.text);
    if (found == world_.tree.definitions.end()) {
      return fail_at(node, fmt::format("template {} not defined", quote(node.text)));
    }
    if (++include_depth_ > kIncludeDepthMax) {
      return base::error(ErrorCode::LimitExceeded,
                         fmt::format("{}:{}: templates include each other more than {} deep",
                                     node.line, node.column, kIncludeDepthMax));
    }
    Value inner;
    if (!node.children.empty()) {
      TC_TRY(inner, pipeline(node.children[0], dot));
    }
    return body(found->second, inner);
  }

  // The caller has counted the depth up.
  Result<void> body(const std::vector<Node>& definition, const Value& inner) {
    const std::size_t mark = stack_.size();
    // Variables of the caller stay visible only if they were predefined; "$" is the new data.
    std::vector<std::pair<std::string, Value>> outer;
    outer.assign(stack_.begin() + static_cast<std::ptrdiff_t>(world_.variables.size()),
                 stack_.end());
    stack_.resize(world_.variables.size());
    stack_.emplace_back("$", inner);
    TC_TRY(walk(definition, inner));
    stack_.resize(world_.variables.size());
    stack_.insert(stack_.end(), outer.begin(), outer.end());
    stack_.resize(mark);
    --include_depth_;
    return base::ok();
  }

  // {{ tmpl "name" data }}: as {{ template }}, but the name may be computed and the text is a
  // value.
  Result<Value> template_text(const Node& node, const std::vector<Value>& arguments) {
    if (arguments.size() != 2 || arguments[0].string() == nullptr) {
      return fail_at(node, "tmpl takes the name of a template and its data");
    }
    const auto found = world_.tree.definitions.find(*arguments[0].string());
    if (found == world_.tree.definitions.end()) {
      return fail_at(node, fmt::format("template {} not defined", quote(*arguments[0].string())));
    }
    if (++include_depth_ > kIncludeDepthMax) {
      return base::error(ErrorCode::LimitExceeded,
                         fmt::format("{}:{}: templates include each other more than {} deep",
                                     node.line, node.column, kIncludeDepthMax));
    }
    std::string outer = std::exchange(out_, {});
    TC_TRY(body(found->second, arguments[1]));
    return Value(std::exchange(out_, std::move(outer)));
  }

  Result<void> set(const Node& pipe, const std::string& name, Value value) {
    if (pipe.declares) {
      stack_.emplace_back(name, std::move(value));
      return base::ok();
    }
    for (auto entry = stack_.rbegin(); entry != stack_.rend(); ++entry) {
      if (entry->first != name) continue;
      entry->second = std::move(value);
      return base::ok();
    }
    return fail_at(pipe, fmt::format("undefined variable {}", quote(name)));
  }

  Result<Value> pipeline(const Node& pipe, const Value& dot) {
    TC_TRY(Value value, commands(pipe, dot));
    for (const std::string& name : pipe.names) TC_TRY(set(pipe, name, value));
    return value;
  }

  Result<Value> commands(const Node& pipe, const Value& dot) {
    Value value;
    bool first = true;
    for (const Node& one : pipe.children) {
      const Value last = std::move(value);
      TC_TRY(value, command(one, dot, first ? nullptr : &last));
      first = false;
    }
    return value;
  }

  Result<Value> command(const Node& node, const Value& dot, const Value* last) {
    TC_TRY(spend(node, 1));
    const Node& head = node.children.front();
    if (head.kind == NodeKind::Call && (head.text == "and" || head.text == "or")) {
      return short_circuit(node, dot, last);
    }
    const bool takes_arguments = head.kind == NodeKind::Call || head.kind == NodeKind::Field ||
                                 head.kind == NodeKind::Variable || head.kind == NodeKind::Chain;
    if (!takes_arguments) {
      if (node.children.size() > 1 || last != nullptr) {
        return fail_at(head, "can't give argument to non-function");
      }
      if (head.kind == NodeKind::Nil) return fail_at(head, "nil is not a command");
      return operand(head, dot);
    }
    std::vector<Value> arguments;
    for (std::size_t i = 1; i < node.children.size(); ++i) {
      TC_TRY(Value argument, operand(node.children[i], dot));
      arguments.push_back(std::move(argument));
    }
    if (last != nullptr) arguments.push_back(*last);
    if (head.kind == NodeKind::Call) return call(head, arguments);
    return reference(head, dot, arguments);
  }

  // An operand in the place of an argument: functions are called without arguments.
  Result<Value> operand(const Node& node, const Value& dot) {
    TC_TRY(spend(node, 1));
    switch (node.kind) {
      case NodeKind::Dot:
        return dot;
      case NodeKind::Nil:
        return Value();
      case NodeKind::Constant:
        return node.constant;
      case NodeKind::Pipe: {
        TC_TRY(deeper(node));
        auto value = pipeline(node, dot);
        --depth_;
        return value;
      }
      case NodeKind::Call:
        return call(node, {});
      default:
        return reference(node, dot, {});
    }
  }

  Result<Value> reference(const Node& node, const Value& dot, const std::vector<Value>& arguments) {
    Value value = dot;
    if (node.kind == NodeKind::Variable) {
      const auto found = std::find_if(stack_.rbegin(), stack_.rend(),
                                      [&](const auto& entry) { return entry.first == node.text; });
      if (found == stack_.rend()) {
        return fail_at(node, fmt::format("undefined variable {}", quote(node.text)));
      }
      value = found->second;
    } else if (node.kind == NodeKind::Chain) {
      TC_TRY(value, operand(node.children[0], dot));
    }
    if (node.names.empty() && !arguments.empty()) {
      return fail_at(node, fmt::format("can't give argument to non-function {}", node.text));
    }
    for (std::size_t i = 0; i < node.names.size(); ++i) {
      const bool final = i + 1 == node.names.size();
      TC_TRY(value, field(node, value, node.names[i], final ? arguments : std::vector<Value>{}));
    }
    return value;
  }

  Result<Value> field(const Node& node, const Value& from, const std::string& name,
                      const std::vector<Value>& arguments) {
    const Map* map = from.map();
    if (map != nullptr) {
      auto found = map->find(method_key(name));
      if (found == map->end()) found = map->find(name);
      if (found != map->end()) {
        const Function* function = found->second.function();
        if (function != nullptr) return checked(node, name, (*function)(arguments));
        if (!arguments.empty()) {
          return fail_at(node, fmt::format("{} is not a method but has arguments", name));
        }
        return found->second;
      }
    }
    if (map_of(from) != nullptr) {
      return world_.missing == MissingKey::Zero ? Value("") : Value();
    }
    if (from.is_nil()) {
      return fail_at(node, fmt::format("nil data; no entry for key {}", quote(name)));
    }
    return fail_at(node, fmt::format("can't evaluate field {} in type {}", name, type_name(from)));
  }

  Result<Value> short_circuit(const Node& node, const Value& dot, const Value* last) {
    const bool is_or = node.children.front().text == "or";
    Value value;
    bool any = false;
    for (std::size_t i = 1; i < node.children.size(); ++i) {
      TC_TRY(value, operand(node.children[i], dot));
      any = true;
      if (value.truth() == is_or) return value;
    }
    if (last != nullptr) return *last;
    if (!any) {
      return fail_at(node, fmt::format("wrong number of args for {}: want at least 1 got 0",
                                       node.children.front().text));
    }
    return value;
  }

  Result<Value> call(const Node& node, const std::vector<Value>& arguments) {
    if (node.text == kTemplateFunction && world_.functions.contains(node.text)) {
      return checked(node, node.text, template_text(node, arguments));
    }
    // A function of the caller may replace one of the language.
    const auto found = world_.functions.find(node.text);
    return checked(node, node.text,
                   found != world_.functions.end()
                       ? found->second(arguments)
                       : call_builtin(node.text, arguments, world_.missing));
  }

  static std::size_t weight(const Value& value) {
    const std::string* text = value.string();
    return 1 + (text == nullptr ? 0 : text->size() / kBytesPerStep);
  }

  Result<Value> checked(const Node& node, const std::string& name, Result<Value> result) {
    if (!result) {
      base::Error error = result.error();
      error.message =
          fmt::format("{}:{}: error calling {}: {}", node.line, node.column, name, error.message);
      return error;
    }
    std::size_t steps = weight(*result);
    if (result->list() != nullptr) {
      for (const Value& item : *result->list()) steps += weight(item);
    } else if (result->map() != nullptr) {
      for (const auto& [key, item] : *result->map())
        steps += weight(item) + key.size() / kBytesPerStep;
    }
    TC_TRY(spend(node, steps));
    if (result->depth() > kValueDepthMax) {
      return base::error(ErrorCode::LimitExceeded,
                         fmt::format("{}:{}: value of {} is nested deeper than {}", node.line,
                                     node.column, name, kValueDepthMax));
    }
    return result;
  }

  const World& world_;
  std::vector<std::pair<std::string, Value>> stack_;
  std::string out_;
  std::size_t steps_ = 0;
  int include_depth_ = 0;
  int depth_ = 0;
};

}  // namespace

base::Result<std::string> run_template(const World& world, const Value& data) {
  return Run(world, data).main(data);
}

}  // namespace tocsin::gotemplate

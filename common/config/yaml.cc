// yaml-cpp's events to Node. Its own tree is not used: it forgets duplicate keys, expands anchors
// without a limit and says nothing about how a scalar was written.

#include "common/config/yaml.h"

#include <fmt/core.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <map>
#include <set>
#include <sstream>

#include "common/base/strings.h"

namespace tocsin::config {
namespace {

constexpr std::size_t kNodesMax = 1'000'000;
constexpr std::size_t kDepthMax = 32;

/// Ends the parse from inside an event; caught in parse_yaml.
struct Stop {
  base::Position at;
  std::string message;
  std::string hint;
};

base::Position place(const YAML::Mark& mark) {
  if (mark.is_null()) return {1, 1};
  return {static_cast<std::size_t>(mark.line) + 1, static_cast<std::size_t>(mark.column) + 1};
}

std::size_t count_nodes(const Node& node) {
  std::size_t count = 1;
  for (const Node& item : node.items) count += count_nodes(item);
  for (const Field& field : node.fields) count += count_nodes(field.value);
  return count;
}

// Skips properties (&anchor, !tag) that stand before a value.
std::size_t skip_properties(std::string_view text, std::size_t at) {
  while (at < text.size() && (text[at] == '&' || text[at] == '!')) {
    at = text.find_first_of(" \t\r\n", at);
    if (at != std::string_view::npos) at = text.find_first_not_of(" \t\r\n", at);
    if (at == std::string_view::npos) return text.size();
  }
  return at;
}

/// Builds the tree. A map's children arrive as key, value, key, value.
class Handler final : public YAML::EventHandler {
 public:
  Handler(const Source& source, base::Diagnostics& diagnostics)
      : source_(source), diagnostics_(diagnostics) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Node node;
    node.at = node.text_at = place(mark);
    add(std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) {
      throw Stop{place(mark), "alias refers to a value that contains it", "write the value out"};
    }
    nodes_ += found->second.second;
    check_nodes(place(mark));
    add(found->second.first, 0);
  }

  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                const std::string& value) override {
    Node node;
    node.kind = Kind::String;
    node.text = value;
    const std::string_view text = source_.text;
    const std::size_t at = skip_properties(text, offset_of(text, place(mark)));
    node.at = node.text_at = base::position_of(text, at);
    const char first = at < text.size() ? text[at] : '\0';
    if (first == '"' || first == '\'') {
      node.style = first == '"' ? Style::DoubleQuoted : Style::SingleQuoted;
      ++node.text_at.column;
    } else if (first == '|' || first == '>') {
      node.style = Style::Block;
      // The content begins on the next line that is not blank, after its indentation.
      const std::size_t line_end = std::min(text.find('\n', at), text.size());
      const std::size_t content = text.find_first_not_of(" \r\n", line_end);
      if (content != std::string_view::npos) node.text_at = base::position_of(text, content);
    }
    add(std::move(node), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, Kind::Array, anchor);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, Kind::Table, anchor);
  }
  void OnMapEnd() override { close(); }

  Node take_root() { return std::move(root_); }

 private:
  struct Frame {
    Node node;
    YAML::anchor_t anchor = 0;
    bool has_key = false;
    bool merging = false;  ///< The key is "<<".
    std::string key;
    base::Position key_at;
    std::set<std::string> seen;
    std::vector<Node> merged;
  };

  void check_nodes(base::Position at) {
    if (nodes_ > kNodesMax) {
      throw Stop{at, fmt::format("document has more than {} values, anchors expanded", kNodesMax),
                 "split the file"};
    }
  }

  void open(const YAML::Mark& mark, Kind kind, YAML::anchor_t anchor) {
    if (stack_.size() >= kDepthMax) {
      throw Stop{place(mark), fmt::format("values are nested deeper than {} levels", kDepthMax),
                 "make the structure flatter"};
    }
    if (!stack_.empty() && stack_.back().node.kind == Kind::Table && !stack_.back().has_key) {
      throw Stop{place(mark), "a key must be plain text", {}};
    }
    Frame frame;
    frame.node.kind = kind;
    frame.node.at = frame.node.text_at = place(mark);
    frame.anchor = anchor;
    stack_.push_back(std::move(frame));
  }

  void close() {
    Frame frame = std::move(stack_.back());
    stack_.pop_back();
    for (const Node& other : frame.merged) {
      for (const Field& field : other.fields) {
        if (frame.seen.insert(field.name).second) frame.node.fields.push_back(field);
      }
    }
    add(std::move(frame.node), frame.anchor);
  }

  void add(Node node, YAML::anchor_t anchor) {
    ++nodes_;
    check_nodes(node.at);
    if (anchor != 0) anchors_[anchor] = {node, count_nodes(node)};
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    Frame& frame = stack_.back();
    if (frame.node.kind == Kind::Array) {
      frame.node.items.push_back(std::move(node));
    } else if (!frame.has_key) {
      add_key(frame, node);
    } else if (frame.merging) {
      frame.has_key = false;
      add_merge(frame, std::move(node));
    } else {
      frame.has_key = false;
      frame.node.fields.push_back({std::move(frame.key), frame.key_at, std::move(node)});
    }
  }

  void add_key(Frame& frame, const Node& node) {
    if (node.kind != Kind::String) throw Stop{node.at, "a key must be plain text", {}};
    frame.has_key = true;
    frame.merging = node.style == Style::Plain && node.text == "<<";
    frame.key = node.text;
    frame.key_at = node.at;
    if (!frame.merging && !frame.seen.insert(node.text).second) {
      diagnostics_.push_back({base::DiagnosticSeverity::Error, source_.file, node.at.line,
                              node.at.column, fmt::format("key '{}' is given twice", node.text),
                              "remove one of them"});
    }
  }

  static void add_merge(Frame& frame, Node node) {
    if (node.kind == Kind::Table) {
      frame.merged.push_back(std::move(node));
      return;
    }
    bool good = node.kind == Kind::Array;
    for (const Node& item : node.items) good = good && item.kind == Kind::Table;
    if (!good) throw Stop{node.at, "'<<' takes a table or a list of tables", {}};
    for (Node& item : node.items) frame.merged.push_back(std::move(item));
  }

  const Source& source_;
  base::Diagnostics& diagnostics_;
  std::vector<Frame> stack_;
  std::map<YAML::anchor_t, std::pair<Node, std::size_t>> anchors_;
  std::size_t nodes_ = 0;
  Node root_;
};

}  // namespace

Node parse_yaml(const Source& source, base::Diagnostics& diagnostics) {
  const auto report = [&](base::Position at, std::string message, std::string hint) {
    diagnostics.push_back({base::DiagnosticSeverity::Error, source.file, at.line, at.column,
                           std::move(message), std::move(hint)});
  };
  Handler handler(source, diagnostics);
  try {
    std::istringstream stream(source.text);
    YAML::Parser parser(stream);
    parser.HandleNextDocument(handler);
    Node root = handler.take_root();
    Handler second(source, diagnostics);
    if (parser.HandleNextDocument(second)) {
      const Node other = second.take_root();
      report(other.at, "a second document begins here", "one document a file");
    }
    return root;
  } catch (const Stop& stop) {
    report(stop.at, stop.message, stop.hint);
  } catch (const YAML::Exception& failure) {
    report(place(failure.mark), "syntax error: " + failure.msg,
           "later mistakes show once this one is corrected");
  } catch (const std::exception& failure) {
    report({1, 1}, fmt::format("cannot read: {}", failure.what()), {});
  }
  return {};
}

}  // namespace tocsin::config

// Rule files: YAML in, TOML out.
//
// The text is made piece by piece, and each piece knows the lines of the source that it came from.
// At the end the whole is read with the reader that the daemon uses: a piece that it refuses was
// broken in the source already, so the piece becomes a comment and its mistake is reported at the
// place in the source. What is left loads.

#include "cli/convert/prometheus_rules.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>

#include "alertd/ruler/rule_file.h"
#include "cli/convert/rule_draft.h"
#include "common/base/strings.h"
#include "common/config/source.h"

namespace tocsin::cli::convert {
namespace {

/// A part of the output that stands or falls as a whole.
struct Piece {
  std::string text;
  std::size_t line = 0;      ///< In the source.
  std::size_t line_end = 0;  ///< Exclusive.
  bool broken = false;
  bool group = false;
};

std::size_t count_lines(std::string_view text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

std::string whole(const std::vector<Piece>& pieces) {
  std::string text;
  for (const Piece& piece : pieces) text += piece.text;
  return text;
}

class RulesConverter {
 public:
  RulesConverter(const config::Source& source, const config::Node& root,
                 const ConvertOptions& options)
      : source_(source),
        root_(root),
        comments_(source.text, root),
        reading_{source, options, comments_, result_.diagnostics},
        files_(base::make_real_file_system()) {}

  Converted run() {
    write_head();
    if (const config::Node* groups = groups_node()) {
      for (std::size_t i = 0; i < groups->items.size(); ++i) {
        const bool last = i + 1 == groups->items.size();
        add_group(groups->items[i], last ? std::string::npos : first_line(groups->items[i + 1]));
      }
    }
    add_tail();
    check();
    result_.files.push_back({toml_name(source_.file), whole(pieces_)});
    return std::move(result_);
  }

 private:
  const config::Node* groups_node() {
    const config::Node* groups = root_.find("groups");
    if (const config::Node* spec = root_.find("spec"); !groups && spec) {
      groups = spec->find("groups");
    }
    if (!groups || groups->kind != config::Kind::Array || groups->items.empty()) {
      const bool nothing = root_.kind == config::Kind::Null || groups != nullptr;
      if (nothing) {
        reading_.warn({1, 1}, "there are no rule groups in this file");
      } else {
        reading_.error({1, 1}, "this is no rule file: there is no 'groups'",
                       "known are rule files, PrometheusRule manifests and prometheus.yml");
      }
      return nullptr;
    }
    return groups;
  }

  void write_head() {
    TomlWriter out;
    out.note(
        fmt::format("Converted by tocsin import from {}.", base::escape_control(source_.file)));
    out.note(
        "no_data = \"ok\" is as before the import; without it an alert that is critical or high "
        "fires\nalso when its series vanish.");
    const config::Node* metadata = root_.find("metadata");
    const config::Node* name = metadata ? metadata->find("name") : nullptr;
    if (name) out.note(fmt::format("PrometheusRule {}", base::escape_control(name->text)));
    for (const config::Field& field : root_.fields) {
      const bool known = field.name == "groups" || field.name == "spec" ||
                         field.name == "apiVersion" || field.name == "kind" ||
                         field.name == "metadata" || field.name == "status";
      if (known) continue;
      reading_.warn(
          field.at,
          fmt::format("key '{}' is not carried over: no such key in a rule file", field.name));
      out.note(fmt::format("import: not carried over: {}", field.name));
    }
    const std::size_t first = first_group_line();
    const std::vector<std::string> above = comments_.take_rest(0, first);
    if (!above.empty()) out.blank();
    out.comments(above);
    pieces_.push_back({out.take(), 0, first, false, false});
  }

  std::size_t first_group_line() const {
    const config::Node* groups = root_.find("groups");
    if (const config::Node* spec = root_.find("spec"); !groups && spec) {
      groups = spec->find("groups");
    }
    return groups && !groups->items.empty() ? first_line(groups->items.front()) : std::string::npos;
  }

  void add_group(const config::Node& node, std::size_t line_end) {
    GroupDraft group = read_group_draft(node, line_end, reading_);
    if (reading_.options.merge_levels) merge_levels(group, reading_);
    // Groups beyond the first hold what our format refuses twice in one group.
    std::vector<std::vector<RuleDraft>> rounds(1);
    std::vector<std::set<std::string>> seen(1);
    std::map<std::string, std::string> severities;
    for (RuleDraft& rule : group.rules) {
      std::size_t round = 0;
      const auto [twin, fresh] = severities.emplace(identity(rule), rule.severity_text);
      if (!fresh && rule.alert && twin->second != rule.severity_text) keep_severity(rule);
      while (!seen[round].insert(identity(rule)).second) {
        if (++round == seen.size()) {
          seen.emplace_back();
          rounds.emplace_back();
        }
      }
      if (round > 0) {
        reading_.warn(
            {rule.line, 1},
            fmt::format("'{}' with the same labels is in the group '{}' already; moved to "
                        "a group of its own",
                        rule.name.text, group.name.text),
            "rename one of them, or give it a label of its own");
        rule.notes.emplace_back("the group has a rule with this name and these labels already");
      }
      rounds[round].push_back(std::move(rule));
    }
    for (std::size_t i = 0; i < rounds.size(); ++i) {
      const std::string name =
          i == 0 ? group.name.text : fmt::format("{} ({})", group.name.text, i + 1);
      if (i == 1) forget_remarks(group);
      add_piece(write_group(group, name), group.line, first_rule_line(node), true);
      for (const RuleDraft& rule : rounds[i]) {
        ++(rule.alert ? result_.alerts : result_.recordings);
        add_piece(write_rule(rule), rule.line, rule.line_end, false);
      }
    }
    const std::vector<std::string> rest = comments_.take_rest(group.line, line_end);
    if (!rest.empty()) {
      TomlWriter out;
      out.comments(rest);
      add_piece(out.take(), group.line, group.line, false);
    }
  }

  // page and critical are both critical here: the label goes on telling the two alerts apart.
  void keep_severity(RuleDraft& rule) {
    rule.labels.push_back({std::string(kKeptSeverity), rule.severity_text, {}});
    reading_.warn({rule.line, 1},
                  fmt::format("'{}' differs from another alert only in a severity that means the "
                              "same here; it gets the label {}",
                              rule.name.text, kKeptSeverity));
  }

  static void forget_remarks(GroupDraft& group) {
    group.name.remarks = {};
    group.labels_remarks = {};
    group.notes.clear();
    for (std::optional<Text>* text : {&group.interval, &group.query_offset, &group.limit}) {
      if (*text) (*text)->remarks = {};
    }
    for (Text& label : group.labels) label.remarks = {};
  }

  static std::size_t first_rule_line(const config::Node& group) {
    const config::Node* rules = group.find("rules");
    return rules && !rules->items.empty() ? first_line(rules->items.front())
                                          : first_line(group) + 1;
  }

  static std::string identity(const RuleDraft& rule) {
    std::vector<std::string> parts;
    for (const Text& label : rule.labels) parts.push_back(label.name + '\xff' + label.text);
    std::sort(parts.begin(), parts.end());
    std::string key = (rule.alert ? "a" : "r") + rule.name.text;
    if (rule.alert && rule.levels.empty()) key += model::to_string(rule.severity);
    return key + '\xff' + base::join(parts, "\xff");
  }

  void add_tail() {
    const std::vector<std::string> rest = comments_.take_rest(0, std::string::npos);
    TomlWriter out;
    out.comments(rest);
    const Remarks end = comments_.take(std::string::npos);
    if (!end.above.empty()) out.blank();
    out.comments(end.above);
    if (!out.empty()) add_piece(out.take(), std::string::npos, std::string::npos, false);
  }

  void add_piece(std::string text, std::size_t line, std::size_t line_end, bool group) {
    pieces_.push_back({std::move(text), line, line_end, false, group});
  }

  // Breaking one piece may show mistakes of another, such as a name that is used twice.
  void check() {
    for (int round = 0; round < 8; ++round) {
      const config::Source output{toml_name(source_.file), whole(pieces_)};
      base::Diagnostics found;
      ruler::read_rule_file(output, {}, *files_, found);
      std::erase_if(found, [](const base::Diagnostic& diagnostic) {
        return diagnostic.severity != base::DiagnosticSeverity::Error;
      });
      if (found.empty()) return;
      for (const base::Diagnostic& mistake : found) take_out(mistake);
    }
  }

  void take_out(const base::Diagnostic& mistake) {
    std::size_t line = 1;
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
      const std::size_t lines = count_lines(pieces_[i].text);
      if (mistake.line >= line + lines) {
        line += lines;
        continue;
      }
      if (!pieces_[i].broken) break_piece(i, mistake);
      return;
    }
  }

  void break_piece(std::size_t index, const base::Diagnostic& mistake) {
    Piece& piece = pieces_[index];
    std::string what = mistake.message;
    bool told = false;
    for (const base::Diagnostic& original : original_mistakes()) {
      if (original.line < piece.line || original.line >= piece.line_end) continue;
      if (original.message.starts_with("unknown key")) continue;
      result_.diagnostics.push_back(original);
      if (!told) what = original.message;
      told = true;
    }
    if (!told) reading_.error({piece.line, 1}, what, mistake.hint);
    comment_out(piece, what);
    // Rules of a group that is none would join the group before it.
    for (std::size_t i = index + 1; piece.group && i < pieces_.size() && !pieces_[i].group; ++i) {
      if (!pieces_[i].broken) comment_out(pieces_[i], "its group is broken");
    }
  }

  static void comment_out(Piece& piece, const std::string& what) {
    piece.broken = true;
    piece.text = fmt::format("\n# import: broken in the source: {}\n{}", base::escape_control(what),
                             commented_out(base::trim(piece.text)));
    if (!piece.text.ends_with('\n')) piece.text += '\n';
  }

  const base::Diagnostics& original_mistakes() {
    if (!original_) {
      original_.emplace();
      ruler::read_rule_file(source_, {}, *files_, *original_);
      std::erase_if(*original_, [](const base::Diagnostic& diagnostic) {
        return diagnostic.severity != base::DiagnosticSeverity::Error;
      });
    }
    return *original_;
  }

  const config::Source& source_;
  const config::Node& root_;
  Converted result_;
  Comments comments_;
  Reading reading_;
  std::unique_ptr<base::FileSystem> files_;
  std::vector<Piece> pieces_;
  std::optional<base::Diagnostics> original_;
};

}  // namespace

std::string toml_name(std::string_view file) {
  const std::size_t slash = file.rfind('/');
  std::string name(slash == std::string_view::npos ? file : file.substr(slash + 1));
  for (const std::string_view ending : {".yml", ".yaml"}) {
    if (name.ends_with(ending)) name.resize(name.size() - ending.size());
  }
  return name + ".toml";
}

std::optional<model::Severity> mapped_severity(const std::string& text,
                                               const ConvertOptions& options) {
  const auto own = options.severities.find(text);
  if (own != options.severities.end()) return own->second;
  return model::import_severity(text);
}

Converted convert_rules(const config::Source& source, const config::Node& root,
                        const ConvertOptions& options) {
  return RulesConverter(source, root, options).run();
}

}  // namespace tocsin::cli::convert

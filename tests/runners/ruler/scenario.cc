#include "tests/runners/ruler/scenario.h"

#include <algorithm>
#include <array>
#include <utility>

#include "alertd/ruler/rule_loader.h"
#include "common/base/strings.h"
#include "common/config/source.h"

namespace tocsin::ruler {
namespace {

using Kind = Expectation::Kind;

constexpr std::array<std::pair<std::string_view, Kind>, 7> kKinds{{{"pending", Kind::Pending},
                                                                   {"firing", Kind::Firing},
                                                                   {"resolved", Kind::Resolved},
                                                                   {"none", Kind::None},
                                                                   {"error", Kind::Error},
                                                                   {"sent", Kind::Sent},
                                                                   {"sample", Kind::Sample}}};

base::Error invalid(std::string message) {
  return base::error(base::ErrorCode::InvalidArgument, std::move(message));
}

/// Cuts the first word off `text`.
std::string_view take_word(std::string_view& text) {
  text = base::trim(text);
  const auto end = std::min(text.find_first_of(" \t"), text.size());
  const std::string_view word = text.substr(0, end);
  text = base::trim(text.substr(end));
  return word;
}

class Reader {
 public:
  Reader(const std::string& path, const base::FileSystem& files) : files_(files) {
    scenario_.file = path;
  }

  base::Result<Scenario> read() {
    TC_TRY(text_, files_.read(scenario_.file, 4U << 20U));
    lines_ = base::split(text_, '\n');
    for (at_ = 0; at_ < lines_.size(); ++at_) {
      const std::string_view line = base::trim(lines_[at_]);
      if (line.empty() || line.starts_with('#')) continue;
      const std::size_t number = at_ + 1;
      if (auto done = command(line); !done) {
        return invalid(scenario_.file + ":" + std::to_string(number) + ": " + done.error().message);
      }
    }
    TC_TRY(add_inline());
    std::stable_sort(scenario_.expectations.begin(), scenario_.expectations.end(),
                     [](const auto& a, const auto& b) { return a.at < b.at; });
    return std::move(scenario_);
  }

 private:
  base::Result<void> command(std::string_view line) {
    const std::string_view word = take_word(line);
    if (word == "rule" || word == "record") return rule(word == "rule", line);
    if (word == "interval") {
      interval_ = std::string(line);
      return base::ok();
    }
    if (word == "file") return inline_file(line);
    if (word == "rules") return rule_files(line);
    if (word == "load") return load(line);
    if (word == "restart") return restart(line);
    if (word == "at") return expectation(line);
    return invalid("unknown command '" + std::string(word) + "'");
  }

  /// `rule NAME: EXPR [for D] [keep_firing_for D] [severity S]` and `record NAME: EXPR` become
  /// TOML.
  base::Result<void> rule(bool alert, std::string_view line) {
    const auto colon = line.find(": ");
    if (colon == std::string_view::npos) return invalid("expected NAME: EXPR");
    const std::string_view name = line.substr(0, colon);
    std::string_view expr = base::trim(line.substr(colon + 1));
    std::string options;
    bool severity = false;
    while (alert) {
      const auto words = base::split_fields(expr);
      if (words.size() < 3) break;
      const std::string_view key = words[words.size() - 2];
      if (key != "for" && key != "keep_firing_for" && key != "severity") break;
      severity = severity || key == "severity";
      options += std::string(key) + " = \"" + std::string(words.back()) + "\"\n";
      expr = base::trim(expr.substr(0, static_cast<std::size_t>(key.data() - expr.data())));
    }
    if (alert && !severity) options += "severity = \"medium\"\n";
    inline_ += std::string(alert ? "[[group.alert]]" : "[[group.record]]") + "\nname = \"" +
               std::string(name) + "\"\nexpr = '''" + std::string(expr) + "'''\n" + options;
    return base::ok();
  }

  base::Result<void> add_inline() {
    if (inline_.empty()) return base::ok();
    return add_source(
        {scenario_.file + ".inline.toml",
         "[[group]]\nname = \"inline\"\ninterval = \"" + interval_ + "\"\n" + inline_});
  }

  base::Result<void> add_source(config::Source source) {
    base::Diagnostics diagnostics;
    auto groups = read_rule_file(source, {}, files_, diagnostics);
    if (base::has_errors(diagnostics)) {
      return invalid("the rules have errors:\n" + config::render_all(diagnostics, {&source, 1}));
    }
    std::move(groups.begin(), groups.end(), std::back_inserter(scenario_.groups));
    return base::ok();
  }

  /// `file NAME`, then the text of a rule file up to the line `end`.
  base::Result<void> inline_file(std::string_view name) {
    std::string text;
    for (++at_; at_ < lines_.size() && base::trim(lines_[at_]) != "end"; ++at_) {
      text += std::string(lines_[at_]) + "\n";
    }
    if (at_ == lines_.size()) return invalid("no line 'end' after the file");
    return add_source({std::string(name), std::move(text)});
  }

  base::Result<void> rule_files(std::string_view path) {
    const auto slash = scenario_.file.rfind('/');
    const std::string folder =
        slash == std::string::npos ? std::string() : scenario_.file.substr(0, slash);
    RuleSet set = load_rules({base::join_path(folder, path)}, {}, files_);
    if (base::has_errors(set.diagnostics)) {
      return invalid("the rules have errors:\n" + config::render_all(set.diagnostics, set.sources));
    }
    std::move(set.groups.begin(), set.groups.end(), std::back_inserter(scenario_.groups));
    return base::ok();
  }

  base::Result<void> load(std::string_view step) {
    Load load;
    TC_TRY(load.step, base::parse_duration(step));
    if (load.step <= base::Duration{0}) return invalid("the step must be positive");
    for (++at_; at_ < lines_.size(); ++at_) {
      const std::string_view line = base::trim(lines_[at_]);
      if (line.empty() || line.starts_with('#')) break;
      TC_TRY(auto series, parse_series(line));
      load.series.push_back(std::move(series));
    }
    scenario_.loads.push_back(std::move(load));
    return base::ok();
  }

  /// `restart TIME to TIME`
  base::Result<void> restart(std::string_view line) {
    Restart restart;
    TC_TRY(restart.down, base::parse_duration(take_word(line)));
    if (take_word(line) != "to") return invalid("expected restart TIME to TIME");
    TC_TRY(restart.up, base::parse_duration(line));
    scenario_.restarts.push_back(restart);
    return base::ok();
  }

  base::Result<void> expectation(std::string_view line) {
    Expectation wanted;
    wanted.line = at_ + 1;
    wanted.text = std::string(line);
    TC_TRY(wanted.at, base::parse_duration(take_word(line)));
    const std::string_view word = take_word(line);
    const auto kind = std::find_if(kKinds.begin(), kKinds.end(),
                                   [&](const auto& known) { return known.first == word; });
    if (kind == kKinds.end()) return invalid("unknown expectation '" + std::string(word) + "'");
    wanted.kind = kind->second;
    if (wanted.kind == Kind::Sent) {
      wanted.number = base::parse_double(take_word(line));
      if (!wanted.number) return invalid("expected sent NUMBER");
      wanted.alert = std::string(line);
    } else if (wanted.kind == Kind::Error) {
      wanted.alert = std::string(take_word(line));
      TC_TRY(wanted.message, quoted(line));
    } else {
      TC_TRY(labels_and_fields(line, wanted));
    }
    scenario_.expectations.push_back(std::move(wanted));
    return base::ok();
  }

  base::Result<void> labels_and_fields(std::string_view line, Expectation& wanted) {
    std::size_t end = end_of_labels(line);
    if (end != std::string_view::npos && line.substr(0, end).find('{') == std::string_view::npos &&
        line.substr(0, end).find('=') != std::string_view::npos) {
      end = 0;  // fields at once: no name, no labels
    }
    if (end == std::string_view::npos) return invalid("no end of the labels");
    const std::string_view series = line.substr(0, end);
    line = base::trim(line.substr(end));
    if (wanted.kind == Kind::Sample) {
      TC_TRY(wanted.labels, parse_labels(series));
      if (line == "stale") {
        wanted.message = "stale";
      } else if (line != "none") {
        wanted.number = base::parse_double(line);
        if (!wanted.number) return invalid("expected a value, stale or none");
      }
      return base::ok();
    }
    const auto brace = std::min(series.find('{'), series.size());
    wanted.alert = std::string(series.substr(0, brace));
    TC_TRY(wanted.labels, parse_labels(series.substr(brace)));
    while (!line.empty()) {
      const auto equals = line.find('=');
      if (equals == std::string_view::npos) return invalid("expected name=value");
      const std::string name(line.substr(0, equals));
      line.remove_prefix(equals + 1);
      if (line.starts_with('"')) {
        TC_TRY(wanted.fields[name], quoted(line));
      } else {
        wanted.fields[name] = std::string(take_word(line));
      }
      line = base::trim(line);
    }
    return base::ok();
  }

  /// Cuts a string in double quotes off `text`; \" and \\ and \n inside.
  static base::Result<std::string> quoted(std::string_view& text) {
    if (!text.starts_with('"')) return invalid("expected a string in double quotes");
    std::string out;
    for (std::size_t i = 1; i < text.size(); ++i) {
      if (text[i] == '"') {
        text.remove_prefix(i + 1);
        return out;
      }
      if (text[i] == '\\' && i + 1 < text.size()) {
        ++i;
        out += text[i] == 'n' ? '\n' : text[i];
      } else {
        out += text[i];
      }
    }
    return invalid("the string has no end");
  }

  const base::FileSystem& files_;
  Scenario scenario_;
  std::string text_;
  std::vector<std::string_view> lines_;
  std::size_t at_ = 0;
  std::string interval_ = "1m";
  std::string inline_;
};

}  // namespace

base::Result<Scenario> read_scenario(const std::string& path, const base::FileSystem& files) {
  return Reader(path, files).read();
}

}  // namespace tocsin::ruler

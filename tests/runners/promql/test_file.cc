#include "tests/runners/promql/test_file.h"

#include <fmt/core.h>
#include <re2/re2.h>

#include "alertd/promql/lexer.h"
#include "common/base/strings.h"

namespace tocsin::promql_runner {
namespace {

using base::Result;

base::Error bad_line(std::size_t line, std::string_view what) {
  return base::error(base::ErrorCode::InvalidArgument, fmt::format("line {}: {}", line + 1, what));
}

class FileParser {
 public:
  explicit FileParser(std::string_view text) {
    for (const std::string_view line : base::split(text, '\n')) {
      std::string_view trimmed = base::trim(line);
      if (trimmed.starts_with('#')) trimmed = {};
      lines_.push_back(trimmed);
    }
  }

  Result<std::vector<Command>> run() {
    std::vector<Command> commands;
    while (at_ < lines_.size()) {
      const std::string_view line = lines_[at_];
      const std::string word = base::to_lower(line.substr(0, line.find_first_of(" \t")));
      if (line.empty()) {
        ++at_;
      } else if (word == "clear") {
        commands.emplace_back(Clear{});
        ++at_;
      } else if (word.starts_with("load")) {
        TC_TRY(commands.emplace_back(), load());
      } else if (word.starts_with("eval")) {
        TC_TRY(commands.emplace_back(), eval());
      } else {
        return bad_line(at_, fmt::format("unknown command '{}'", word));
      }
    }
    return commands;
  }

 private:
  Result<Command> load() {
    Load load;
    load.line = at_ + 1;
    std::string step;
    std::string nhcb;
    if (!RE2::FullMatch(std::string(lines_[at_]), R"((?i:load)(?:_(with_nhcb))?\s+(.+?))", &nhcb,
                        &step)) {
      return bad_line(at_, "load needs a step");
    }
    TC_TRY(load.step, duration(step));
    for (++at_; at_ < lines_.size() && !lines_[at_].empty(); ++at_) {
      auto series = promql::parse_noted_series(lines_[at_]);
      if (series) {
        load.series.push_back(std::move(*series));
      } else if (series.error().message.find("not supported") != std::string::npos) {
        load.unsupported = series.error().message;
      } else {
        return bad_line(at_, series.error().message);
      }
    }
    return Command{std::move(load)};
  }

  Result<base::Duration> duration(const std::string& text) {
    auto parsed = base::parse_duration(base::trim(text));
    if (!parsed) return bad_line(at_, parsed.error().message);
    return *parsed;
  }

  Result<Command> eval() {
    Eval eval;
    eval.line = at_ + 1;
    const std::string line(lines_[at_]);
    std::string mode;
    std::string begin;
    std::string end;
    std::string step;
    static constexpr const char* kInstant =
        R"((?i:eval)(?:_(fail|warn|ordered|info))?\s+instant\s+(?:at\s+(.+?))?\s+(.+))";
    static constexpr const char* kRange =
        R"((?i:eval)(?:_(fail|warn|info))?\s+range\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+?)\s+)"
        R"((.+))";
    if (RE2::FullMatch(line, kInstant, &mode, &begin, &eval.query)) {
      TC_TRY(eval.begin, duration(begin.empty() ? "0" : begin));
      eval.end = eval.begin;
    } else if (RE2::FullMatch(line, kRange, &mode, &begin, &end, &step, &eval.query)) {
      eval.range = true;
      TC_TRY(eval.begin, duration(begin));
      TC_TRY(eval.end, duration(end));
      TC_TRY(eval.step, duration(step));
    } else {
      return bad_line(at_, "eval needs 'instant at T QUERY' or 'range from A to B step S QUERY'");
    }
    eval.ordered = mode == "ordered";
    if (mode == "fail") eval.fail = Pattern{};
    if (mode == "warn") eval.warns.emplace_back();
    if (mode == "info") eval.infos.emplace_back();
    bool open = true;
    for (++at_; at_ < lines_.size() && !lines_[at_].empty(); ++at_) {
      if (open) TC_TRY(expectation(eval, std::string(lines_[at_]), open));
    }
    return Command{std::move(eval)};
  }

  // One body line. `open` becomes false when the block is complete.
  Result<void> expectation(Eval& eval, const std::string& line, bool& open) {
    std::string text;
    if (eval.fail && RE2::FullMatch(line, R"(expected_fail_message\s+(.+))", &text)) {
      eval.fail = Pattern{Pattern::Kind::Exact, text};
      open = false;
      return base::ok();
    }
    if (eval.fail && RE2::FullMatch(line, R"(expected_fail_regexp\s+(.+))", &text)) {
      eval.fail = Pattern{Pattern::Kind::Regex, text};
      open = false;
      return base::ok();
    }
    std::string from;
    std::string to;
    std::string step;
    if (RE2::FullMatch(line, R"(expect range vector\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+))",
                       &from, &to, &step)) {
      eval.range_vector.emplace();
      TC_TRY(eval.range_vector->begin, duration(from));
      TC_TRY(eval.range_vector->end, duration(to));
      TC_TRY(eval.range_vector->step, duration(step));
      return base::ok();
    }
    if (RE2::FullMatch(line, R"(expect string\s+(.+))", &text)) {
      std::string problem;
      std::size_t where = 0;
      eval.string = promql::unquote(text, problem, where);
      if (!eval.string) return bad_line(at_, problem);
      return base::ok();
    }
    if (line.starts_with("expect ") || line.starts_with("expect\t")) return expect(eval, line);
    if (const auto number = base::parse_double(line)) {
      eval.scalar = number;
      open = false;
      return base::ok();
    }
    auto series = promql::parse_noted_series(line);
    if (series) {
      eval.series.push_back({std::move(*series), at_ + 1});
      return base::ok();
    }
    if (series.error().message.find("not supported") == std::string::npos) {
      return bad_line(at_, series.error().message);
    }
    eval.unsupported = series.error().message;
    return base::ok();
  }

  Result<void> expect(Eval& eval, const std::string& line) {
    std::string kind;
    std::string how;
    std::string text;
    if (!RE2::FullMatch(
            line, R"(expect\s+(ordered|fail|warn|no_warn|info|no_info)(?:\s+(regex|msg):(.+))?)",
            &kind, &how, &text)) {
      return bad_line(at_, fmt::format("bad expectation '{}'", line));
    }
    Pattern pattern;
    pattern.text = std::string(base::trim(text));
    if (how == "msg") pattern.kind = Pattern::Kind::Exact;
    if (how == "regex") pattern.kind = Pattern::Kind::Regex;
    if (kind == "ordered") eval.ordered = true;
    if (kind == "fail") eval.fail = pattern;
    if (kind == "warn") eval.warns.push_back(pattern);
    if (kind == "info") eval.infos.push_back(pattern);
    if (kind == "no_warn") eval.no_warn = true;
    if (kind == "no_info") eval.no_info = true;
    return base::ok();
  }

  std::vector<std::string_view> lines_;
  std::size_t at_ = 0;
};

}  // namespace

base::Result<std::vector<Command>> parse_test_file(std::string_view text) {
  return FileParser(text).run();
}

}  // namespace tocsin::promql_runner

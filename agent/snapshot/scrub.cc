#include "agent/snapshot/scrub.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <memory>
#include <vector>

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

struct Rule {
  std::unique_ptr<re2::RE2> pattern;
  const char* instead;
};

std::vector<Rule> make_rules() {
  // A name that says what it holds, whatever stands before and behind the telling part.
  constexpr const char* kName =
      R"([\w.-]*(?:passw(?:or)?d|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|)"
      R"(private[_-]?key|credential|signature|cookie|session[_-]?id)[\w.-]*)";
  constexpr const char* kValue = R"((?:"[^"]*"|'[^']*'|[^\s"'&;,]+))";
  std::vector<Rule> rules;
  const auto add = [&](const std::string& pattern, const char* instead) {
    rules.push_back({std::make_unique<re2::RE2>(pattern), instead});
  };
  add(R"((?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$))", "***");
  add(R"((?i)(authorization["']?\s*[:=]\s*["']?(?:[a-z]+\s+)?)[^\s"',]+)", R"(\1***)");
  add(R"((?i)(bearer\s+)[^\s"',]+)", R"(\1***)");
  add(R"((?i)([a-z][a-z0-9+.-]*://)[^\s/@"']*@)", R"(\1***@)");
  add(fmt::format(R"((?i)({}["']?\s*[=:]\s*){})", kName, kValue), R"(\1***)");
  add(fmt::format(R"((?i)(--?{}\s+){})", kName, kValue), R"(\1***)");
  add(R"((?i)(\b(?:mysql|mariadb|mysqldump|mysqladmin)\b.*?\s-p)\S+)", R"(\1***)");
  add(R"(\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bgh[pousr]_\w{20,}|\bxox[abprs]-[\w-]{10,}|)"
      R"(\b[sr]k_live_\w{10,}|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)",
      "***");
  return rules;
}

std::string printable(std::string_view text) {
  const bool utf8 = base::is_utf8(text);
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool control = (byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7f;
    if (control || (byte >= 0x80 && !utf8)) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

std::string scrub(std::string_view text) {
  static const std::vector<Rule> kRules = make_rules();
  std::string out = printable(text);
  for (const Rule& rule : kRules) re2::RE2::GlobalReplace(&out, *rule.pattern, rule.instead);
  return out;
}

std::string scrub_command_line(std::string_view cmdline) {
  std::string line(cmdline);
  while (!line.empty() && line.back() == '\0') line.pop_back();
  for (char& c : line) {
    if (c == '\0' || c == '\n') c = ' ';
  }
  return scrub(line);
}

}  // namespace tocsin::agent

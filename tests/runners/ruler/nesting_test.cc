// A million of anything that nests is refused with a reason: no reader of rule files may run out of
// stack.

#include <doctest/doctest.h>

#include <string>

#include "alertd/ruler/rule_file.h"
#include "alertd/ruler/rule_template.h"
#include "common/config/source.h"

namespace tocsin::ruler {
namespace {

constexpr std::size_t kMillion = 1'000'000;

std::string times(std::size_t count, std::string_view text) {
  std::string out;
  out.reserve(count * text.size());
  for (std::size_t i = 0; i < count; ++i) out += text;
  return out;
}

/// The errors of a rule file; "ok" if there is none.
std::string errors_of(const std::string& name, std::string contents) {
  const config::Source source{name, std::move(contents)};
  base::Diagnostics diagnostics;
  std::string text;
  const auto files = base::make_real_file_system();
  (void)read_rule_file(source, {}, *files, diagnostics);
  for (const base::Diagnostic& diagnostic : diagnostics) {
    if (diagnostic.severity == base::DiagnosticSeverity::Error) text += diagnostic.message + "\n";
  }
  return text.empty() ? "ok" : text;
}

std::string yaml_rule(const std::string& expr) {
  return "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: '" + expr + "'\n";
}

std::string toml_rule(const std::string& expr) {
  return "[[group]]\nname = \"g\"\n[[group.alert]]\nname = \"A\"\nseverity = \"high\"\nexpr = '" +
         expr + "'\nsummary = \"s\"\nrunbook = \"\"\n";
}

}  // namespace

TEST_CASE("expressions a million deep are refused in both formats") {
  for (const char* open : {"(", "-", "abs(", "x[", "sum(", "{", "1+"}) {
    CAPTURE(open);
    const std::string deep = times(kMillion, open) + "x";
    CHECK(errors_of("deep.yml", yaml_rule(deep)) != "ok");
    CHECK(errors_of("deep.toml", toml_rule(deep)) != "ok");
  }
  // Short enough for the limit of bytes, deep enough to hurt.
  const std::string nested = times(30'000, "(") + "x" + times(30'000, ")");
  CHECK(errors_of("deep.yml", yaml_rule(nested)).find("nested more than") != std::string::npos);
  CHECK(errors_of("deep.toml", toml_rule(nested)).find("nested more than") != std::string::npos);
}

TEST_CASE("templates a million deep are refused") {
  for (const char* open :
       {"{{ if true }}", "{{ with 1 }}", "{{ range .List }}", "{{ (", "{{ define \"a\" }}",
        "{{ if true }}{{ else if true }}", "{{", "{{ block \"a\" . }}"}) {
    CAPTURE(open);
    CHECK(check_template(times(kMillion, open)).has_value());
  }
  CHECK(check_template("{{ " + times(kMillion, "(") + "1" + times(kMillion, ")") + " }}")
            .has_value());
  // As deep, and every part closed.
  CHECK(check_template(times(100'000, "{{ if true }}") + times(100'000, "{{ end }}")).has_value());
}

TEST_CASE("files a million deep are refused") {
  CHECK(errors_of("deep.toml", "a = " + times(kMillion, "[")) != "ok");
  CHECK(errors_of("deep.toml", "a = " + times(kMillion, "[") + times(kMillion, "]")) != "ok");
  CHECK(errors_of("deep.toml", "a = " + times(kMillion, "{ a = ")) != "ok");
  CHECK(errors_of("deep.toml", "a" + times(kMillion, ".a") + " = 1") != "ok");
  CHECK(errors_of("deep.toml", "[a" + times(kMillion, ".a") + "]") != "ok");
  CHECK(errors_of("deep.yml", times(kMillion, "[")) != "ok");
  CHECK(errors_of("deep.yml", times(kMillion, "{a: ")) != "ok");
  CHECK(errors_of("deep.yml", times(kMillion, "- ")) != "ok");
  CHECK(errors_of("deep.yml", times(kMillion, "[") + times(kMillion, "]")) != "ok");
  CHECK(errors_of("deep.yml", times(kMillion, "? ")) != "ok");
  // Aliases of aliases: a billion values in a page of text.
  std::string laughs = "a0: &a0 [1, 1]\n";
  for (int i = 1; i < 30; ++i) {
    const std::string before = std::to_string(i - 1), now = std::to_string(i);
    laughs += "a" + now + ": &a" + now + " [*a" + before + ", *a" + before + "]\n";
  }
  CHECK(errors_of("laughs.yml", laughs) != "ok");
}

}  // namespace tocsin::ruler

// The language: text in, text out. Expectations follow Go's text/template and fmt documentation.

#include "common/gotemplate/template.h"

#include <doctest/doctest.h>
#include <fmt/core.h>

namespace tocsin::gotemplate {
namespace {

struct Case {
  const char* text;
  const char* wanted;
};

Value sample_data() {
  const Value labels = key_values({{"alertname", "DiskFull"}, {"host", "db1"}, {"az", "eu-1"}});
  const auto alert = [&](const char* status, double value) {
    return Value(Map{{"Status", Value(status)}, {"Value", Value(value)}, {"Labels", labels}});
  };
  const List firing{alert("firing", 1), alert("firing", 2.5)};
  Map methods;
  methods["Firing"] = Value(
      Function([firing](const std::vector<Value>&) { return base::Result<Value>(Value(firing)); }));
  List all = firing;
  all.push_back(alert("resolved", 0));
  return Value(Map{
      {"Name", Value("Tocsin")},
      {"Empty", Value("")},
      {"Zero", Value(0)},
      {"Count", Value(3)},
      {"Ratio", Value(0.25)},
      {"Big", Value(1234567.0)},
      {"Yes", Value(true)},
      {"No", Value(false)},
      {"Nil", Value()},
      {"List", Value(List{"a", "b", "c"})},
      {"Nothing", Value(List{})},
      {"Map", Value(Map{{"one", Value(1)}, {"two", Value(Map{{"deep", Value("x")}})}})},
      {"Labels", labels},
      {"Alerts", with_methods(all, methods)},
      {"Html", Value("<b a='1'>&\"</b>")},
      {"Twice", Value(Function([](const std::vector<Value>& a) -> base::Result<Value> {
         return Value(a.empty() ? std::string("none") : a[0].to_text() + a[0].to_text());
       }))},
      {"At", time_value(base::wall_time(1435065584128))},
  });
}

std::string run(std::string_view text, MissingKey missing = MissingKey::Zero,
                const Limits& limits = {}) {
  auto parsed = Template::parse(text, standard_functions());
  if (!parsed) return "parse: " + parsed.error().message;
  const Map variables{{"value", Value(42.5)}, {"labels", key_values({{"instance", "h:9100"}})}};
  auto result = parsed->execute(sample_data(), variables, missing, limits);
  return result ? *result : "error: " + result.error().message;
}

void check(std::initializer_list<Case> cases) {
  for (const Case& one : cases) {
    const std::string got = run(one.text);
    const std::string wanted = one.wanted;
    CAPTURE(one.text);
    CHECK(got == wanted);
  }
}

TEST_CASE("text, fields, constants, trimming, comments") {
  check({
      {"", ""},
      {"plain { text }", "plain { text }"},
      {"{{ .Name }}", "Tocsin"},
      {"{{.Name}}!", "Tocsin!"},
      {"{{ .Map.two.deep }}", "x"},
      {"{{ .Missing }}|", "|"},
      {"{{ .Map.none.x }}", "error: 1:4: can't evaluate field x in type string"},
      {"{{ $.Name }}", "Tocsin"},
      {"{{ $value }}", "42.5"},
      {"{{ $labels.instance }}", "h:9100"},
      {"{{ $labels.job }}|", "|"},
      {"{{ 1 }} {{ -2 }} {{ 0x1f }} {{ 0b11 }} {{ 1_000 }} {{ 017 }}", "1 -2 31 3 1000 15"},
      {"{{ 1.5 }} {{ 1e3 }} {{ .5 }} {{ 'a' }} {{ '\\n' }}", "1.5 1000 0.5 97 10"},
      {"{{ \"q\\\"\\t\\u00fc\\x41\" }}",
       "q\"\t\xC3\xBC"
       "A"},
      {"{{ `raw \\n {{x}}` }}", "raw \\n {{x}}"},
      {"{{ true }} {{ false }}", "true false"},
      {"a {{- \" x \" -}} b", "a x b"},
      {"a  {{- 1 }}  b", "a1  b"},
      {"a\n{{ 1 -}}\n\n b", "a\n1b"},
      {"a{{/* note */}}b", "ab"},
      {"a {{- /* note\n */ -}} b", "ab"},
      {"{{ -3 }}", "-3"},
      {"{{ . | len }}", "17"},
      {"{{ .Nil }}", "<no value>"},
      {"{{ .Big }} {{ .Ratio }} {{ .Count }}", "1.234567e+06 0.25 3"},
      {"{{ .List }} {{ .Map }}", "[a b c] map[one:1 two:map[deep:x]]"},
  });
}

TEST_CASE("pipelines and calls") {
  check({
      {"{{ .Name | toUpper }}", "TOCSIN"},
      {"{{ .Name | printf \"%s-%s\" \"x\" }}", "x-Tocsin"},
      {"{{ \"a\" | printf \"%q\" | len }}", "3"},
      {"{{ (.Map).one }}", "1"},
      {"{{ (index .Map \"two\").deep }}", "x"},
      {"{{ printf \"%d\" (len .List) }}", "3"},
      {"{{ len (printf \"%s!\" .Name) }}", "7"},
      {"{{ .Twice \"ab\" }}", "abab"},
      {"{{ .Twice }}", "none"},
      {"{{ \"z\" | .Twice }}", "zz"},
      {"{{ print (.Twice \"q\") 1 }}", "qq1"},
      {"{{ .Name 1 }}", "error: 1:4: Name is not a method but has arguments"},
      {"{{ 1 2 }}", "error: 1:4: can't give argument to non-function"},
      {"{{ $x := 5 }}{{ $x }}", "5"},
      {"{{ $x := 5 }}{{ $x = 6 }}{{ $x }}", "6"},
      {"{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ $x }}{{ end }}{{ $x }}", "21"},
      {"{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}", "2"},
      {"{{ $m := .Map }}{{ $m.two.deep }}", "x"},
      {"{{ $nope }}", "error: 1:4: undefined variable \"$nope\""},
      {"{{ $nope = 1 }}", "error: 1:4: undefined variable \"$nope\""},
  });
}

TEST_CASE("if, with, range") {
  check({
      {"{{ if .Yes }}y{{ else }}n{{ end }}", "y"},
      {"{{ if .No }}y{{ else }}n{{ end }}", "n"},
      {"{{ if .Zero }}y{{ end }}{{ if .Empty }}y{{ end }}{{ if .Nothing }}y{{ end }}", ""},
      {"{{ if .List }}y{{ end }}{{ if .At }}t{{ end }}", "yt"},
      {"{{ if .No }}1{{ else if .Zero }}2{{ else if .Yes }}3{{ else }}4{{ end }}", "3"},
      {"{{ if .No }}1{{ else if .Zero }}2{{ else }}4{{ end }}", "4"},
      {"{{ if $x := .Count }}{{ $x }}{{ end }}", "3"},
      {"{{ with .Map }}{{ .one }}{{ end }}", "1"},
      {"{{ with .Empty }}x{{ else }}empty{{ end }}", "empty"},
      {"{{ with .Empty }}x{{ else with .Name }}{{ . }}{{ end }}", "Tocsin"},
      {"{{ with $m := .Map }}{{ $m.one }}{{ $.Name }}{{ end }}", "1Tocsin"},
      {"{{ range .List }}<{{ . }}>{{ end }}", "<a><b><c>"},
      {"{{ range $i, $e := .List }}{{ $i }}={{ $e }},{{ end }}", "0=a,1=b,2=c,"},
      {"{{ range $e := .List }}{{ $e }}{{ end }}", "abc"},
      {"{{ range $k, $v := .Labels }}{{ $k }}={{ $v }};{{ end }}",
       "alertname=DiskFull;az=eu-1;host=db1;"},
      {"{{ range .Nothing }}x{{ else }}none{{ end }}", "none"},
      {"{{ range .Nil }}x{{ else }}none{{ end }}", "none"},
      {"{{ range 3 }}{{ . }}{{ end }}", "012"},
      {"{{ range .List }}{{ if eq . \"b\" }}{{ break }}{{ end }}{{ . }}{{ end }}", "a"},
      {"{{ range .List }}{{ if eq . \"b\" }}{{ continue }}{{ end }}{{ . }}{{ end }}", "ac"},
      {"{{ $x := \"\" }}{{ range .List }}{{ $x = print $x . }}{{ end }}{{ $x }}", "abc"},
      {"{{ range .List }}{{ range $.List }}{{ break }}{{ end }}{{ . }}{{ end }}", "abc"},
      {"{{ range .Name }}x{{ end }}", "error: 1:4: range can't iterate over a string"},
      {"{{ range .Alerts }}{{ .Status }} {{ end }}", "firing firing resolved "},
      {"{{ range .Alerts.Firing }}{{ .Value }} {{ end }}", "1 2.5 "},
      {"{{ len .Alerts }}/{{ .Alerts.Firing | len }}", "3/2"},
      {"{{ (index .Alerts 1).Value }}", "2.5"},
  });
}

TEST_CASE("define, template, block") {
  check({
      {"{{ define \"t\" }}[{{ . }}]{{ end }}{{ template \"t\" .Name }}", "[Tocsin]"},
      {"{{ template \"t\" }}{{ define \"t\" }}[{{ . }}]{{ end }}", "[<no value>]"},
      {"{{ block \"b\" .Count }}{{ . }}!{{ end }}", "3!"},
      {"{{ define \"t\" }}{{ $.one }}{{ end }}{{ template \"t\" .Map }}", "1"},
      {"{{ define \"t\" }}{{ $value }}{{ end }}{{ template \"t\" . }}", "42.5"},
      {"{{ $x := 1 }}{{ define \"t\" }}{{ $x }}{{ end }}{{ template \"t\" . }}",
       "error: 1:33: undefined variable \"$x\""},
      {"{{ template \"none\" }}", "error: 1:4: template \"none\" not defined"},
      {"{{ define \"r\" }}{{ template \"r\" }}{{ end }}{{ template \"r\" }}",
       "error: 1:20: templates include each other more than 100 deep"},
  });
  auto parsed = Template::parse("{{ template \"shared\" .Name }}", standard_functions());
  REQUIRE(parsed);
  REQUIRE(parsed->add_definitions("{{ define \"shared\" }}-{{ . }}-{{ end }}"));
  const auto result = parsed->execute(sample_data());
  REQUIRE(result);
  CHECK(*result == "-Tocsin-");
}

TEST_CASE("functions of the language") {
  check({
      {"{{ and 1 0 2 }} {{ and 1 2 }} {{ or 0 \"\" 7 }} {{ or 0 0 }}", "0 2 7 0"},
      {"{{ or .Yes (index .List 99) }}", "true"},
      {"{{ and .No (index .List 99) }}", "false"},
      {"{{ and true (index .List 99) }}",
       "error: 1:14: error calling index: index out of range: 99"},
      {"{{ not .Yes }} {{ not .Zero }}", "false true"},
      {"{{ eq 1 1 }} {{ eq 1 2 3 1 }} {{ eq \"a\" \"b\" }} {{ ne 1 2 }}", "true true false true"},
      {"{{ lt 1 2 }} {{ le 2 2 }} {{ gt 1.5 1.2 }} {{ ge \"a\" \"b\" }}", "true true true false"},
      {"{{ gt $value 40.0 }} {{ lt .Ratio 1 }}", "true true"},
      {"{{ eq .Name 1 }}",
       "error: 1:4: error calling eq: incompatible types for comparison: string and int"},
      {"{{ index .List 1 }} {{ index .Map \"two\" \"deep\" }} {{ index .Map \"no\" }}|", "b x |"},
      {"{{ slice .Name 1 3 }} {{ slice .List 1 }} {{ slice .Name }}", "oc [b c] Tocsin"},
      {"{{ print 1 2 \"x\" 3 4 }}", "1 2x3 4"},
      {"{{ print \"a\" \"b\" }} {{ println \"a\" 1 }}", "ab a 1\n"},
      {"{{ html .Html }}", "&lt;b a=&#39;1&#39;&gt;&amp;&#34;&lt;/b&gt;"},
      {"{{ js \"it's <x>\\n\" }}", "it\\'s \\u003Cx\\u003E\\u000A"},
      {"{{ urlquery \"a b&c/\xC3\xBC\" }}", "a+b%26c%2F%C3%BC"},
      {"{{ len \"\xC3\xBC\" }} {{ len .Map }} {{ len .Labels }}", "2 2 3"},
      {"{{ len 3 }}", "error: 1:4: error calling len: len of type int"},
  });
}

TEST_CASE("printf") {
  check({
      {"{{ printf \"%v %+v %s\" 1.5 true \"x\" }}", "1.5 true x"},
      {"{{ printf \"%d|%5d|%-5d|%05d|%+d\" 42 42 42 42 42 }}", "42|   42|42   |00042|+42"},
      {"{{ printf \"%f %.2f %8.3f %e %g\" 1.5 2.345 3.14159 1234.5 0.00001 }}",
       "1.500000 2.35    3.142 1.234500e+03 1e-05"},
      {"{{ printf \"%.0f%%\" 89.6 }}", "90%"},
      {"{{ printf \"%x %X %#x %o %b %c %U\" 255 255 255 8 5 65 65 }}",
       "ff FF 0xff 10 101 A U+0041"},
      {"{{ printf \"%x\" \"hi\" }} {{ printf \"%q\" \"a\\\"b\" }} {{ printf \"%t\" true }}",
       "6869 \"a\\\"b\" true"},
      {"{{ printf \"%6s|%-6s|%.2s\" \"abc\" \"abc\" \"abc\" }}", "   abc|abc   |ab"},
      {"{{ printf \"%d\" \"x\" }}", "%!d(string=x)"},
      {"{{ printf \"%d\" 1.5 }}", "%!d(float64=1.5)"},
      {"{{ printf \"%s\" 5 }}", "%!s(int=5)"},
      {"{{ printf \"%s %s\" \"a\" }}", "a %!s(MISSING)"},
      {"{{ printf \"%s\" \"a\" \"b\" 2 }}", "a%!(EXTRA string=b, int=2)"},
      {"{{ printf \"%\" }}", "%!(NOVERB)"},
      {"{{ printf \"%*d\" 4 7 }}", "   7"},
      {"{{ printf \"%99999d\" 7 }}", "%!(BADWIDTH)7"},
      {"{{ printf \"%v %v\" .List .Nil }}", "[a b c] <nil>"},
      {"{{ printf \"%d\" (list 1 2) }}", "[1 2]"},
      {"{{ printf \"%T %T %T\" 1 1.5 \"x\" }}", "int float64 string"},
      {"{{ printf \"%v %v\" 1e6 100000.0 }}", "1e+06 100000"},
      {"{{ printf \"%6.2f|%-8.1f|%+.1f|%08.2f\" 1.5 1.5 1.5 -1.5 }}",
       "  1.50|1.5     |+1.5|-0001.50"},
  });
}

TEST_CASE("errors carry line and column") {
  check({
      {"a\n  {{ nope 1 }}", "parse: 2:6: function \"nope\" not defined"},
      {"{{ humanise 1 }}",
       "parse: 1:4: function \"humanise\" not defined; did you mean \"humanize\"?"},
      {"{{ if }}x{{ end }}", "parse: 1:7: missing value for if"},
      {"{{ if 1 }}x", "parse: 1:4: {{if}} has no {{end}}"},
      {"{{ end }}", "parse: 1:8: unexpected {{end}}"},
      {"{{ .Name", "parse: 1:3: unclosed action"},
      {"{{ \"abc }}", "parse: 1:4: unterminated quoted string"},
      {"{{ (1 }}", "parse: 1:7: unclosed left parenthesis"},
      {"{{ 1) }}", "parse: 1:5: unexpected right parenthesis"},
      {"{{/* x }}", "parse: 1:3: unclosed comment"},
      {"{{ break }}", "parse: 1:4: {{break}} outside {{range}}"},
      {"{{ 1 | 2 }}", "parse: 1:8: non executable command in pipeline stage 2"},
      {"{{ 12x }}", "parse: 1:4: bad number syntax: \"12x\""},
      {"{{ .a ? }}", "parse: 1:7: unexpected \"?\" in action"},
      {"{{ if 1 }}{{ define \"x\" }}{{ end }}{{ end }}",
       "parse: 1:14: {{define}} is allowed at the top level only"},
      {"{{ nil }}", "error: 1:4: nil is not a command"},
      {"{{ \"\\q\" }}", "parse: 1:4: bad escape in \"\\q\""},
  });
}

TEST_CASE("a missing key can be told") {
  CHECK(run("{{ .Missing }}", MissingKey::NoValue) == "<no value>");
  CHECK(run("{{ .Missing.x }}", MissingKey::NoValue) ==
        "error: 1:4: nil data; no entry for key \"x\"");
}

TEST_CASE("labels do not become templates") {
  auto parsed = Template::parse("{{ .Name }}", standard_functions());
  REQUIRE(parsed);
  const auto result = parsed->execute(Value(Map{{"Name", Value("{{ .Secret }} ${HOME} %s%n")}}));
  REQUIRE(result);
  CHECK(*result == "{{ .Secret }} ${HOME} %s%n");
}

TEST_CASE("limits: steps, output, memory, depth") {
  const auto starts = [](const std::string& text, const char* wanted) {
    return text.find(wanted) != std::string::npos;
  };
  CHECK(starts(run("{{ range 1000000 }}{{ end }}"), "takes more than 100000 steps"));
  CHECK(starts(run("{{ range 1000 }}{{ range 1000 }}{{ end }}{{ end }}"), "steps"));
  CHECK(starts(run("{{ range 1000 }}" + std::string(100, 'x') + "{{ end }}"),
               "output is over 65536 bytes"));
  CHECK(starts(run("{{ $x := \"x\" }}{{ range 100 }}{{ $x = print $x $x }}{{ end }}"), "steps"));
  CHECK(starts(run("{{ $x := list }}{{ range 100 }}{{ $x = list $x $x }}{{ end }}{{ $x }}"),
               "nested deeper"));
  CHECK(starts(run("{{ $x := list 1 }}{{ range 20 }}{{ $x = list $x $x }}{{ end }}{{ $x }}"),
               "output is over"));
  std::string deep, close;
  for (int i = 0; i < 500; ++i) {
    deep += "{{ if 1 }}";
    close += "{{ end }}";
  }
  CHECK(starts(run(deep + close), "nested too deeply"));
  CHECK(starts(run("{{ " + std::string(5000, '(') + "1" + std::string(5000, ')') + " }}"),
               "nested too deeply"));
  const std::string body =
      "{{ if 1 }}{{ if 1 }}{{ if 1 }}{{ if 1 }}{{ template \"r\" }}"
      "{{ end }}{{ end }}{{ end }}{{ end }}";
  CHECK(starts(run("{{ define \"r\" }}" + body + "{{ end }}{{ template \"r\" }}"), "deep"));
  CHECK(starts(run("{{ range .List }}{{ . }}{{ end }}", MissingKey::Zero, {2, 100}), "2 steps"));
}

}  // namespace
}  // namespace tocsin::gotemplate

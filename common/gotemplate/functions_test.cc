// The functions of Prometheus and Alertmanager. Expectations follow their documentation; the digits
// follow from %.4g and the prefixes.

#include <doctest/doctest.h>

#include <limits>

#include "common/gotemplate/go_time.h"
#include "common/gotemplate/template.h"

namespace tocsin::gotemplate {
namespace {

Value sample(const char* host, double value) {
  return Value(Map{{"Labels", Value(Map{{"host", Value(host)}, {"__value__", Value("v")}})},
                   {"Value", Value(value)}});
}

std::string run(std::string_view text) {
  auto parsed = Template::parse(text, standard_functions());
  if (!parsed) return "parse: " + parsed.error().message;
  const double inf = std::numeric_limits<double>::infinity();
  const Map data{{"Vector", Value(List{sample("web", 2), sample("db", 1)})},
                 {"None", Value(List{})},
                 {"Inf", Value(inf)},
                 {"NegInf", Value(-inf)},
                 {"NaN", Value(std::numeric_limits<double>::quiet_NaN())},
                 {"Labels", key_values({{"b", "2"}, {"a", "1"}, {"alertname", "X"}})},
                 {"At", time_value(base::wall_time(1435065584128))}};
  auto result = parsed->execute(Value(data));
  return result ? *result : "error: " + result.error().message;
}

struct Case {
  const char* text;
  const char* wanted;
};

void check(std::initializer_list<Case> cases) {
  for (const Case& one : cases) {
    const std::string got = run(one.text);
    const std::string wanted = one.wanted;
    CAPTURE(one.text);
    CHECK(got == wanted);
  }
}

TEST_CASE("humanize") {
  check({
      {"{{ humanize 0.0 }} {{ humanize 1.0 }} {{ humanize 999.9 }}", "0 1 999.9"},
      {"{{ humanize 1234567.0 }} {{ humanize 1000.0 }} {{ humanize -2500.0 }}", "1.235M 1k -2.5k"},
      {"{{ humanize 0.12 }} {{ humanize 0.00012 }} {{ humanize 1e-9 }}", "120m 120u 1n"},
      {"{{ humanize .Inf }} {{ humanize .NegInf }} {{ humanize .NaN }}", "+Inf -Inf NaN"},
      {"{{ humanize \"1500\" }} {{ humanize 1500 }}", "1.5k 1.5k"},
      {"{{ humanize \"one\" }}", "error: 1:4: error calling humanize: 'one' is not a number"},
      {"{{ humanize1024 0.0 }} {{ humanize1024 1024.0 }} {{ humanize1024 1536.0 }}", "0 1ki 1.5ki"},
      {"{{ humanize1024 1048576.0 }} {{ humanize1024 1e9 }} {{ humanize1024 0.5 }}",
       "1Mi 953.7Mi 0.5"},
      {"{{ humanizePercentage 0.1234567 }} {{ humanizePercentage 1.0 }} {{ humanizePercentage 0.0 "
       "}}",
       "12.35% 100% 0%"},
      {"{{ humanizePercentage 0.00001 }}", "0.001%"},
  });
}

TEST_CASE("humanizeDuration") {
  check({
      {"{{ humanizeDuration 0.0 }} {{ humanizeDuration 1.0 }} {{ humanizeDuration 60.0 }}",
       "0s 1s 1m 0s"},
      {"{{ humanizeDuration 3600.0 }} {{ humanizeDuration 86400.0 }}", "1h 0m 0s 1d 0h 0m 0s"},
      {"{{ humanizeDuration 93784.9 }}", "1d 2h 3m 4s"},  // 86400 + 7200 + 180 + 4
      {"{{ humanizeDuration 12.34567 }} {{ humanizeDuration 899.99 }}", "12.35s 14m 59s"},
      {"{{ humanizeDuration 0.1 }} {{ humanizeDuration 0.0001 }}", "100ms 100us"},
      {"{{ humanizeDuration -61.0 }} {{ humanizeDuration .Inf }} {{ humanizeDuration .NaN }}",
       "-1m 1s +Inf NaN"},
      {"{{ humanizeDuration 1e300 }}", "106751991167300d 15h 30m 7s"},  // 2^63 - 1 seconds
  });
}

TEST_CASE("times") {
  check({
      {"{{ humanizeTimestamp 1435065584.128 }}", "2015-06-23 13:19:44.128 +0000 UTC"},
      {"{{ humanizeTimestamp 0.0 }}", "1970-01-01 00:00:00 +0000 UTC"},
      {"{{ humanizeTimestamp .Inf }}", "+Inf"},
      {"{{ humanizeTimestamp 1e18 }}",
       "error: 1:4: error calling humanizeTimestamp: 1e+18 cannot be represented as a nanoseconds "
       "timestamp since it overflows int64"},
      {"{{ toTime 1435065584.128 }}", "2015-06-23 13:19:44.128 +0000 UTC"},
      {"{{ (toTime 1435065584.128).Year }}", "2015"},
      {"{{ .At.Format \"2006-01-02T15:04:05Z07:00\" }}", "2015-06-23T13:19:44Z"},
      {"{{ .At.Format \"Mon, 2 Jan 06 3:04 PM MST\" }}", "Tue, 23 Jun 15 1:19 PM UTC"},
      {"{{ date \"15:04:05.000\" .At }} {{ .At.Weekday }} {{ .At.Unix }}",
       "13:19:44.128 Tuesday 1435065584"},
      {"{{ (.At.Add (toDuration 60)).Format \"15:04\" }}", "13:20"},
      {"{{ toDuration 5400 }} {{ toDuration 0.0015 }} {{ toDuration -1.5 }}",
       "1h30m0s 1.5ms -1.5s"},
      {"{{ (toDuration 90).Minutes }}", "1.5"},
      {"{{ parseDuration \"1h30m\" }} {{ parseDuration \"500ms\" }}", "5400 0.5"},
  });
}

TEST_CASE("a time as a place writes it") {
  const base::WallTime at = base::wall_time(1'435'065'584'128);
  CHECK(go_time_format(at, "15:04 MST -0700 -07:00 Z07:00", {7200, "CEST"}) ==
        "15:19 CEST +0200 +02:00 +02:00");
  CHECK(go_time_format(at, "15:04 -0700 -07", {-9000, "NST"}) == "10:49 -0230 -02");
  CHECK(time_value(at, {7200, "CEST"}).to_text() == "2015-06-23 15:19:44.128 +0200 CEST");
}

TEST_CASE("times that are read") {
  check({
      {"{{ (toDate \"2006-01-02\" \"2026-11-23\").Unix }}", "1795392000"},
      {"{{ (mustToDate \"2006-01-02T15:04:05Z07:00\" \"2026-11-23T16:48:35.5+02:00\").UnixMilli }}",
       "1795445315500"},
      {"{{ (toDate \"Mon, 2 Jan 06 3:04 PM MST\" \"Mon, 23 Nov 26 2:48 PM UTC\").Unix }}",
       "1795445280"},
      {"{{ toDate \"2006-01-02\" \"nonsense\" }}", "0001-01-01 00:00:00 +0000 UTC"},
      {"{{ (toDate \"2006-01-02\" \"2026-02-30\").Year }}", "1"},
      {"{{ mustToDate \"2006-01-02\" \"2026-1\" }}",
       "error: 1:4: error calling mustToDate: parsing time '2026-1' as '2006-01-02': cannot parse "
       "'1' as '01'"},
  });
}

TEST_CASE("texts") {
  check({
      {"{{ title \"disk of db1 full\" }} {{ toUpper \"gr\xC3\xBC\xC3\x9F\" }} {{ toLower \"ABC\" "
       "}}",
       "Disk Of Db1 Full GR\xC3\x9C\xC3\x9F abc"},
      {"[{{ trimSpace \" x \" }}]", "[x]"},
      {"{{ reReplaceAll \"(\\\\w+)-(\\\\w+)\" \"$2-$1\" \"ab-cd ef-gh\" }}", "cd-ab gh-ef"},
      {"{{ reReplaceAll \"a(?P<n>b)\" \"<${n}>\" \"abab\" }}", "<b><b>"},
      {"{{ reReplaceAll \"x*\" \"-\" \"axb\" }}", "-a-b-"},
      {"{{ reReplaceAll \"$\" \"!\" \"ab\" }} {{ reReplaceAll \"b\" \"$$1\" \"abc\" }}",
       "ab! a$1c"},
      {"{{ reReplaceAll \"(\" \"\" \"x\" }}",
       "error: 1:4: error calling reReplaceAll: error parsing regexp (: missing ): ("},
      {"{{ match \"a.c\" \"xabcx\" }} {{ match \"^a$\" \"b\" }}", "true false"},
      {"{{ join \", \" (list \"a\" 1) }} {{ stringSlice \"x\" \"y\" | join \"+\" }}", "a, 1 x+y"},
      {"{{ stripPort \"h:80\" }} {{ stripPort \"h\" }} {{ stripPort \"[::1]:80\" }} "
       "{{ stripPort \"::1\" }}",
       "h h ::1 ::1"},
      {"{{ stripDomain \"a.b.c:80\" }} {{ stripDomain \"a.b\" }} {{ stripDomain \"1.2.3.4:80\" }} "
       "{{ stripDomain \"[::1]:80\" }}",
       "a:80 a 1.2.3.4:80 [::1]:80"},
      {"{{ urlQueryEscape \"a b\" }} {{ urlUnescape \"a+b%2F\" }} {{ safeHtml \"<b>\" }}",
       "a+b a b/ <b>"},
      {"{{ urlUnescape \"%4\" }}",
       "error: 1:4: error calling urlUnescape: invalid URL escape \"%4\""},
      {"{{ graphLink \"up == 0\" }}", "/graph?g0.expr=up+%3D%3D+0&g0.tab=0"},
      {"{{ tableLink \"up\" }}", "/graph?g0.expr=up&g0.tab=1"},
      {"{{ toJson (dict \"a\" (list 1 \"x<\" nil true)) }}", "{\"a\":[1,\"x\\u003c\",null,true]}"},
      {"{{ append (list 1) 2 3 }} {{ (dict \"k\" 5).k }}", "[1 2 3] 5"},
  });
}

TEST_CASE("query results") {
  check({
      {"{{ .Vector | first | value }} {{ first .Vector | label \"host\" }}", "2 web"},
      {"{{ range sortByLabel \"host\" .Vector }}{{ .Labels.host }}={{ .Value }} {{ end }}",
       "db=1 web=2 "},
      {"{{ first .Vector | strvalue }}", "v"},
      {"{{ first .None }}",
       "error: 1:4: error calling first: first() called on vector with no elements"},
      {"{{ with args 1 \"b\" }}{{ .arg0 }}{{ .arg1 }}{{ end }}", "1b"},
  });
}

TEST_CASE("labels with methods, as Alertmanager's KV") {
  check({
      {"{{ range .Labels.SortedPairs }}{{ .Name }}={{ .Value }} {{ end }}", "alertname=X a=1 b=2 "},
      {"{{ .Labels.Names | join \",\" }} {{ .Labels.Values | join \",\" }}", "alertname,a,b X,1,2"},
      {"{{ .Labels.SortedPairs.Values | join \" \" }}", "X 1 2"},
      {"{{ range (.Labels.Remove (stringSlice \"a\")).SortedPairs }}{{ .Name }} {{ end }}",
       "alertname b "},
      {"{{ .Labels }}", "map[a:1 alertname:X b:2]"},
      {"{{ len .Labels }} {{ .Labels.b }}", "3 2"},
  });
}

}  // namespace
}  // namespace tocsin::gotemplate

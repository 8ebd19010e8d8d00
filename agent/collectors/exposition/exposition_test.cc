#include "agent/collectors/exposition/exposition.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "common/base/random.h"
#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

using base::ErrorCode;

// One sample in one line: name{a=b,...}=value[@ms][ type][ family].
std::string describe(const ExpositionSample& sample) {
  std::string out(sample.name);
  out += '{';
  for (std::size_t i = 0; i < sample.labels.size(); ++i) {
    if (i > 0) out += ',';
    out += std::string(sample.labels[i].name) + "=" + std::string(sample.labels[i].value);
  }
  out += "}=" + base::format_double(sample.value);
  if (sample.timestamp_ms) out += "@" + std::to_string(*sample.timestamp_ms);
  out += " " + std::string(model::to_string(sample.type));
  if (sample.family != sample.name) out += " of " + std::string(sample.family);
  if (!sample.unit.empty()) out += " in " + std::string(sample.unit);
  if (sample.created) out += " created";
  if (sample.has_exemplar) out += " exemplar";
  return out;
}

struct Read {
  std::vector<std::string> samples;
  std::string error;
  ErrorCode code = ErrorCode::InvalidArgument;
  ExpositionSummary summary;
};

Read read(std::string_view text, ExpositionFormat format, const ExpositionLimits& limits = {}) {
  Read out;
  auto parsed = parse_exposition(text, format, limits, [&](const ExpositionSample& sample) {
    out.samples.push_back(describe(sample));
    return base::ok();
  });
  if (parsed) {
    out.summary = *parsed;
  } else {
    out.error = parsed.error().message;
    out.code = parsed.error().code;
  }
  return out;
}

Read prometheus(std::string_view text) {
  return read(text, ExpositionFormat::Prometheus);
}
Read open(std::string_view text) {
  return read(text, ExpositionFormat::OpenMetrics);
}

struct Good {
  const char* text;
  const char* sample;  // the last one
};
struct Bad {
  const char* text;
  const char* error;
};

}  // namespace

TEST_CASE("Prometheus text: what is accepted") {
  const std::vector<Good> cases = {
      {"up 1\n", "up{}=1 unknown"},
      {"up 1", "up{}=1 unknown"},
      {"  up\t1  \n", "up{}=1 unknown"},
      {"up{} 1\n", "up{}=1 unknown"},
      {"up {a=\"b\"} 1\n", "up{a=b}=1 unknown"},
      {"up{a=\"b\"}1e3\n", "up{a=b}=1000 unknown"},
      {"up{a=\"b\",} 1\n", "up{a=b}=1 unknown"},
      {"up{ a = \"b\" , c=\"d\" } 1 1700000000000\n", "up{a=b,c=d}=1@1700000000000 unknown"},
      {"up 1 -5\n", "up{}=1@-5 unknown"},
      {"a:b:c 0x10\n", "a:b:c{}=16 unknown"},
      {"x +Inf\n", "x{}=+Inf unknown"},
      {"x -inf\n", "x{}=-Inf unknown"},
      {"x NaN\n", "x{}=NaN unknown"},
      {"x .5\n", "x{}=0.5 unknown"},
      {"x 1.7976931348623157e+309\n", "x{}=+Inf unknown"},
      {"x{a=\"q\\\"b\\\\s\\nn\"} 1\n", "x{a=q\"b\\s\nn}=1 unknown"},
      {"x{a=\"c:\\temp\"} 1\n", "x{a=c:\\temp}=1 unknown"},
      {"x{a=\"\"} 1\n", "x{a=}=1 unknown"},
      {"x{a=\"a,b}c#d\"} 1\n", "x{a=a,b}c#d}=1 unknown"},
      {"# TYPE c_total counter\nc_total 7\n", "c_total{}=7 counter"},
      {"# TYPE g untyped\ng 7\n", "g{}=7 unknown"},
      {"#\tTYPE\tg\tgauge \ng 7\n", "g{}=7 gauge"},
      {"# TYPE h histogram\nh_bucket{le=\"+Inf\"} 3\n", "h_bucket{le=+Inf}=3 histogram of h"},
      {"# TYPE h histogram\nh_sum 3\n", "h_sum{}=3 histogram of h"},
      {"# TYPE s summary\ns{quantile=\"0.5\"} 3\n", "s{quantile=0.5}=3 summary"},
      {"# TYPE s summary\ns_count 3\n", "s_count{}=3 summary of s"},
      {"# TYPE s summary\n# TYPE s_count gauge\ns_count 3\n", "s_count{}=3 gauge"},
      {"# just words\n#TYPE x counter\nx 1\n", "x{}=1 unknown"},
      {"#\n\n   \nx 1\n", "x{}=1 unknown"},
      {"# UNIT x seconds\nx 1\n", "x{}=1 unknown"},
      {"# EOF\nx 1\n", "x{}=1 unknown"},
      {"a 1\nb 1\na{x=\"1\"} 2\n", "a{x=1}=2 unknown"},
      {"{\"http.requests\"} 1\n", "http.requests{}=1 unknown"},
      {"{\"http.requests\",\"a.b\"=\"c\",d=\"e\"} 1\n", "http.requests{a.b=c,d=e}=1 unknown"},
      {"# TYPE \"http.requests\" counter\n{\"http.requests\"} 1\n", "http.requests{}=1 counter"},
      {"{\"quo\\\"te\"} 1\n", "quo\"te{}=1 unknown"},
      {"x{a=\"ភ្នំពេញ\"} 1\n", "x{a=ភ្នំពេញ}=1 unknown"},
      {"", ""},
  };
  for (const Good& good : cases) {
    CAPTURE(good.text);
    const Read result = prometheus(good.text);
    CHECK(result.error == "");
    CHECK((result.samples.empty() ? "" : result.samples.back()) == good.sample);
  }
}

TEST_CASE("Prometheus text: what is refused, and where") {
  const std::vector<Bad> cases = {
      {"a 1\nb\n", "line 2: expected a space before the value of 'b'"},
      {"a x\n", "line 1: value 'x' is no number"},
      {"a \n", "line 1: value '' is no number"},
      {"a 1 2 3\n", "line 1: unexpected text at the end: '3'"},
      {"a 1 1.5\n", "line 1: timestamp '1.5' is no integer of milliseconds"},
      {"a 1 99999999999999999999\n",
       "line 1: timestamp '99999999999999999999' is no integer of milliseconds"},
      {"1a 1\n", "line 1: bad metric name '1a'"},
      {"a-b 1\n", "line 1: bad metric name 'a-b'"},
      {"{} 1\n", "line 1: sample without a metric name"},
      {"{a=\"b\"} 1\n", "line 1: sample without a metric name"},
      {"{\"\"} 1\n", "line 1: bad metric name ''"},
      {"a{\"b\"} 1\n", "line 1: expected '=' after the label name 'b'"},
      {"{\"a\",\"b\"} 1\n", "line 1: expected '=' after the label name 'b'"},
      {"a{b} 1\n", "line 1: expected '=' after the label name 'b'"},
      {"a{b=c} 1\n", "line 1: value of label 'b' is not quoted"},
      {"a{b=\"c} 1\n", "line 1: value of label 'b' has no closing quote"},
      {"a{b=\"c\\\"} 1\n", "line 1: value of label 'b' has no closing quote"},
      {"a{b=\"c\" d=\"e\"} 1\n", "line 1: expected ',' or '}' after a label"},
      {"a{b=\"c\"\n", "line 1: expected ',' or '}' after a label"},
      {"a{b=\"c\"}\n", "line 1: expected a space before the value of 'a'"},
      {"a{,} 1\n", "line 1: bad label name ''"},
      {"a{b:c=\"d\"} 1\n", "line 1: bad label name 'b:c'"},
      {"a{b=\"1\",b=\"2\"} 1\n", "line 1: label 'b' is given twice"},
      {"a{__name__=\"b\"} 1\n", "line 1: label '__name__' is reserved for the metric's name"},
      {"# TYPE a counter\n# TYPE a counter\n", "line 2: second TYPE of 'a'"},
      {"# HELP a x\n# HELP a y\n", "line 2: second HELP of 'a'"},
      {"a 1\n# TYPE a counter\n", "line 2: TYPE of 'a' comes after its samples"},
      {"# TYPE a countr\n", "line 1: unknown metric type 'countr' of 'a'"},
      {"# TYPE a\n", "line 1: unknown metric type '' of 'a'"},
      {"# TYPE a gauge x\n", "line 1: unexpected text after the TYPE"},
      {"# TYPE 9 gauge\n", "line 1: bad metric name '9'"},
      {"# TYPE\n", "line 1: TYPE without a metric name"},
      {"# TYPE \"a gauge\n", "line 1: quoted name without its closing quote"},
      {"a 1\r\n", "line 1: carriage return"},
      {"a{b=\"\xc3\"} 1\n", "line 1: not valid UTF-8"},
      {"a 1 # {x=\"y\"} 1\n", "line 1: unexpected text at the end: '# {x=\"y\"} 1'"},
  };
  for (const Bad& bad : cases) {
    CAPTURE(bad.text);
    CHECK(prometheus(bad.text).error == bad.error);
  }
}

TEST_CASE("OpenMetrics: what is accepted") {
  const std::vector<Good> cases = {
      {"# EOF", ""},
      {"# EOF\n", ""},
      {"x 1\n# EOF\n", "x{}=1 unknown"},
      {"x 1 1.5\n# EOF\n", "x{}=1@1500 unknown"},
      {"x 1 1.7e9\n# EOF\n", "x{}=1@1700000000000 unknown"},
      {"# TYPE c counter\nc_total 7\n# EOF\n", "c_total{}=7 counter of c"},
      {"# TYPE c counter\nc_created 1.5\n# EOF\n", "c_created{}=1.5 counter of c created"},
      {"x_created 7\n# EOF\n", "x_created{}=7 unknown"},
      {"# TYPE c_seconds counter\n# UNIT c_seconds seconds\nc_seconds_total 7\n# EOF\n",
       "c_seconds_total{}=7 counter of c_seconds in seconds"},
      {"# UNIT c \nc 7\n# EOF\n", "c{}=7 unknown"},
      {"# TYPE i info\ni_info{v=\"1\"} 1\n# EOF\n", "i_info{v=1}=1 info of i"},
      {"# TYPE s stateset\ns{s=\"on\"} 1\n# EOF\n", "s{s=on}=1 stateset"},
      {"# TYPE h histogram\nh_bucket{le=\"1.0\"} 3 # {id=\"x\"} 0.5 1.25\n# EOF\n",
       "h_bucket{le=1.0}=3 histogram of h exemplar"},
      {"# TYPE c counter\nc_total 3 9 # {} 0.5\n# EOF\n", "c_total{}=3@9000 counter of c exemplar"},
      {"# TYPE g gaugehistogram\ng_gcount 3\n# EOF\n", "g_gcount{}=3 gaugehistogram of g"},
      {"# TYPE s summary\ns{quantile=\"1\"} NaN\n# EOF\n", "s{quantile=1}=NaN summary"},
      {"# TYPE s summary\n# HELP s a \\\"b\\\" \\n c\ns_sum 2\n# EOF\n", "s_sum{}=2 summary of s"},
      {"# TYPE g unknown\ng -1\n# EOF\n", "g{}=-1 unknown"},
      {"{\"a.b\",\"c d\"=\"e\"} 1\n# EOF\n", "a.b{c d=e}=1 unknown"},
  };
  for (const Good& good : cases) {
    CAPTURE(good.text);
    const Read result = open(good.text);
    CHECK(result.error == "");
    CHECK((result.samples.empty() ? "" : result.samples.back()) == good.sample);
  }
}

TEST_CASE("OpenMetrics: what is refused, and where") {
  const std::vector<Bad> cases = {
      {"", "line 1: the text ends without '# EOF'"},
      {"x 1\n", "line 2: the text ends without '# EOF'"},
      {"# EOF\nx 1\n", "line 2: text after '# EOF'"},
      {"# EOF\n\n", "line 2: text after '# EOF'"},
      {"# EOF \n", "line 1: expected HELP, TYPE, UNIT or EOF after '# '"},
      {"\n# EOF\n", "line 1: empty line"},
      {"# words\n# EOF\n", "line 1: expected HELP, TYPE, UNIT or EOF after '# '"},
      {" x 1\n# EOF\n", "line 1: sample without a metric name"},
      {"x  1\n# EOF\n", "line 1: value '' is no number"},
      {"x\t1\n# EOF\n", "line 1: expected a space before the value of 'x'"},
      {"x 1 \n# EOF\n", "line 1: timestamp '' is no number"},
      {"x 1 2 \n# EOF\n", "line 1: unexpected text at the end: ''"},
      {"x 0x1\n# EOF\n", "line 1: value '0x1' is no number"},
      {"x 1 NaN\n# EOF\n", "line 1: timestamp 'NaN' is out of range"},
      {"x{a=\"b\",} 1\n# EOF\n", "line 1: bad label name ''"},
      {"x{ a=\"b\"} 1\n# EOF\n", "line 1: bad label name ''"},
      {"# TYPE c counter\nc 1\n# EOF\n", "line 2: sample 'c' lacks the suffix of its type counter"},
      {"# TYPE c counter\nc_total -1\n# EOF\n", "line 2: counter 'c_total' is negative or NaN"},
      {"# TYPE x untyped\n# EOF\n", "line 1: unknown metric type 'untyped' of 'x'"},
      {"a 1\nb 1\na 2\n# EOF\n", "line 3: family 'a' comes again after another family"},
      {"# HELP a x\n# HELP b x\n# TYPE a gauge\n# EOF\n",
       "line 3: family 'a' comes again after another family"},
      {"a 1\n# HELP a x\n# EOF\n", "line 2: HELP of 'a' comes after its samples"},
      {"# UNIT a seconds\n# EOF\n", "line 1: unit 'seconds' is not the end of the name 'a'"},
      {"# TYPE h histogram\nh_bucket 1\n# EOF\n",
       "line 2: bucket of 'h' without a number in its label 'le'"},
      {"# TYPE s summary\ns 1\n# EOF\n", "line 2: summary 's' without a 'quantile' from 0 to 1"},
      {"# TYPE i info\ni_info 2\n# EOF\n", "line 2: info 'i_info' has another value than 1"},
      {"# TYPE s stateset\ns{s=\"a\"} 2\n# EOF\n",
       "line 2: stateset 's' has another value than 0 and 1"},
      {"# TYPE s stateset\ns{t=\"a\"} 1\n# EOF\n",
       "line 2: stateset 's' lacks the label of its own name"},
      {"x 1 # {} 1\n# EOF\n", "line 1: exemplar on 'x', which is no counter and no bucket"},
      {"# TYPE c counter\nc_total 1 # 1\n# EOF\n", "line 2: expected '{' of the exemplar's labels"},
  };
  for (const Bad& bad : cases) {
    CAPTURE(bad.text);
    CHECK(open(bad.text).error == bad.error);
  }
}

TEST_CASE("an exemplar's labels are limited to 128 characters, not bytes") {
  // 62 two-byte characters + "ab" = 64 characters a label; two labels make 128.
  std::string wide;
  for (int i = 0; i < 62; ++i) wide += "é";
  const auto text = [&](const std::string& extra) {
    return "# TYPE c counter\nc_total 1 # {ab=\"" + wide + "\",cd=\"" + wide + extra +
           "\"} 1\n# EOF\n";
  };
  CHECK(open(text("")).error == "");
  CHECK(open(text("x")).error == "line 2: exemplar labels have 129 characters, limit 128");
}

TEST_CASE("help and unit reach every sample of the family") {
  std::vector<std::string> helps;
  const auto parsed =
      parse_exposition("# HELP a one\\ntwo \\\\ \\x\n# TYPE a summary\na_sum 1\na_count 2\n",
                       ExpositionFormat::Prometheus, {}, [&](const ExpositionSample& sample) {
                         helps.emplace_back(sample.help);
                         return base::ok();
                       });
  REQUIRE(parsed);
  CHECK(helps == std::vector<std::string>{"one\ntwo \\ \\x", "one\ntwo \\ \\x"});
  CHECK(parsed->samples == 2);
  CHECK(parsed->families == 1);
}

TEST_CASE("limits name themselves") {
  ExpositionLimits limits;
  limits.samples_max = 2;
  Read result = read("a 1\nb 1\nc 1\n", ExpositionFormat::Prometheus, limits);
  CHECK(result.error == "line 3: more than 2 samples (samples_max)");
  CHECK(result.code == ErrorCode::LimitExceeded);
  CHECK(result.samples.size() == 2);

  limits = {};
  limits.families_max = 1;
  result = read("a 1\nb 1\n", ExpositionFormat::Prometheus, limits);
  CHECK(result.error == "line 2: more than 1 metric families (families_max)");

  limits = {};
  limits.labels_max = 1;
  result = read("a{b=\"1\",c=\"2\"} 1\n", ExpositionFormat::Prometheus, limits);
  CHECK(result.error == "line 1: more than 1 labels (labels_max)");

  limits = {};
  limits.name_bytes_max = 3;
  CHECK(read("abc 1\n", ExpositionFormat::Prometheus, limits).error == "");
  result = read("abcd 1\n", ExpositionFormat::Prometheus, limits);
  CHECK(result.error == "line 1: metric name 'abcd' is 4 bytes, limit 3");

  limits = {};
  limits.value_bytes_max = 3;
  result = read("a{b=\"1234\"} 1\n", ExpositionFormat::Prometheus, limits);
  CHECK(result.error == "line 1: value of label 'b' is 4 bytes, limit 3");

  limits = {};
  limits.text_bytes_max = 3;
  result = read("a 1\n", ExpositionFormat::Prometheus, limits);
  CHECK(result.error == "exposition is 4 bytes, limit 3 (text_bytes_max)");
}

TEST_CASE("an error of the callback stops and comes back unchanged") {
  int seen = 0;
  const auto parsed = parse_exposition("a 1\nb 1\n", ExpositionFormat::Prometheus, {},
                                       [&](const ExpositionSample&) -> base::Result<void> {
                                         ++seen;
                                         return base::error(ErrorCode::Cancelled, "enough");
                                       });
  REQUIRE_FALSE(parsed);
  CHECK(parsed.error().message == "enough");
  CHECK(seen == 1);
}

TEST_CASE("a long or hostile name is shortened and escaped in messages") {
  const std::string name = std::string(100, 'a') + "\x1b[31m";
  const Read result = prometheus(name + " 1\n");
  CHECK(result.error == "line 1: bad metric name '" + std::string(64, 'a') + "...'");
}

TEST_CASE("every prefix of a text gives an answer, never a crash") {
  const std::string text =
      "# HELP a b\\n\n# TYPE a histogram\na_bucket{le=\"1\\\"\",x=\"y\"} 1 # {id=\"1\"} 2 3\n"
      "{\"q.n\",\"l\"=\"v\"} +Inf 5\n# UNIT s_x x\n# EOF\n";
  for (std::size_t length = 0; length <= text.size(); ++length) {
    static_cast<void>(prometheus(text.substr(0, length)));
    static_cast<void>(open(text.substr(0, length)));
  }
  CHECK(open("x 1\n# EOF").summary.samples == 1);
}

TEST_CASE("one series of a family is a counter, a gauge or unknown") {
  std::vector<model::MetricType> types;
  const auto parsed = parse_exposition(
      "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n"
      "# TYPE s summary\ns{quantile=\"1\"} 1\n# TYPE c counter\nc 1\nu 1\n",
      ExpositionFormat::Prometheus, {}, [&](const ExpositionSample& sample) {
        types.push_back(series_type(sample));
        return base::ok();
      });
  REQUIRE(parsed);
  using model::MetricType;
  CHECK(types == std::vector<MetricType>{MetricType::Counter, MetricType::Unknown,
                                         MetricType::Counter, MetricType::Gauge,
                                         MetricType::Counter, MetricType::Unknown});
}

TEST_CASE("texts damaged at random give an answer") {
  const std::string good =
      "# HELP a b\n# TYPE a histogram\na_bucket{le=\"1\",x=\"y\\n\"} 1 # {id=\"1\"} 2 3\n"
      "a_sum 1 2\n{\"q.n\",\"l\"=\"v\"} +Inf 5\n# EOF\n";
  const std::string letters = "{}\"\\,= #\n\t_1e.NaN\xc3\0aT";
  const auto random = base::make_seeded_random(20261123);
  for (int i = 0; i < 20'000; ++i) {
    std::string text = good;
    for (std::uint64_t changes = 1 + random->below(4); changes > 0; --changes) {
      const std::size_t at = random->below(text.size());
      if (random->below(3) == 0) {
        text.erase(at, 1 + random->below(5));
      } else {
        text[at] = letters[random->below(letters.size())];
      }
    }
    const Read as_prometheus = prometheus(text);
    const Read as_open = open(text);
    CHECK(as_prometheus.error.find('\n') == std::string::npos);
    CHECK(as_open.error.find('\n') == std::string::npos);
  }
}

TEST_CASE("the content type picks the format") {
  CHECK(exposition_format("application/openmetrics-text; version=1.0.0; charset=utf-8") ==
        ExpositionFormat::OpenMetrics);
  CHECK(exposition_format("text/plain; version=0.0.4") == ExpositionFormat::Prometheus);
  CHECK(exposition_format("") == ExpositionFormat::Prometheus);
}

}  // namespace tocsin::agent

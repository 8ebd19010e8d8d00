#include "tests/runners/promql/exceptions.h"

#include <fmt/core.h>

#include <array>

namespace tocsin::promql_runner {
namespace {

constexpr std::string_view kNative = "native histograms are not supported yet";
constexpr std::string_view kTwoNative =
    "fails in Prometheus because load_with_nhcb made two native histograms of one identity; here "
    "there are no native histograms, so nothing is selected";
constexpr std::string_view kCut =
    "artefact: the extraction took the first of two Go strings joined with '+', so the line stops "
    "behind a comma inside the braces";
constexpr std::string_view kSeriesError =
    "artefact: the line is one of those whose error Prometheus expects (nothing follows '=', the "
    "quote is not closed); the extraction did not know that field";

constexpr std::string_view kHistograms = "histograms.give.test";
constexpr std::string_view kParser = "parser-cases.tsv";

constexpr std::array kExceptions{
    Exception{kHistograms,
              "histogram_quantile(0.99, {__name__=~\"request_duration_seconds\\\\d*\"})",
              kTwoNative},
    Exception{kHistograms,
              "histogram_quantiles({__name__=~\"request_duration_seconds\\\\d*\"}, \"q\", 0.99)",
              kTwoNative},
    Exception{"victoria-metrics.yml", "does not parse: unknown function 'histogram_share'",
              "14 expressions in MetricsQL, VictoriaMetrics's own language, not PromQL"},
    Exception{kParser, "{'foo\\'bar', ", kCut},
    Exception{kParser, "{\"http.requests\"=, x=\"y\"}\t\t0+50x2", kSeriesError},
    Exception{kParser, "{\"http.requests}\t\t0+50x2", kSeriesError},
    Exception{kParser, "{} {{}}", kNative},
    Exception{kParser, "{} {{ }}", kNative},
    Exception{kParser,
              "{} {{schema:1  sum:0.3  count:3  z_bucket:7 z_bucket_w:5 buckets:[5 10  7  ] "
              "offset:-3  n_buckets:[4 5]  n_offset:5  counter_reset_hint:gauge  }}",
              kNative},
    Exception{kParser, "{} {{buckets:[5 10 7] schema:1}}x2", kNative},
    Exception{kParser, "{} {{buckets:[5 10 7] schema:1}}x0", kNative},
    Exception{kParser, "{} {{buckets:[5] schema:0}}+{{buckets:[1 2] schema:1}}x2", kNative},
    Exception{kParser, "{} {{buckets:[5 10 7] schema:1}}+{{buckets:[1 2 3] schema:1}}x0", kNative},
    Exception{kParser, "{} {{buckets:[5 10 7] schema:1}}+{{buckets:[1 2 3] schema:0}}x2", kNative},
    Exception{kParser, "{} {{buckets:[5 10 7] schema:1}}", kNative},
    Exception{kParser, "{} {{foo:1}}", kNative},
    Exception{kParser, "{} {{schema :1}}", kNative},
    Exception{kParser, "{} {{schema: 1}}", kNative},
    Exception{kParser, "{} {{ schema:1}}", kNative},
    Exception{kParser, "{} {{counter_reset_hint:foo}}", kNative},
    Exception{kParser, "{} {{counter_reset_hint:unknown}}", kNative},
    Exception{kParser, "{} {{counter_reset_hint:not_reset}}", kNative},
};

}  // namespace

std::span<const Exception> exceptions() {
  return kExceptions;
}

const Exception* ExceptionLog::find(std::string_view file, std::string_view text) {
  for (std::size_t i = 0; i < kExceptions.size(); ++i) {
    if (kExceptions[i].file != file || kExceptions[i].text != text) continue;
    met_.insert(i);
    return &kExceptions[i];
  }
  return nullptr;
}

std::size_t ExceptionLog::report(const std::set<std::string, std::less<>>& files_run) const {
  std::size_t unmet = 0;
  for (std::size_t i = 0; i < kExceptions.size(); ++i) {
    const Exception& exception = kExceptions[i];
    if (!files_run.contains(exception.file)) continue;
    const bool met = met_.contains(i);
    if (!met) ++unmet;
    fmt::print("{} {}: {}\n      {}\n", met ? "expected exception" : "PASSES, remove the exception",
               exception.file, exception.text, exception.reason);
  }
  return unmet;
}

}  // namespace tocsin::promql_runner

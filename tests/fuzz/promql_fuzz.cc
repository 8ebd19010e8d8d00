// Any bytes: parsing must not crash, and what parses must print and parse to the same text again;
// evaluating it over a handful of series must end in a result or an error within its limits.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "alertd/promql/engine.h"
#include "alertd/promql/test_source.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tocsin;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const promql::ParseOptions options{.experimental_functions = true, .duration_expressions = true};
  const promql::Parsed parsed = promql::parse(text, options);
  if (!parsed.expr) {
    if (parsed.errors.empty()) std::abort();
    for (const promql::ParseError& error : parsed.errors) {
      if (error.begin > error.end || error.message.empty()) std::abort();
    }
    return 0;
  }
  const std::string printed = promql::print(*parsed.expr);
  const promql::Parsed again = promql::parse(printed, options);
  if (!again.expr || promql::print(*again.expr) != printed) std::abort();

  promql::TestSource source;
  (void)source.load("15s",
                    "a{x=\"1\"} 0+1x20\na{x=\"2\"} 5 stale 3 NaN Inf\nb_bucket{le=\"1\"} 1 2 3");
  promql::EngineOptions limits;
  limits.samples_max = 20'000;
  const promql::Engine engine(limits);
  (void)engine.instant(source, *parsed.expr, base::wall_time(120'000));
  (void)engine.range(source, *parsed.expr, base::wall_time(0), base::wall_time(120'000),
                     base::Duration{30'000});
  return 0;
}

// Any text as the label or annotation of a rule: it parses or says where not, and if it parses, its
// expansion ends in a text or an error, with queries and nested templates too.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "alertd/promql/test_source.h"
#include "alertd/ruler/rule_template.h"

namespace {

using namespace tocsin;

constexpr std::size_t kOutputMax = 8 << 20;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto error = ruler::check_template(text)) {
    if (error->message.empty() || error->offset > text.size()) std::abort();
    return 0;
  }
  promql::TestSource source;
  (void)source.load("15s", "up{job=\"a\"} 1\nup{job=\"b\"} NaN\nload{host=\"c\"} 2.5");
  promql::EngineOptions limits;
  limits.samples_max = 10'000;
  const promql::Engine engine(limits);
  ruler::TemplateContext context;
  context.query = [&](const std::string& expr) -> base::Result<promql::Vector> {
    const promql::Parsed parsed = promql::parse(expr);
    if (!parsed.expr) return base::error(base::ErrorCode::InvalidArgument, "does not parse");
    TC_TRY(auto result, engine.instant(source, *parsed.expr, base::wall_time(15'000)));
    auto* vector = std::get_if<promql::Vector>(&result.value);
    return vector ? std::move(*vector) : promql::Vector{};
  };
  context.external_url = "https://alerts.example";
  context.now = base::wall_time(1'435'065'584'128);
  const auto parsed = ruler::RuleText::parse(text, context);
  if (!parsed) std::abort();
  const auto labels = promql::parse_noted_series("up{job=\"a\",instance=\"h.example:80\"} 1");
  const auto expanded = parsed->expand({labels->labels, 1234.5});
  if (expanded && expanded->size() > kOutputMax + text.size()) std::abort();
  return 0;
}

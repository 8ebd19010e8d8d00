// Any text as a rule file, TOML if its first byte is even, else YAML: read it as the daemon does,
// and if it is good, evaluate its rules over a few series at three moments.
//
// Diagnostics must point into the text. A rule that was read must be makeable: its templates and
// its expression were checked while reading.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "alertd/promql/series_notation.h"
#include "alertd/ruler/memory_store.h"
#include "alertd/ruler/rule_file.h"
#include "alertd/ruler/rule_runner.h"
#include "common/config/source.h"

namespace {

using namespace tocsin;

void fill(ruler::MemoryStore& store) {
  for (const char* line : {"up{job=\"a\"} 1 1 0 0 1", "load1{host=\"b\"} 1 9 9 9 1",
                           "x_total{host=\"b\",mode=\"c\"} 0 5 3 NaN 9"}) {
    const auto series = promql::parse_noted_series(line);
    if (!series) std::abort();
    for (std::size_t i = 0; i < series->values.size(); ++i) {
      if (series->values[i]) {
        store.add(series->labels, {static_cast<std::int64_t>(i) * 15'000, *series->values[i]});
      }
    }
  }
}

void evaluate(const std::vector<ruler::RuleGroup>& groups) {
  ruler::MemoryStore store;
  fill(store);
  promql::EngineOptions limits;
  limits.samples_max = 20'000;
  const promql::Engine engine(limits);
  ruler::TemplateContext context;
  for (const ruler::RuleGroup& group : groups) {
    for (const ruler::Rule& rule : group.rules) {
      auto runner = ruler::RuleRunner::make(rule, {}, context);
      if (!runner) std::abort();
      for (const std::int64_t at : {0, 30'000, 60'000}) {
        context.now = base::wall_time(at);
        const auto outcome = (*runner)->run(context.now, {engine, store});
        for (const auto& sample : outcome.samples) store.add(sample.labels, sample.sample);
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const bool toml = data[0] % 2 == 0;
  const config::Source source{toml ? "fuzz.toml" : "fuzz.yml",
                              std::string(reinterpret_cast<const char*>(data) + 1, size - 1)};
  const auto files = base::make_real_file_system();
  ruler::RuleFileOptions options;
  options.runbook_base_url = "/runbooks/";
  base::Diagnostics diagnostics;
  const auto groups = ruler::read_rule_file(source, options, *files, diagnostics);
  for (const base::Diagnostic& diagnostic : diagnostics) {
    if (diagnostic.message.empty()) std::abort();
  }
  (void)config::render_all(diagnostics, std::span(&source, 1));
  if (!base::has_errors(diagnostics)) evaluate(groups);
  return 0;
}

// Plays a recording through rule files and prints what their alerts do.
//
//   rules_replay RECORDING RULES...
//
// The recording has one series a line, a value every five seconds from 0 on. Every group is
// evaluated each fifteen seconds, as promtool's tests do with one interval for all, whatever its
// own is. Lines of output, separated by tabs:
//   at SECONDS SERIES VALUE     the series ALERTS and ALERTS_FOR_STATE after that evaluation
//   error GROUP RULE MESSAGE    a rule failed; once for each message
//   template GROUP RULE COUNT   so many labels or annotations could not be expanded

#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "alertd/promql/series_notation.h"
#include "alertd/ruler/memory_store.h"
#include "alertd/ruler/rule_loader.h"
#include "alertd/ruler/rule_runner.h"
#include "common/base/strings.h"
#include "common/config/source.h"

namespace tocsin::ruler {
namespace {

constexpr base::Duration kSampleStep{5'000};
constexpr base::Duration kEvaluationStep{15'000};
constexpr base::Duration kEnd{3'600'000};
constexpr std::size_t kRecordingBytesMax = 256 << 20;

struct PlayedRule {
  const RuleGroup* group;
  std::unique_ptr<RuleRunner> runner;
  std::set<std::string> errors;
  std::size_t template_failures = 0;
};

class Replay {
 public:
  Replay() {
    context_.query = [this](const std::string& expr) -> base::Result<promql::Vector> {
      return query(expr);
    };
  }

  bool load_recording(const std::string& text) {
    bool good = true;
    base::for_each_line(text, [&](std::string_view line) {
      if (line.empty()) return;
      const auto series = promql::parse_noted_series(line);
      if (!series) {
        std::printf("recording: %s\n", series.error().message.c_str());
        good = false;
        return;
      }
      for (std::size_t i = 0; i < series->values.size(); ++i) {
        if (!series->values[i]) continue;
        store_.add(series->labels,
                   {static_cast<std::int64_t>(i) * kSampleStep.count(), *series->values[i]});
      }
    });
    return good;
  }

  bool make_rules(const RuleSet& set) {
    for (const RuleGroup& group : set.groups) {
      RunnerSettings settings;
      settings.interval = kEvaluationStep;
      settings.query_offset = group.query_offset;
      settings.limit = group.limit;
      for (const Rule& rule : group.rules) {
        auto runner = RuleRunner::make(rule, settings, context_);
        if (!runner) {
          std::printf("error\t%s\t%s\t%s\n", group.name.c_str(), rule.name.c_str(),
                      runner.error().message.c_str());
          return false;
        }
        rules_.push_back({&group, std::move(*runner), {}, 0});
      }
    }
    return true;
  }

  void play() {
    for (base::Duration at{0}; at <= kEnd; at += kEvaluationStep) {
      context_.now = base::WallTime(at);
      for (PlayedRule& rule : rules_) evaluate(rule);
      print(at);
    }
    for (const PlayedRule& rule : rules_) {
      const char* group = rule.group->name.c_str();
      const char* name = rule.runner->rule().name.c_str();
      for (const std::string& error : rule.errors) {
        std::printf("error\t%s\t%s\t%s\n", group, name, error.c_str());
      }
      if (rule.template_failures != 0) {
        std::printf("template\t%s\t%s\t%zu\n", group, name, rule.template_failures);
      }
    }
  }

 private:
  base::Result<promql::Vector> query(const std::string& expr) {
    const promql::Parsed parsed = promql::parse(expr);
    if (!parsed.expr) return base::error(base::ErrorCode::InvalidArgument, "does not parse");
    TC_TRY(auto result, engine_.instant(store_, *parsed.expr, context_.now));
    auto* vector = std::get_if<promql::Vector>(&result.value);
    return vector ? std::move(*vector) : promql::Vector{};
  }

  void evaluate(PlayedRule& rule) {
    const RuleOutcome outcome = rule.runner->run(context_.now, {engine_, store_});
    for (const auto& sample : outcome.samples) store_.add(sample.labels, sample.sample);
    if (!outcome.error.empty()) rule.errors.insert(outcome.error);
    rule.template_failures += outcome.template_failures;
  }

  void print(base::Duration at) {
    for (const char* name : {"ALERTS", "ALERTS_FOR_STATE"}) {
      const auto series = query(name);
      if (!series) {
        std::printf("error\t-\t%s\t%s\n", name, series.error().message.c_str());
        continue;
      }
      for (const promql::VectorSample& sample : *series) {
        std::printf("at\t%lld\t%s\t%s\n", static_cast<long long>(at.count() / 1000),
                    sample.labels.to_string().c_str(),
                    base::format_double(sample.sample.value).c_str());
      }
    }
  }

  MemoryStore store_;
  promql::Engine engine_;
  TemplateContext context_;
  std::vector<PlayedRule> rules_;
};

int run(const std::vector<std::string>& arguments) {
  if (arguments.size() < 2) return 2;
  const auto files = base::make_real_file_system();
  const auto recording = files->read(arguments[0], kRecordingBytesMax);
  if (!recording) {
    std::printf("%s\n", recording.error().message.c_str());
    return 1;
  }
  const RuleSet set = load_rules({arguments.begin() + 1, arguments.end()}, {}, *files);
  if (base::has_errors(set.diagnostics)) {
    std::fputs(config::render_all(set.diagnostics, set.sources).c_str(), stdout);
    return 1;
  }
  Replay replay;
  if (!replay.load_recording(*recording) || !replay.make_rules(set)) return 1;
  replay.play();
  return 0;
}

}  // namespace
}  // namespace tocsin::ruler

int main(int argc, char** argv) {
  return tocsin::ruler::run({argv + 1, argv + argc});
}

// Reading the state of alerts back from the series that the last process wrote.
//
// The last sample of each ALERTS_FOR_STATE series says since when a level holds, that of ALERTS
// whether the alert was firing and at which severity. A series that ends with a stale marker ended
// on purpose.

#include <algorithm>
#include <limits>
#include <map>

#include "alertd/ruler/rule_runner.h"

namespace tocsin::ruler {
namespace {

using base::WallTime;
using model::Labels;
using model::LabelsBuilder;

constexpr std::string_view kSeverityLabel = "severity";

struct LastSample {
  Labels labels;
  model::Sample sample;
};

base::Result<std::vector<LastSample>> last_samples(const model::SeriesSource& source,
                                                   const std::string& metric,
                                                   const std::string& alert, WallTime begin,
                                                   WallTime end) {
  const std::vector<model::Matcher> matchers{
      model::Matcher::equal(std::string(model::kMetricName), metric),
      model::Matcher::equal(std::string(model::kAlertName), alert)};
  const std::int64_t begin_ms = base::to_ms(begin);
  const std::int64_t end_ms = base::to_ms(end);
  TC_TRY(const auto set, source.select(matchers, begin_ms, end_ms, {}));
  std::vector<LastSample> last;
  std::vector<model::Sample> samples;
  for (std::size_t i = 0; i < set->size(); ++i) {
    samples.clear();
    TC_TRY(set->samples(i, begin_ms, end_ms, samples));
    if (samples.empty() || model::is_stale(samples.back().value)) continue;
    last.push_back({set->labels(i), samples.back()});
  }
  return last;
}

/// Returns the index of the level, or -1 if the rule no longer has it.
int level_index(const std::vector<Level>& levels, std::string_view severity) {
  for (std::size_t i = 0; i < levels.size(); ++i) {
    if (model::to_string(levels[i].severity) == severity) return static_cast<int>(i);
  }
  return -1;
}

}  // namespace

base::Result<void> RuleRunner::restore(WallTime now, base::Duration tolerance,
                                       const QueryWorld& world, std::span<const model::Alert> told,
                                       std::optional<WallTime> seen_at) {
  if (!state_) return base::ok();
  std::vector<std::string> templated;
  for (const Text& label : labels_) {
    if (!label.text.constant()) templated.push_back(label.name);
  }
  const bool levelled = state_->levelled();
  const WallTime begin = now - tolerance;
  const auto written_at = [&](const LastSample& last) {
    return base::wall_time(last.sample.timestamp_ms) + settings_.query_offset;
  };
  const auto identity = [&](const Labels& series) {
    LabelsBuilder labels(series);
    labels.remove(model::kMetricName).remove("alertstate");
    if (levelled) labels.remove(kSeverityLabel);
    return labels.build();
  };
  const auto key_of = [&](const Labels& labels) {
    LabelsBuilder key(labels);
    for (const std::string& name : templated) key.remove(name);
    return key.build();
  };

  // Another rule may have the same name and other labels: its series are not ours.
  const auto own = [&](const Labels& series) {
    return std::all_of(rule_.labels.begin(), rule_.labels.end(), [&](const NamedText& label) {
      return has_actions(label.text) || series.get(label.name) == label.text;
    });
  };

  for (const model::Alert& alert : told) {
    if (is_ours(alert)) maybe_unsaid_.push_back(alert);
  }

  std::map<Labels, Remembered> remembered;
  TC_TRY(auto since, last_samples(world.source, "ALERTS_FOR_STATE", rule_.name, begin, now));
  std::erase_if(since, [&](const LastSample& last) {
    // Not a time: somebody else's series.
    return !own(last.labels) || !(last.sample.value >= 0 && last.sample.value < 1e12);
  });
  std::vector<Vanished> vanished;
  for (const LastSample& last : since) {
    if (last.labels.has(kNoDataLabel)) {
      const auto at_ms = static_cast<std::int64_t>(last.sample.value * 1000);
      vanished.push_back({identity(last.labels), base::wall_time(at_ms), written_at(last)});
      continue;
    }
    const int level = levelled ? level_index(state_->levels(), last.labels.get(kSeverityLabel)) : 0;
    const double seconds = last.sample.value;
    if (level < 0) continue;
    const Labels labels = identity(last.labels);
    Remembered& entry = remembered[key_of(labels)];
    entry.labels = labels;
    entry.since[static_cast<std::size_t>(level)] =
        base::wall_time(static_cast<std::int64_t>(seconds * 1000));
    entry.down_at = std::max(entry.down_at, written_at(last));
  }
  TC_TRY(auto firing, last_samples(world.source, "ALERTS", rule_.name, begin, now));
  std::erase_if(firing, [&](const LastSample& last) { return !own(last.labels); });
  for (const LastSample& last : firing) {
    if (last.labels.get("alertstate") != "firing" || last.labels.has(kNoDataLabel)) continue;
    const int level = levelled ? level_index(state_->levels(), last.labels.get(kSeverityLabel)) : 0;
    if (level < 0) continue;
    const Labels labels = identity(last.labels);
    Remembered& entry = remembered[key_of(labels)];
    entry.labels = labels;
    entry.firing_level = std::max(entry.firing_level, level);
    entry.down_at = std::max(entry.down_at, written_at(last));
  }
  state_->remember(std::move(remembered), std::move(templated));

  TC_TRY(restore_input(now, world, vanished, seen_at));

  // What the last process wrote and this one does not continue must end with a stale marker.
  for (const auto* list : {&since, &firing}) {
    for (const LastSample& last : *list) written_.push_back(last.labels);
  }
  std::sort(written_.begin(), written_.end());
  return base::ok();
}

base::Result<void> RuleRunner::restore_input(WallTime now, const QueryWorld& world,
                                             std::span<const Vanished> vanished,
                                             std::optional<WallTime> seen_at) {
  if (state_->no_data() != NoData::Alert) return base::ok();
  const promql::ExprPtr& input = state_->levelled() ? rule_.expr : rule_.input;
  std::vector<InputElement> seen;
  if (seen_at && input) {
    TC_TRY(auto result, world.instant(*input, *seen_at - settings_.query_offset, {}));
    if (auto* vector = std::get_if<promql::Vector>(&result.value)) {
      seen = input_elements(std::move(*vector));
    }
  }
  state_->remember_input(now, seen_at.value_or(now), seen, vanished);
  return base::ok();
}

}  // namespace tocsin::ruler

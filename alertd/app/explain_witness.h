// What the ruler, the samples and the notifier know about an alert that nobody was called for.
#pragma once

#include "alertd/notify/notifier.h"
#include "alertd/promql/engine.h"
#include "alertd/ruler/ruler.h"
#include "alertd/story/witness.h"

namespace tocsin::alertd {

struct WitnessWorld {
  const ruler::Ruler& ruler;
  const model::SeriesSource& source;
  const promql::Engine& engine;
  promql::ParseOptions parse;
  notify::Notifier& notifier;
  base::Executor& queries;  ///< Where expressions are evaluated.
};

/// Asks for no more than one rule name's selectors, each at one instant. Thread: any.
class ExplainWitness final : public story::Witness {
 public:
  explicit ExplainWitness(const WitnessWorld& world) : world_(world) {}

  void rules(const model::Labels& labels, std::optional<base::WallTime> at,
             std::function<void(story::RuleSights)> done) override;
  void channels(std::function<void(std::vector<story::ChannelSight>)> done) override;

 private:
  story::RuleSights look(const model::Labels& labels, std::optional<base::WallTime> at) const;
  /// `here`: the rule reads our store, which can be asked for what is missing.
  void look_at_alerts(const ruler::RuleView& rule, const model::Labels& labels, bool here,
                      story::RuleSight& sight) const;
  void look_at_series(const ruler::RuleView& rule, const model::Labels& labels, base::WallTime at,
                      bool here, story::RuleSight& sight) const;
  std::string missing_data(const ruler::RuleView& rule, const model::Labels& labels,
                           base::WallTime at) const;
  std::vector<promql::VectorSample> query(const std::string& expr, base::WallTime at) const;

  WitnessWorld world_;
};

}  // namespace tocsin::alertd

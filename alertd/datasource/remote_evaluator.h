// A rule group's evaluator that asks a datasource.
//
// A rule is evaluated in steps, each of which begins when the answer before it is there: the
// expression; what its templates ask; if the state machine wants to know who is silent, its input;
// then RuleRunner::run_on() as if the engine were ours. What was asked in a round is kept until its
// end, so that equal expressions are asked once.
//
// After a restart the last samples of ALERTS and ALERTS_FOR_STATE come from both places that may
// have them, our store and the engine, the newer one wins: whoever evaluated the group before, here
// or on another daemon, wrote them to either.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "alertd/datasource/datasource.h"
#include "alertd/ruler/memory_store.h"
#include "alertd/ruler/rule_evaluator.h"

namespace tocsin::datasource {

/// Owner: one group, see RuleEvaluator. It lives as long as one of its `done` does.
class RemoteEvaluator final : public ruler::RuleEvaluator {
 public:
  /// `engine` and `local` (our store) outlive it.
  RemoteEvaluator(const ruler::RuleGroup& group, std::shared_ptr<Datasource> datasource,
                  const promql::Engine& engine, const model::SeriesSource& local);

  void begin_round() override EXCLUDES(mutex_);
  void run(ruler::RuleRunner& runner, base::WallTime ts, Cancelled cancelled,
           RunDone done) override;
  base::Result<promql::Vector> query(const std::string& expr, base::WallTime now) override
      EXCLUDES(mutex_);
  void past(const ruler::PastRequest& request, PastDone done) override;

 private:
  using Answer = std::shared_ptr<const base::Result<QueryAnswer>>;
  using Then = std::function<void(const Answer&)>;
  struct Asked {
    Answer answer;  ///< Null: not there yet.
    std::vector<Then> waiting;
  };
  struct Run;
  struct Past;

  void fetch(const std::string& expr, base::WallTime at, const Cancelled& cancelled, Then then)
      EXCLUDES(mutex_);
  base::MonotonicTime deadline_of(base::WallTime round) EXCLUDES(mutex_);
  void evaluated(const std::shared_ptr<Run>& run, const Answer& answer);
  void expand_texts(const std::shared_ptr<Run>& run);
  void look_at_input(const std::shared_ptr<Run>& run);
  std::vector<std::string> texts_wanted(base::WallTime at) EXCLUDES(mutex_);
  void ask_past(const std::shared_ptr<Past>& past);
  void past_known(Past& past);
  base::Result<std::size_t> read_local(const ruler::PastRequest& request,
                                       ruler::MemoryStore& into) const;

  const base::Duration interval_;
  const base::Duration query_offset_;
  const std::shared_ptr<Datasource> datasource_;
  const promql::Engine& engine_;
  const model::SeriesSource& local_;

  base::Mutex mutex_;
  using Key = std::pair<std::string, base::WallTime>;
  std::map<Key, std::shared_ptr<Asked>> asked_ GUARDED_BY(mutex_);
  std::set<std::string> wanted_ GUARDED_BY(mutex_);  ///< By templates, in this round.
  base::WallTime round_ GUARDED_BY(mutex_){};
  base::MonotonicTime deadline_ GUARDED_BY(mutex_){};
};

}  // namespace tocsin::datasource

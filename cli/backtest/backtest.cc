#include "cli/backtest/backtest.h"

#include <algorithm>
#include <map>
#include <memory>
#include <tuple>

#include "cli/backtest/overlay_source.h"
#include "cli/backtest/plan.h"

namespace tocsin::backtest {
namespace {

using base::WallTime;
using Groups = std::vector<ruler::RuleGroup>;

/// One rule set on its way through the replay.
struct Run {
  const Groups* groups = nullptr;
  Plan plan;
  ruler::MemoryStore written;
  std::vector<std::vector<std::unique_ptr<RuleReplay>>> replays;  // by group and rule
  std::unique_ptr<model::SeriesSource> past;                      // made when first needed
  std::unique_ptr<OverlaySource> overlay;

  const ruler::RuleGroup& group(const RuleRef& ref) const { return (*groups)[ref.group]; }
  const ruler::Rule& rule(const RuleRef& ref) const { return group(ref).rules[ref.rule]; }
  RuleReplay& replay(const RuleRef& ref) { return *replays[ref.group][ref.rule]; }
};

/// One question at one row of slots, and everybody who waits for the answers.
struct Job {
  Question question;
  Slots slots;
  base::Duration query_offset{0};
  const ruler::Rule* rule = nullptr;
  std::vector<RuleReplay*> replays;
};

class Replayer {
 public:
  Replayer(History& history, const Settings& settings, const Progress& progress)
      : history_(history), settings_(settings), progress_(progress) {}

  base::Result<void> add(const Groups& groups) {
    auto run = std::make_unique<Run>();
    run->groups = &groups;
    run->plan = make_plan(groups);
    ReplaySettings replay_settings{
        settings_.severity_default, settings_.resend_delay, settings_.external_url, {}};
    replay_settings.query = [this](const std::string& text, WallTime at) {
      return template_query(text, at);
    };
    for (std::size_t g = 0; g < groups.size(); ++g) {
      run->replays.emplace_back();
      const std::size_t slots = slots_of(groups[g], begin(), settings_.to).count;
      for (std::size_t r = 0; r < groups[g].rules.size(); ++r) {
        ruler::MemoryStore* written = run->plan.is_read[g][r] ? &run->written : nullptr;
        TC_TRY(auto replay,
               RuleReplay::make(groups[g].rules[r], groups[g], replay_settings, written));
        run->replays.back().push_back(std::move(replay));
        total_ += slots;
      }
    }
    runs_.push_back(std::move(run));
    return base::ok();
  }

  base::Result<void> play() {
    for (Job& job : collect_jobs()) TC_TRY(play(job, history_));
    for (auto& run : runs_) TC_TRY(play_readers(*run));
    return base::ok();
  }

  std::vector<SetResult> results() {
    std::vector<SetResult> results;
    for (auto& run : runs_) results.push_back(result_of(*run));
    return results;
  }

 private:
  WallTime begin() const { return settings_.from - settings_.warm_up; }

  Job job_of(Run& run, const RuleRef& ref) const {
    const ruler::Rule& rule = run.rule(ref);
    const ruler::RuleGroup& group = run.group(ref);
    return {{rule.expr_text, *rule.expr},
            slots_of(group, begin(), settings_.to),
            group.query_offset,
            &rule,
            {&run.replay(ref)}};
  }

  /// The rules that read no other rule, those with the same question together.
  std::vector<Job> collect_jobs() {
    using Key = std::tuple<std::string, WallTime, base::Duration, base::Duration>;
    std::vector<Job> jobs;
    std::map<Key, std::size_t> known;
    for (auto& run : runs_) {
      for (const Stage& stage : run->plan.stages) {
        if (stage.reads_rules) continue;
        Job job = job_of(*run, stage.rules.front());
        const auto [it, added] =
            known.emplace(Key{promql::print(job.question.expr), job.slots.begin, job.slots.step,
                              job.query_offset},
                          jobs.size());
        if (added) {
          jobs.push_back(std::move(job));
        } else {
          jobs[it->second].replays.push_back(job.replays.front());
        }
      }
    }
    return jobs;
  }

  /// The rules that read what others of their set write, in order, over those results.
  base::Result<void> play_readers(Run& run) {
    for (const Stage& stage : run.plan.stages) {
      if (!stage.reads_rules) continue;
      if (!run.overlay) TC_TRY(make_overlay(run));
      const auto local = make_local_history(engine_, *run.overlay, history_.name());
      if (stage.slot_by_slot) {
        TC_TRY(play_together(run, stage, *local));
      } else {
        Job job = job_of(run, stage.rules.front());
        TC_TRY(play(job, *local));
      }
    }
    return base::ok();
  }

  base::Result<void> make_overlay(Run& run) {
    std::vector<Need> needs;
    Shadow shadow;
    shadow.since = begin();
    for (const Stage& stage : run.plan.stages) {
      for (const RuleRef& ref : stage.rules) {
        const ruler::Rule& rule = run.rule(ref);
        const bool recording = rule.kind == ruler::RuleKind::Recording;
        (recording ? shadow.recordings : shadow.alerts).insert(rule.name);
        if (!stage.reads_rules) continue;
        const base::Duration offset = run.group(ref).query_offset;
        for (const auto& expr : {rule.expr, rule.input}) {
          if (!expr) continue;
          auto more = needs_of(*expr, begin() - offset, settings_.to - offset);
          std::move(more.begin(), more.end(), std::back_inserter(needs));
        }
      }
    }
    TC_TRY(run.past, history_.samples(needs));
    run.overlay = std::make_unique<OverlaySource>(*run.past, run.written, std::move(shadow));
    return base::ok();
  }

  /// Asks for as many slots at once as the answers allow, down to one where the query fails.
  base::Result<void> play(Job& job, History& history) {
    const History::Portions portions = history.portions();
    const bool one_by_one = depends_on_range(job.question.expr);
    std::size_t portion = one_by_one ? 1 : portions.slots_first;
    std::size_t failures = 0;
    for (std::size_t done = 0; done < job.slots.count;) {
      const Slots slots = job.slots.part(done, std::min(portion, job.slots.count - done));
      const Slots instants{slots.begin - job.query_offset, slots.step, slots.count};
      auto answer = ask(job.question, instants, history);
      if (!answer) {
        const base::Error& error = answer.error();
        if (error.code == base::ErrorCode::Unavailable) return error;
        if (slots.count > 1) {
          portion = slots.count / 2;
          continue;
        }
        fail(job, slots, error);
        if (++failures == portions.failures_max) {
          give_up(job, slots.begin, failures, error);
          count(job, job.slots.count - done);
          return base::ok();
        }
      } else {
        failures = 0;
        feed(job, slots, *answer, history);
      }
      done += slots.count;
      count(job, slots.count);
      if (one_by_one || !answer) continue;
      portion = next_portion(slots.count, *answer, portions);
    }
    return base::ok();
  }

  static base::Result<promql::Matrix> ask(const Question& question, const Slots& instants,
                                          History& history) {
    if (instants.count > 1) return history.range(question, instants);
    TC_TRY(auto vector, history.instant(question, instants.begin));
    promql::Matrix matrix;
    for (promql::VectorSample& element : vector) {
      element.sample.timestamp_ms = base::to_ms(instants.begin);
      matrix.push_back({std::move(element.labels), {element.sample}});
    }
    return matrix;
  }

  static std::size_t next_portion(std::size_t slots, const promql::Matrix& matrix,
                                  const History::Portions& portions) {
    std::size_t points = 1;
    for (const promql::MatrixSeries& series : matrix) points += series.samples.size();
    const double factor =
        std::min(static_cast<double>(portions.points_wanted) / static_cast<double>(points), 8.0);
    const auto wanted = static_cast<std::size_t>(static_cast<double>(slots) * factor);
    return std::clamp<std::size_t>(wanted, 1, portions.slots_max);
  }

  static void feed(const Job& job, const Slots& slots, const promql::Matrix& matrix,
                   History& history) {
    for (RuleReplay* replay : job.replays) {
      const ruler::Rule& rule = replay->rule();
      const InputRange input = [&](const Slots& instants) -> base::Result<promql::Matrix> {
        const std::string text = promql::print(*rule.input);
        return ask({text, *rule.input}, instants, history);
      };
      replay->feed(matrix, slots, input);
    }
  }

  static void fail(const Job& job, const Slots& slots, const base::Error& error) {
    for (RuleReplay* replay : job.replays) replay->step(slots.begin, error, {});
  }

  static void give_up(const Job& job, WallTime at, std::size_t failures, const base::Error& error) {
    for (RuleReplay* replay : job.replays) {
      replay->give_up("failed " + std::to_string(failures) + " times in a row up to " +
                      base::format_rfc3339(at) + ": " + error.message);
    }
  }

  /// Rules that read in a circle: in order of time, then group, then rule, each over what is
  /// written so far.
  base::Result<void> play_together(Run& run, const Stage& stage, History& history) {
    struct Turn {
      WallTime at;
      RuleRef ref;
    };
    std::vector<Turn> turns;
    for (const RuleRef& ref : stage.rules) {
      const Slots slots = slots_of(run.group(ref), begin(), settings_.to);
      for (std::size_t i = 0; i < slots.count; ++i) turns.push_back({slots.at(i), ref});
    }
    std::sort(turns.begin(), turns.end(), [](const Turn& a, const Turn& b) {
      return std::tie(a.at, a.ref) < std::tie(b.at, b.ref);
    });
    for (const Turn& turn : turns) {
      const ruler::Rule& rule = run.rule(turn.ref);
      const WallTime at = turn.at - run.group(turn.ref).query_offset;
      run.replay(turn.ref).step(turn.at, history.instant({rule.expr_text, *rule.expr}, at), [&] {
        return history.instant({rule.expr_text, *rule.input}, at);
      });
      report(1);
    }
    return base::ok();
  }

  base::Result<promql::Vector> template_query(const std::string& text, WallTime at) {
    const promql::Parsed parsed = promql::parse(text, settings_.parse);
    if (!parsed.expr) {
      return base::error(base::ErrorCode::InvalidArgument, parsed.errors.front().message);
    }
    return history_.instant({text, *parsed.expr}, at);
  }

  void count(const Job& job, std::size_t slots) { report(slots * job.replays.size()); }
  void report(std::size_t evaluations) {
    done_ += evaluations;
    if (progress_) progress_(done_, total_);
  }

  SetResult result_of(Run& run) {
    SetResult result;
    for (auto& group : run.replays) {
      for (auto& replay : group) {
        result.rules.push_back(replay->finish(result.handed));
        std::erase_if(result.rules.back().firings, [&](const Firing& firing) {
          return firing.end && *firing.end < settings_.from;
        });
      }
    }
    std::stable_sort(result.handed.begin(), result.handed.end(),
                     [](const HandOver& a, const HandOver& b) { return a.at < b.at; });
    for (const ruler::RuleGroup& group : *run.groups) {
      if (!group.on_data) continue;
      result.notes.push_back("group '" + group.name +
                             "' is evaluated when data arrives; here, every " +
                             base::format_duration(group.interval));
    }
    return result;
  }

  History& history_;
  const Settings& settings_;
  const Progress& progress_;
  const promql::Engine engine_;
  std::vector<std::unique_ptr<Run>> runs_;
  std::size_t done_ = 0;
  std::size_t total_ = 0;
};

}  // namespace

std::size_t SetResult::evaluations() const {
  std::size_t sum = 0;
  for (const RuleResult& rule : rules) sum += rule.evaluations;
  return sum;
}

std::size_t SetResult::firings() const {
  std::size_t sum = 0;
  for (const RuleResult& rule : rules) sum += rule.firings.size();
  return sum;
}

base::Result<std::vector<SetResult>> run_backtest(const std::vector<Groups>& sets, History& history,
                                                  const Settings& settings,
                                                  const Progress& progress) {
  if (settings.to < settings.from) {
    return base::error(base::ErrorCode::InvalidArgument, "the end is before the beginning");
  }
  Replayer replayer(history, settings, progress);
  for (const Groups& groups : sets) TC_TRY(replayer.add(groups));
  TC_TRY(replayer.play());
  return replayer.results();
}

base::Duration longest_hold(const Groups& groups) {
  base::Duration longest{0};
  for (const ruler::RuleGroup& group : groups) {
    for (const ruler::Rule& rule : group.rules) {
      for (const ruler::Level& level : rule.levels) {
        longest = std::max(longest, level.hold_for + level.keep_firing_for + group.interval);
      }
    }
  }
  return longest;
}

}  // namespace tocsin::backtest

// Rules from a git repository, as the daemon sees them: judged by the reader of rule files, put in
// force by a load, and what went wrong told as an alert like any other.
//
// The alerts are made here and not by a rule, because they carry what a metric cannot: the error's
// text with file, line and column, and whose commit it was. They are level-triggered like those of
// the ruler: handed over again and again while they hold, resolved once they do not.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "alertd/app/self_alerts.h"
#include "alertd/app/settings.h"
#include "alertd/rulegit/follower.h"
#include "common/model/alert.h"

namespace tocsin::alertd {

/// What a broken repository is told with; all of it outlives the executors' last task.
struct RulesGitWorld {
  rulegit::FollowerWorld follower;
  model::AlertSink& sink;
  std::string host_name;
};

/// Thread: status(), provenance_of() and annotate() from any; the rest from `main`, prepare()
/// before it has work.
class RulesGit {
 public:
  /// `settings` has rules_git; of it are taken the reader's options and the local rule paths.
  RulesGit(const Settings& settings, const RulesGitWorld& world);

  /// Errors: Io. See rulegit::Follower::prepare.
  base::Result<void> prepare() { return follower_.prepare(); }

  /// `load` puts the rules in force that the paths hold now.
  void start(base::Task load);
  void stop();

  /// Looks at the branch now; `done` runs on `main`, when a new commit is in force or refused.
  void fetch_now(base::Task done) { follower_.fetch_now(std::move(done)); }

  /// Takes new credentials and limits; see rulegit::Follower::renew.
  void renew(const rulegit::GitSettings& settings) { follower_.renew(settings); }

  std::string rules_folder() const { return follower_.rules_folder(); }
  rulegit::FollowerStatus status() const { return follower_.status(); }

  /// "main at 1a2b3c4d5e by Ann, 2h old: subject", and what is wrong if something is.
  std::string describe(base::WallTime now) const;
  bool healthy() const;

  /// Returns what fires now about the repository itself.
  std::vector<model::Alert> alerts() const;

  /// Returns who last changed the rule at `source`, which is "file:line".
  std::optional<ruler::Provenance> provenance_of(const std::string& source) const;

 private:
  base::Result<void> check(const std::string& folder) const;
  void tell();
  void repeat();
  void poll_local();
  model::Alert alert(std::string_view name, model::Severity severity, base::WallTime since) const;

  RulesGitWorld world_;
  ruler::RuleFileOptions options_;
  std::string path_;  ///< Of the rules inside the repository, for messages.
  std::vector<std::string> local_paths_;
  base::Duration local_poll_;
  std::uint64_t local_fingerprint_ = 0;
  rulegit::Follower follower_;
  base::Task load_;
  std::atomic<bool> stopped_{false};
  base::WallTime started_at_;
  SelfAlerts told_;
};

/// The annotations that tell where a rule comes from.
inline constexpr const char* kRuleCommit = "rule_commit";
inline constexpr const char* kRuleAuthor = "rule_author";
inline constexpr const char* kRuleSubject = "rule_subject";

/// Returns `annotations` with the three above; they are no part of an alert's identity, so that a
/// new commit neither splits an incident nor tells anybody anew.
model::Labels with_provenance(const model::Labels& annotations, const ruler::Provenance& from);

/// Puts where the rule comes from on every alert that passes.
class ProvenanceSink final : public model::AlertSink {
 public:
  ProvenanceSink(model::AlertSink& next, const RulesGit& rules) : next_(next), rules_(rules) {}
  void post(std::vector<model::Alert> alerts) override;

 private:
  model::AlertSink& next_;
  const RulesGit& rules_;
};

}  // namespace tocsin::alertd

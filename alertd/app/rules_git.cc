#include "alertd/app/rules_git.h"

#include <fmt/core.h>

#include "alertd/ruler/rule_loader.h"
#include "common/base/log.h"
#include "common/base/strings.h"
#include "common/config/source.h"

namespace tocsin::alertd {
namespace {

constexpr base::Duration kRepeat{60'000};
constexpr base::Duration kValid{5 * 60'000};
constexpr std::size_t kErrorBytesMax = 3000;
constexpr std::size_t kErrorsMax = 8;

/// Messages name files as people know them: by their place in the repository.
std::string in_repository(std::string text, const std::string& folder, const std::string& path) {
  const std::string from = folder + "/";
  const std::string to = path.empty() ? "" : path + "/";
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at)) {
    text.replace(at, from.size(), to);
    at += to.size();
  }
  return text;
}

std::string shortened(std::string text) {
  if (text.size() <= kErrorBytesMax) return text;
  text.resize(kErrorBytesMax);
  while (!text.empty() && !base::is_utf8(text)) text.pop_back();
  return text + "\n... (more in the log)";
}

/// Every mistake on a line of its own, without excerpts: those are in the log.
std::string in_short(const base::Diagnostics& errors) {
  std::string text;
  for (std::size_t i = 0; i < errors.size() && i < kErrorsMax; ++i) {
    const base::Diagnostic& one = errors[i];
    text += fmt::format("{}{}:{}:{}: {}", i == 0 ? "" : "\n", one.file, one.line, one.column,
                        one.message);
    if (!one.hint.empty()) text += fmt::format(" ({})", one.hint);
  }
  if (errors.size() > kErrorsMax) text += fmt::format("\nand {} more", errors.size() - kErrorsMax);
  return text;
}

std::string first_line(std::string_view text) {
  return std::string(text.substr(0, text.find('\n')));
}

std::string age(base::WallTime now, base::WallTime then) {
  if (now < then) return "0s";
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - then);
  if (seconds < std::chrono::minutes(2)) return base::format_duration(seconds);
  if (seconds < std::chrono::hours(2)) {
    return base::format_duration(std::chrono::duration_cast<std::chrono::minutes>(seconds));
  }
  const auto hours = std::chrono::duration_cast<std::chrono::hours>(seconds);
  return hours < std::chrono::hours(48) ? base::format_duration(hours)
                                        : fmt::format("{}d", hours.count() / 24);
}

std::string named(const rulegit::Commit& commit) {
  return commit.author.empty()
             ? rulegit::short_id(commit.id)
             : fmt::format("{} by {}", rulegit::short_id(commit.id), commit.author);
}

}  // namespace

RulesGit::RulesGit(const Settings& settings, const RulesGitWorld& world)
    : world_(world),
      options_(settings.rule_files),
      path_(settings.rules_git->path),
      local_paths_(settings.rule_paths),
      local_poll_(settings.rule_poll_interval),
      follower_(*settings.rules_git, base::join_path(settings.data_folder, "rules-git"),
                world.follower,
                {.check = [this](const std::string& folder) { return check(folder); },
                 .activated =
                     [this] {
                       if (load_) load_();
                     },
                 .changed = [this] { tell(); }}),
      started_at_(world.follower.main.clock().wall()) {}

base::Result<void> RulesGit::check(const std::string& folder) const {
  std::vector<std::string> paths{folder};
  const ruler::CheckResult own = ruler::check_rule_paths(paths, options_, world_.follower.files);
  base::Diagnostics errors;
  for (const base::Diagnostic& diagnostic : own.diagnostics) {
    if (diagnostic.severity == base::DiagnosticSeverity::Error) errors.push_back(diagnostic);
  }
  if (!errors.empty()) {
    base::log_error("alertd/rulegit", "what is wrong with the rules:\n{}",
                    in_repository(config::render_all(errors, own.sources), folder, path_));
    return base::error(base::ErrorCode::InvalidArgument,
                       in_repository(in_short(errors), folder, path_));
  }
  // Somebody moved the folder, or emptied it: all alerts would end, and nobody would be told.
  if (own.alerting_rules + own.recording_rules == 0) {
    return base::error(base::ErrorCode::InvalidArgument,
                       fmt::format("there is no rule in '{}'; give the folder of the rule files as "
                                   "path of [rules.git]",
                                   path_.empty() ? "/" : path_));
  }
  return base::ok();
}

void RulesGit::start(base::Task load) {
  load_ = std::move(load);
  local_fingerprint_ = ruler::rules_fingerprint(local_paths_, world_.follower.files);
  follower_.start();
  world_.follower.main.post([this] { repeat(); });
  if (local_poll_ > base::Duration{0} && !local_paths_.empty()) {
    world_.follower.main.post_after(local_poll_, [this] { poll_local(); });
  }
}

void RulesGit::stop() {
  stopped_ = true;
  follower_.stop();
}

void RulesGit::repeat() {
  if (stopped_) return;
  tell();
  world_.follower.main.post_after(kRepeat, [this] { repeat(); });
}

// The ruler itself does not poll while a repository is followed: it could read the folder while it
// is being switched, one half old and one half new.
void RulesGit::poll_local() {
  if (stopped_) return;
  const std::uint64_t found = ruler::rules_fingerprint(local_paths_, world_.follower.files);
  if (found != 0 && found != local_fingerprint_) {
    local_fingerprint_ = found;
    load_();
  }
  world_.follower.main.post_after(local_poll_, [this] { poll_local(); });
}

model::Alert RulesGit::alert(std::string_view name, model::Severity severity,
                             base::WallTime since) const {
  const base::WallTime now = world_.follower.main.clock().wall();
  const rulegit::FollowerStatus status = follower_.status();
  model::Alert alert;
  alert.labels = model::LabelsBuilder()
                     .set(model::kAlertName, name)
                     .set("severity", model::to_string(severity))
                     .set("job", "tocsin-alertd")
                     .set("host", world_.host_name)
                     .set("instance", world_.host_name)
                     .set("branch", status.branch)
                     .build();
  alert.severity = severity;
  alert.starts_at = since;
  alert.updated_at = now;
  alert.valid_until = now + kValid;
  return alert;
}

std::vector<model::Alert> RulesGit::alerts() const {
  std::vector<model::Alert> result;
  const rulegit::FollowerStatus status = follower_.status();
  if (status.refused) {
    const rulegit::Commit& commit = status.refused->commit;
    model::Alert refused =
        alert("RulesCommitRefused", model::Severity::High, status.refused->since);
    // The next broken commit is another alert: it may be somebody else's, with another mistake.
    refused.labels =
        model::LabelsBuilder(refused.labels).set("commit", rulegit::short_id(commit.id)).build();
    refused.annotations =
        model::LabelsBuilder()
            .set("summary", fmt::format("rules of commit {} are refused: {}", named(commit),
                                        first_line(status.refused->error)))
            .set("description",
                 fmt::format("{}\n\ncommit {}\nauthor {}\nsubject {}\n{}",
                             shortened(status.refused->error), commit.id, commit.author,
                             commit.subject,
                             status.active ? "In force stays " + named(*status.active) + "."
                                           : "No rules of the repository are in force."))
            .set("runbook_url",
                 options_.runbook_base_url + "rules-commit-refused" + options_.runbook_suffix)
            .set(kRuleCommit, commit.id)
            .set(kRuleAuthor, commit.author)
            .set(kRuleSubject, commit.subject)
            .build();
    result.push_back(std::move(refused));
  } else if (!status.active) {
    model::Alert missing =
        alert("RulesRepositoryUnavailable", model::Severity::Critical, started_at_);
    missing.annotations =
        model::LabelsBuilder()
            .set("summary",
                 "no rules of the repository are in force: " + first_line(status.fetch_error))
            .set("description",
                 fmt::format("{}\n\nbranch {} of {}: it was never fetched, and there is no older "
                             "copy on this host.",
                             shortened(status.fetch_error), status.branch, status.url))
            .set("runbook_url",
                 options_.runbook_base_url + "rules-repository-silent" + options_.runbook_suffix)
            .build();
    result.push_back(std::move(missing));
  }
  return result;
}

void RulesGit::tell() {
  std::vector<model::Alert> out = told_.step(alerts(), world_.follower.main.clock().wall());
  if (!out.empty()) world_.sink.post(std::move(out));
}

bool RulesGit::healthy() const {
  const rulegit::FollowerStatus status = follower_.status();
  return status.active && !status.refused && status.fetch_error.empty();
}

std::string RulesGit::describe(base::WallTime now) const {
  const rulegit::FollowerStatus status = follower_.status();
  std::string text = status.branch + ": nothing in force";
  if (status.active) {
    text = fmt::format("{} at {}, {} old: {}", status.branch, named(*status.active),
                       age(now, status.active->at), status.active->subject);
  }
  if (status.refused) {
    text += fmt::format("; refused {}: {}", named(status.refused->commit),
                        first_line(status.refused->error));
  }
  if (!status.fetch_error.empty()) text += "; " + first_line(status.fetch_error);
  if (!status.not_read.empty()) {
    text += fmt::format("; not read: {} files in folders below path, such as {}",
                        status.not_read.size(), base::escape_control(status.not_read.front()));
  }
  return text;
}

std::optional<ruler::Provenance> RulesGit::provenance_of(const std::string& source) const {
  const auto index = follower_.provenance();
  const std::size_t colon = source.rfind(':');
  if (!index || colon == std::string::npos) return std::nullopt;
  const auto line = base::parse_u64(std::string_view(source).substr(colon + 1));
  if (!line) return std::nullopt;
  return index->of_rule(source.substr(0, colon), *line);
}

model::Labels with_provenance(const model::Labels& annotations, const ruler::Provenance& from) {
  return model::LabelsBuilder(annotations)
      .set(kRuleCommit, from.commit)
      .set(kRuleAuthor, from.author)
      .set(kRuleSubject, from.subject)
      .build();
}

void ProvenanceSink::post(std::vector<model::Alert> alerts) {
  for (model::Alert& alert : alerts) {
    if (alert.rule_source.empty()) continue;
    if (const auto from = rules_.provenance_of(std::string(alert.rule_source))) {
      alert.annotations = with_provenance(alert.annotations, *from);
    }
  }
  next_.post(std::move(alerts));
}

}  // namespace tocsin::alertd

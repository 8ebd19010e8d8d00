#include "agent/backup/backup_work.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/backup/backup_files.h"
#include "agent/backup/restore_drill.h"
#include "common/base/random.h"

namespace tocsin::agent {

using base::Result;

namespace {

constexpr base::Duration kForVerdict{2'000};

Result<BackupItem> newest_of(const BackupSet& set, const base::FileSystem& files,
                             base::WallTime now) {
  BackupFiles look(set, files);
  const BackupLook found = look.look(now);
  if (!found.items.empty()) return found.items.front();
  if (!found.failed.empty()) return found.failed.front();
  return base::error(base::ErrorCode::NotFound,
                     fmt::format("set '{}' has no finished backup", set.name));
}

void add_line(std::string& text, const std::string& line) {
  if (line.empty()) return;
  if (!text.empty()) text += '\n';
  text += line;
}

class VerifyWork final : public TaskWork {
 public:
  VerifyWork(BackupSettings settings, std::vector<std::string> sets, VerifyLevel level)
      : settings_(std::move(settings)), sets_(std::move(sets)), level_(level) {}

  Result<TaskOutcome> run(TaskContext& context) override {
    TaskOutcome outcome;
    std::string wrong;
    double bytes = 0;
    double good = 0;
    for (const std::string& name : sets_) {
      TC_TRY(context.check());
      const BackupSet& set = *settings_.find(name);
      const auto newest = newest_of(set, context.files, context.clock.wall());
      if (!newest) {
        add_line(wrong, fmt::format("{}: {}", name, newest.error().message));
        continue;
      }
      if (context.dry_run) {
        add_line(outcome.evidence,
                 fmt::format("{}: would verify '{}', {} bytes, to level {}", name, newest->path,
                             newest->size_bytes, to_string(level_)));
        continue;
      }
      TC_TRY(const std::string line, verify(set, *newest, context, bytes, wrong));
      if (!line.empty()) ++good;
      add_line(outcome.evidence, line);
    }
    if (!wrong.empty()) return base::error(base::ErrorCode::Corruption, wrong);
    outcome.numbers = {{"backups_verified", good}, {"bytes_read", bytes}};
    return outcome;
  }

 private:
  /// Returns a line of evidence; empty if the backup is not good, which is in `wrong` then.
  Result<std::string> verify(const BackupSet& set, const BackupItem& item, TaskContext& context,
                             double& bytes, std::string& wrong) {
    const VerifyWorld world{context.files, context.clock, [&context] { return context.check(); }};
    TC_TRY(const BackupVerdict verdict,
           verify_backup(verify_request(set, item.path, level_), world));
    bytes += static_cast<double>(verdict.bytes_read);
    BackupStates states(context.files, settings_.state_folder);
    VerifyState state = states.load_verify(set.name);
    state.path = item.path;
    state.modified_ms = base::to_ms(item.modified);
    state.size = item.size_bytes;
    record_verdict(state, verdict, context.clock.wall());
    TC_TRY(states.save(set.name, state));
    if (verdict.found) {
      add_line(wrong, fmt::format("{}: '{}': {} ({})", set.name, item.path, verdict.found->text,
                                  verdict.found->reason));
      return std::string();
    }
    return fmt::format("{}: '{}' is good to level {}: {}{}{}", set.name, item.path,
                       to_string(verdict.level), verdict.what, verdict.note.empty() ? "" : "; ",
                       verdict.note);
  }

  BackupSettings settings_;
  std::vector<std::string> sets_;
  VerifyLevel level_;
};

class DrillWork final : public TaskWork {
 public:
  DrillWork(BackupSettings settings, std::string set, std::string target)
      : settings_(std::move(settings)), set_(std::move(set)), target_(std::move(target)) {}

  Result<TaskOutcome> run(TaskContext& context) override {
    const BackupSet& set = *settings_.find(set_);
    TC_TRY(const BackupItem item, newest_of(set, context.files, context.clock.wall()));
    const DrillRequest request{set, item.path, item.size_bytes, item.at, target_};
    TaskOutcome outcome;
    if (context.dry_run) {
      if (Found bad = plan_drill(request, context.files, outcome.evidence)) {
        return base::error(base::ErrorCode::InvalidArgument, bad->text);
      }
      return outcome;
    }
    BackupStates states(context.files, settings_.state_folder);
    const auto own_end = context.clock.monotonic() + set.drill->duration_max;
    DrillWorld world{context.files, context.clock, context.run_command,
                     std::min(context.deadline - kForVerdict, own_end),
                     [&context] { return context.check(); }};
    const std::unique_ptr<base::Random> random = base::make_real_random();
    TC_TRY(const DrillState state, run_drill(request, states.load_drill(set.name), *random, world));
    if (!state.ok && is_obstacle(state.reason)) {
      outcome.skipped = TaskSkip{state.reason, state.text};
      return outcome;
    }
    TC_TRY(states.save(set.name, state));
    if (!state.ok) {
      return base::error(base::ErrorCode::Corruption,
                         fmt::format("'{}': {} ({})", item.path, state.text, state.reason));
    }
    outcome.evidence = fmt::format("'{}': {}", item.path, state.text);
    outcome.numbers = {{"tables", static_cast<double>(state.tables)},
                       {"rto_seconds", state.rto_seconds},
                       {"rpo_seconds", state.rpo_seconds},
                       {"duration_seconds", state.duration_seconds}};
    return outcome;
  }

 private:
  BackupSettings settings_;
  std::string set_;
  std::string target_;
};

std::function<std::unique_ptr<TaskWork>()> read_verify(const BackupSettings& settings,
                                                       config::Table& options) {
  std::vector<std::string> sets = options.strings("sets");
  if (sets.empty()) {
    for (const BackupSet& set : *settings.sets) {
      if (!set.paths.empty()) sets.push_back(set.name);
    }
  }
  if (sets.empty()) options.error("sets", "there is no [[backup]] whose files could be verified");
  for (const std::string& name : sets) {
    const BackupSet* set = settings.find(name);
    if (set == nullptr || set->paths.empty()) {
      options.error("sets", fmt::format("'{}' is no [[backup]] of files", name));
    }
  }
  const VerifyLevel level =
      *parse_verify_level(options.one_of("level", "structure", {"size", "structure", "checksum"}));
  return [settings, sets, level] { return std::make_unique<VerifyWork>(settings, sets, level); };
}

std::function<std::unique_ptr<TaskWork>()> read_drill_work(const BackupSettings& settings,
                                                           config::Table& options) {
  const std::string name = options.required_string("set");
  const std::string target = options.string("target", "");
  const BackupSet* set = settings.find(name);
  if (set == nullptr || !set->drill) {
    options.error("set", fmt::format("there is no [[backup]] '{}' with a [backup.drill]", name));
  }
  if (!target.empty() && target != "latest" && target != "random" && !base::parse_rfc3339(target)) {
    options.error("target",
                  "target is \"latest\", \"random\" or a time such as "
                  "\"2026-11-27T03:00:00Z\"");
  }
  return [settings, name, target] { return std::make_unique<DrillWork>(settings, name, target); };
}

}  // namespace

std::vector<TaskWorkKind> backup_work_kinds(const BackupSettings& settings) {
  return {{"backup_verify",
           [settings](config::Table& options) { return read_verify(settings, options); }},
          {"restore_drill",
           [settings](config::Table& options) { return read_drill_work(settings, options); }}};
}

}  // namespace tocsin::agent

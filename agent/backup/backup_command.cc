// What a person types at night; the answer is a sentence.
#include <fmt/format.h>

#include <array>
#include <cstdio>

#include "agent/backup/backup_files.h"
#include "agent/backup/backup_work.h"
#include "agent/backup/command_call.h"
#include "agent/backup/restore_drill.h"
#include "common/base/random.h"

namespace tocsin::agent {

using base::Result;

namespace {

base::Error wrong(std::string text) {
  return base::error(base::ErrorCode::InvalidArgument, std::move(text));
}

Result<VerifyLevel> level_of(const std::string& text) {
  // V0 to V3, with or without the letter, or by name.
  const std::string_view digit = std::string_view(text).substr(text.starts_with('V') ? 1 : 0);
  if (digit.size() == 1 && digit[0] >= '0' && digit[0] <= '3') {
    return static_cast<VerifyLevel>(digit[0] - '0');
  }
  const auto level = parse_verify_level(text);
  if (level && *level <= VerifyLevel::Checksum) return *level;
  return wrong(fmt::format("--level {}: it is 0 to 3, or size, structure, checksum", text));
}

void print(const std::string& text) {
  fmt::print("{}\n", text);
}

int failed(const std::string& subject, const std::string& reason, const std::string& text) {
  print(fmt::format("NOT GOOD: {}\n  reason: {}\n  {}", subject, reason, text));
  return 1;
}

Result<BackupItem> item_of(const BackupSet& set, const std::string& path,
                           const base::FileSystem& files, base::WallTime now) {
  BackupSet one = set;
  if (!path.empty()) one.paths = {path};
  one.settle = base::Duration{0};
  BackupFiles look(one, files);
  const BackupLook found = look.look(now);
  if (!found.items.empty()) return found.items.front();
  if (!found.failed.empty()) return found.failed.front();
  return base::error(base::ErrorCode::NotFound,
                     fmt::format("set '{}' has no finished backup", set.name));
}

int verify(const BackupCommand& command, const BackupSettings& settings, base::FileSystem& files,
           const base::Clock& clock) {
  VerifyRequest request;
  request.level = command.level;
  if (const BackupSet* set = settings.find(command.subject)) {
    const auto item = item_of(*set, {}, files, clock.wall());
    if (!item) return failed(command.subject, "missing", item.error().message);
    request = verify_request(*set, item->path, command.level);
  } else {
    request.path = command.subject;
    request.size_min = 1;
  }
  request.read_rate = 0;  // somebody waits
  const auto verdict = verify_backup(request, {files, clock, {}});
  if (!verdict) return failed(request.path, "unreadable", verdict.error().message);
  if (verdict->found) return failed(request.path, verdict->found->reason, verdict->found->text);
  print(fmt::format("good to level {} ({}): {}", static_cast<int>(verdict->level),
                    to_string(verdict->level), request.path));
  if (!verdict->what.empty()) print(fmt::format("  {}", verdict->what));
  if (!verdict->note.empty()) print(fmt::format("  {}", verdict->note));
  return 0;
}

int drill(const BackupCommand& command, const BackupSettings& settings, base::FileSystem& files,
          const base::Clock& clock) {
  const BackupSet* set = settings.find(command.subject);
  if (set == nullptr || !set->drill) {
    return failed(command.subject, "unknown",
                  "there is no [[backup]] of this name with a [backup.drill]");
  }
  const auto item = item_of(*set, command.backup, files, clock.wall());
  if (!item) return failed(command.subject, "missing", item.error().message);
  const auto runner = base::make_command_runner(clock, 1, 4);
  DrillWorld world{files,
                   clock,
                   [&](base::Command one) { return call_command(*runner, clock, std::move(one)); },
                   clock.monotonic() + set->drill->duration_max,
                   {}};
  const DrillRequest request{*set, item->path, item->size_bytes, item->at, command.target};
  BackupStates states(files, settings.state_folder);
  const std::unique_ptr<base::Random> random = base::make_real_random();
  const auto state = run_drill(request, states.load_drill(set->name), *random, world);
  if (!state) return failed(item->path, "unreadable", state.error().message);
  if (!state->ok && is_obstacle(state->reason)) {
    print(fmt::format("NOT TRIED: {}\n  reason: {}\n  {}", item->path, state->reason, state->text));
    return 1;
  }
  if (const auto saved = states.save(set->name, *state); !saved) {
    fmt::print(stderr, "tocsin-agent: the result is not kept: {}\n", saved.error().message);
  }
  if (!state->ok) return failed(item->path, state->reason, state->text);
  print(fmt::format("restored: {}\n  {}\n  restore time {:.1f} s, data lost {:.1f} s", item->path,
                    state->text, state->rto_seconds, state->rpo_seconds));
  for (const auto& [table, ratio] : state->ratios) {
    if (ratio < 0.99) {
      print(fmt::format("  {}: {:.0f} % of the expected rows", table, 100 * ratio));
    }
  }
  return 0;
}

}  // namespace

bool is_backup_command(std::string_view word) {
  return word == "verify-backup" || word == "restore-drill";
}

Result<BackupCommand> parse_backup_command(const std::vector<std::string>& words) {
  BackupCommand command;
  command.verb = words.front();
  const bool verifies = command.verb == "verify-backup";
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::string& word = words[i];
    const bool takes_value =
        word == "--level" || word == "--target" || word == "--backup" || word == "--config";
    if (takes_value && i + 1 == words.size()) return wrong(fmt::format("{} needs a value", word));
    if (word == "--level" && verifies) {
      TC_TRY(command.level, level_of(words[++i]));
    } else if (word == "--target" && !verifies) {
      command.target = words[++i];
    } else if (word == "--backup" && !verifies) {
      command.backup = words[++i];
    } else if (word == "--config") {
      command.config = words[++i];
    } else if (word.starts_with("--")) {
      return wrong(fmt::format("unknown argument '{}'", word));
    } else if (command.subject.empty()) {
      command.subject = word;
    } else {
      return wrong(fmt::format("'{}' is one too many", word));
    }
  }
  if (command.subject.empty()) {
    return wrong(verifies ? "verify-backup needs a file, a folder or the name of a set"
                          : "restore-drill needs the name of a set");
  }
  return command;
}

int run_backup_command(const BackupCommand& command, const BackupSettings& settings,
                       base::FileSystem& files, const base::Clock& clock) {
  return command.verb == "verify-backup" ? verify(command, settings, files, clock)
                                         : drill(command, settings, files, clock);
}

}  // namespace tocsin::agent

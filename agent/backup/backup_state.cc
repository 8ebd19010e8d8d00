#include "agent/backup/backup_state.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "common/base/log.h"

namespace tocsin::agent {

namespace json = boost::json;

namespace {

constexpr std::size_t kBytesMax = 1 << 20;
constexpr mode_t kMode = 0600;

std::string text_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

double number_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || !value->is_number()) return 0;
  return value->to_number<double>();
}

std::int64_t integer_of(const json::object& object, std::string_view key) {
  return static_cast<std::int64_t>(number_of(object, key));
}

bool true_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_bool() && value->get_bool();
}

json::object object_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_object() ? value->get_object() : json::object();
}

json::object load(const base::FileSystem& files, const std::string& path) {
  if (!files.exists(path)) return {};
  const auto text = files.read(path, kBytesMax);
  if (!text) {
    base::log_warning("agent/backup", "{}", text.error().message);
    return {};
  }
  boost::system::error_code code;
  json::value value = json::parse(*text, code);
  if (!code.failed() && value.is_object()) return std::move(value.get_object());
  base::log_warning("agent/backup", "'{}' is damaged: what was verified before is not known", path);
  return {};
}

}  // namespace

void record_verdict(VerifyState& state, const BackupVerdict& verdict, base::WallTime now) {
  state.at_ms = base::to_ms(now);
  state.what = verdict.what;
  state.note = verdict.note;
  std::erase_if(state.levels,
                [](const auto& each) { return !each.second.ok && each.second.good_ms == 0; });
  for (auto& [level, known] : state.levels) {
    known.ok = true;
    known.reason.clear();
    known.text.clear();
  }
  for (int i = 0; i <= static_cast<int>(verdict.level); ++i) {
    const auto level = static_cast<VerifyLevel>(i);
    if (verdict.found && level == verdict.level) break;
    state.levels[level].good_ms = state.at_ms;
  }
  if (!verdict.found) return;
  LevelState& failed = state.levels[verdict.level];
  failed.ok = false;
  failed.reason = verdict.found->reason;
  failed.text = verdict.found->text;
}

std::string BackupStates::path(const std::string& set, const char* what) const {
  return base::join_path(folder_, fmt::format("{}.{}.json", set, what));
}

VerifyState BackupStates::load_verify(const std::string& set) const {
  const json::object object = load(files_, path(set, "verified"));
  VerifyState state;
  state.path = text_of(object, "path");
  state.modified_ms = integer_of(object, "modified_ms");
  state.size = static_cast<std::uint64_t>(integer_of(object, "size_bytes"));
  state.at_ms = integer_of(object, "at_ms");
  state.what = text_of(object, "what");
  state.note = text_of(object, "note");
  for (const auto& [name, value] : object_of(object, "levels")) {
    const auto level = parse_verify_level(name);
    if (!level || !value.is_object()) continue;
    const json::object& one = value.get_object();
    state.levels[*level] = {integer_of(one, "good_ms"), true_of(one, "ok"), text_of(one, "reason"),
                            text_of(one, "text")};
  }
  return state;
}

base::Result<void> BackupStates::save(const std::string& set, const VerifyState& state) {
  json::object levels;
  for (const auto& [level, known] : state.levels) {
    levels[to_string(level)] = {{"good_ms", known.good_ms},
                                {"ok", known.ok},
                                {"reason", known.reason},
                                {"text", known.text}};
  }
  const json::object object = {{"path", state.path},       {"modified_ms", state.modified_ms},
                               {"size_bytes", state.size}, {"at_ms", state.at_ms},
                               {"what", state.what},       {"note", state.note},
                               {"levels", levels}};
  TC_TRY(files_.create_folders(folder_));
  return files_.write_atomic(path(set, "verified"), json::serialize(object), kMode);
}

DrillState BackupStates::load_drill(const std::string& set) const {
  const json::object object = load(files_, path(set, "drill"));
  DrillState state;
  state.at_ms = integer_of(object, "at_ms");
  state.level = parse_verify_level(text_of(object, "level")).value_or(VerifyLevel::Restore);
  state.ok = true_of(object, "ok");
  state.reason = text_of(object, "reason");
  state.text = text_of(object, "text");
  state.duration_seconds = number_of(object, "duration_seconds");
  state.rto_seconds = number_of(object, "rto_seconds");
  state.rpo_seconds = number_of(object, "rpo_seconds");
  state.tables = static_cast<std::uint64_t>(integer_of(object, "tables"));
  for (const auto& [table, value] : object_of(object, "rows")) {
    if (value.is_number()) state.rows[table] = value.to_number<std::uint64_t>();
  }
  for (const auto& [table, value] : object_of(object, "ratios")) {
    if (value.is_number()) state.ratios[table] = value.to_number<double>();
  }
  for (const auto& [part, value] : object_of(object, "differs")) {
    if (value.is_bool()) state.differs[part] = value.get_bool();
  }
  for (const auto& [name, value] : object_of(object, "good_ms")) {
    const auto level = parse_verify_level(name);
    if (level && value.is_int64()) state.good_ms[*level] = value.get_int64();
  }
  return state;
}

base::Result<void> BackupStates::save(const std::string& set, const DrillState& state) {
  json::object rows;
  for (const auto& [table, count] : state.rows) rows[table] = count;
  json::object ratios;
  for (const auto& [table, ratio] : state.ratios) ratios[table] = ratio;
  json::object differs;
  for (const auto& [part, there] : state.differs) differs[part] = there;
  json::object good;
  for (const auto& [level, at] : state.good_ms) good[to_string(level)] = at;
  const json::object object = {{"at_ms", state.at_ms},
                               {"level", to_string(state.level)},
                               {"ok", state.ok},
                               {"reason", state.reason},
                               {"text", state.text},
                               {"duration_seconds", state.duration_seconds},
                               {"rto_seconds", state.rto_seconds},
                               {"rpo_seconds", state.rpo_seconds},
                               {"tables", state.tables},
                               {"rows", rows},
                               {"ratios", ratios},
                               {"differs", differs},
                               {"good_ms", good}};
  TC_TRY(files_.create_folders(folder_));
  return files_.write_atomic(path(set, "drill"), json::serialize(object), kMode);
}

}  // namespace tocsin::agent

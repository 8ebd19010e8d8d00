#include "alertd/tasks/book_codec.h"

#include <boost/json.hpp>

namespace tocsin::tasks {
namespace {

namespace json = boost::json;

/// Every number of a task by its name, for both directions.
struct Number {
  const char* name;
  std::int64_t Task::*field;
};
constexpr Number kNumbers[] = {{"registered_ms", &Task::registered_ms},
                               {"told_ms", &Task::told_ms},
                               {"info_ms", &Task::info_ms},
                               {"max_age_ms", &Task::max_age_ms},
                               {"max_age_told_ms", &Task::max_age_told_ms},
                               {"max_duration_ms", &Task::max_duration_ms},
                               {"max_duration_told_ms", &Task::max_duration_told_ms},
                               {"last_success_ms", &Task::last_success_ms},
                               {"running_since_ms", &Task::running_since_ms},
                               {"run_ms", &Task::run_ms},
                               {"beat_since_ms", &Task::beat_since_ms},
                               {"beat_end_ms", &Task::beat_end_ms}};

struct Flag {
  const char* name;
  bool Task::*field;
};
constexpr Flag kFlags[] = {{"enabled", &Task::enabled}, {"running", &Task::running},
                           {"beat_ok", &Task::beat_ok}, {"overdue", &Task::overdue},
                           {"hung", &Task::hung},       {"failed", &Task::failed}};

struct Level {
  const char* name;
  model::Severity Task::*field;
};
constexpr Level kLevels[] = {{"on_missed", &Task::on_missed},
                             {"on_failed", &Task::on_failed},
                             {"on_overrun", &Task::on_overrun}};

std::string text_of(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  const json::string* text = value ? value->if_string() : nullptr;
  return text ? std::string(std::string_view(*text)) : std::string();
}

json::object encode(const TaskKey& key, const Task& task) {
  json::object object{{"host", key.host}, {"task", key.task}, {"owner", task.owner}};
  for (const Number& number : kNumbers) object[number.name] = task.*number.field;
  for (const Flag& flag : kFlags) object[flag.name] = task.*flag.field;
  for (const Level& level : kLevels) {
    const std::string_view text = model::to_string(task.*level.field);
    object[level.name] = json::string_view(text.data(), text.size());
  }
  if (task.run_ok) object["run_ok"] = *task.run_ok;
  return object;
}

Task decode(const json::object& object) {
  Task task;
  task.owner = text_of(object, "owner");
  for (const Number& number : kNumbers) {
    const json::value* value = object.if_contains(number.name);
    if (value && value->is_int64()) task.*number.field = value->get_int64();
  }
  for (const Flag& flag : kFlags) {
    const json::value* value = object.if_contains(flag.name);
    if (value && value->is_bool()) task.*flag.field = value->get_bool();
  }
  for (const Level& level : kLevels) {
    task.*level.field =
        model::parse_severity(text_of(object, level.name)).value_or(task.*level.field);
  }
  const json::value* ok = object.if_contains("run_ok");
  if (ok && ok->is_bool()) task.run_ok = ok->get_bool();
  return task;
}

}  // namespace

std::string encode_book(const std::map<TaskKey, Task>& tasks, base::WallTime now) {
  json::array list;
  for (const auto& [key, task] : tasks) list.push_back(encode(key, task));
  return json::serialize(
             json::object{{"version", 1}, {"saved_ms", base::to_ms(now)}, {"tasks", list}}) +
         '\n';
}

base::Result<SavedBook> decode_book(std::string_view text) {
  boost::system::error_code failure;
  const json::value root = json::parse(json::string_view(text.data(), text.size()), failure);
  const json::object* object = !failure && root.is_object() ? &root.get_object() : nullptr;
  const json::value* saved = object ? object->if_contains("saved_ms") : nullptr;
  const json::value* list = object ? object->if_contains("tasks") : nullptr;
  if (!saved || !saved->is_int64() || !list || !list->is_array()) {
    return base::error(base::ErrorCode::Corruption, "not the book of tasks");
  }
  SavedBook book{saved->get_int64(), {}};
  for (const json::value& one : list->get_array()) {
    if (!one.is_object()) continue;
    const json::object& task = one.get_object();
    TaskKey key{text_of(task, "host"), text_of(task, "task")};
    if (!key.host.empty() && !key.task.empty()) book.tasks.emplace(std::move(key), decode(task));
  }
  return book;
}

}  // namespace tocsin::tasks

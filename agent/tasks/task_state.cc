#include "agent/tasks/task_state.h"

#include <algorithm>
#include <boost/json.hpp>

namespace tocsin::agent {
namespace {

namespace json = boost::json;

constexpr std::size_t kReasonsMax = 32;

json::object numbers_json(const std::map<std::string, double>& numbers) {
  json::object object;
  for (const auto& [name, value] : numbers) object[name] = value;
  return object;
}

std::map<std::string, double> numbers_of(const json::object& object, const char* key) {
  std::map<std::string, double> numbers;
  const json::value* value = object.if_contains(key);
  if (!value || !value->is_object()) return numbers;
  for (const auto& [name, number] : value->get_object()) {
    boost::system::error_code failure;
    const double read = number.to_number<double>(failure);
    if (!failure) numbers.emplace(name, read);
  }
  return numbers;
}

std::int64_t integer_of(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  boost::system::error_code failure;
  const auto number = value ? value->to_number<std::int64_t>(failure) : 0;
  return failure ? 0 : number;
}

TaskState state_of(const json::object& object) {
  TaskState state;
  state.registered_ms = integer_of(object, "registered_ms");
  state.last_run_ms = integer_of(object, "last_run_ms");
  state.last_end_ms = integer_of(object, "last_end_ms");
  state.last_success_ms = integer_of(object, "last_success_ms");
  state.last_exit = static_cast<int>(integer_of(object, "last_exit"));
  const json::value* ok = object.if_contains("last_ok");
  state.last_ok = ok && ok->is_bool() && ok->get_bool();
  if (const json::value* reason = object.if_contains("last_reason"); reason && reason->is_string())
    state.last_reason = std::string(std::string_view(reason->get_string()));
  state.handled_due_ms = integer_of(object, "handled_due_ms");
  state.skipped = numbers_of(object, "skipped");
  state.numbers = numbers_of(object, "numbers");
  return state;
}

}  // namespace

void apply_run(TaskState& state, const RunRecord& record) {
  if (!record.end) return;
  const RunEnd& end = *record.end;
  if (!end.skipped.empty()) return count_skip(state, end.skipped);
  if (end.ok) state.last_success_ms = std::max(state.last_success_ms, end.ended_ms);
  if (record.started_ms < state.last_run_ms) return;
  state.last_run_ms = record.started_ms;
  state.last_end_ms = end.ended_ms;
  state.last_exit = end.exit_status;
  state.last_ok = end.ok;
  state.last_reason = end.reason;
  state.numbers = end.numbers;
}

void count_skip(TaskState& state, const std::string& reason) {
  const bool room = state.skipped.contains(reason) || state.skipped.size() < kReasonsMax;
  ++state.skipped[room ? reason : "other"];
}

std::string encode_states(const TaskStates& states) {
  json::object tasks;
  for (const auto& [name, state] : states.tasks) {
    tasks[name] = json::object{
        {"registered_ms", state.registered_ms},   {"last_run_ms", state.last_run_ms},
        {"last_end_ms", state.last_end_ms},       {"last_success_ms", state.last_success_ms},
        {"last_exit", state.last_exit},           {"last_ok", state.last_ok},
        {"last_reason", state.last_reason},       {"handled_due_ms", state.handled_due_ms},
        {"skipped", numbers_json(state.skipped)}, {"numbers", numbers_json(state.numbers)}};
  }
  return json::serialize(json::object{{"version", 1}, {"tasks", std::move(tasks)}}) + '\n';
}

base::Result<TaskStates> decode_states(std::string_view text) {
  boost::system::error_code failure;
  const json::value root = json::parse(json::string_view(text.data(), text.size()), failure);
  const json::value* tasks =
      !failure && root.is_object() ? root.get_object().if_contains("tasks") : nullptr;
  if (!tasks || !tasks->is_object()) {
    return base::error(base::ErrorCode::InvalidArgument, "not the state of tasks");
  }
  TaskStates states;
  for (const auto& [name, value] : tasks->get_object()) {
    if (value.is_object()) states.tasks.emplace(name, state_of(value.get_object()));
  }
  return states;
}

}  // namespace tocsin::agent

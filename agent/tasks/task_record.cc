#include "agent/tasks/task_record.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <vector>

#include "agent/tasks/task_settings.h"
#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

namespace json = boost::json;
using base::ErrorCode;

constexpr std::size_t kNumbersMax = 32;
constexpr std::size_t kTextMax = 100;
constexpr std::size_t kNoteMax = 1000;
constexpr std::size_t kProcBytesMax = 4096;
constexpr std::size_t kStartField = 22;

std::string text_of(const json::object& object, const char* key, std::size_t most = kTextMax) {
  const json::value* value = object.if_contains(key);
  if (!value || !value->is_string()) return {};
  return base::escape_control(std::string_view(value->get_string()).substr(0, most));
}

std::int64_t integer_of(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  boost::system::error_code failure;
  const auto number = value ? value->to_number<std::int64_t>(failure) : 0;
  return failure ? 0 : number;
}

base::Result<json::object> parse_line(std::string_view line) {
  boost::system::error_code failure;
  json::value value = json::parse(json::string_view(line.data(), line.size()), failure);
  if (failure || !value.is_object()) {
    return base::error(ErrorCode::InvalidArgument, "a line of the record is no JSON object");
  }
  return std::move(value.get_object());
}

RunEnd end_of(const json::object& object) {
  RunEnd end;
  end.ended_ms = integer_of(object, "ended_ms");
  end.exit_status = static_cast<int>(integer_of(object, "exit"));
  const json::value* ok = object.if_contains("ok");
  end.ok = ok && ok->is_bool() && ok->get_bool();
  end.reason = text_of(object, "reason");
  end.skipped = text_of(object, "skipped");
  end.note = text_of(object, "note", kNoteMax);
  const json::value* numbers = object.if_contains("numbers");
  if (!numbers || !numbers->is_object()) return end;
  for (const auto& [name, value] : numbers->get_object()) {
    boost::system::error_code failure;
    const double number = value.to_number<double>(failure);
    if (failure || end.numbers.size() == kNumbersMax || !is_task_name(name)) continue;
    end.numbers.emplace(name, number);
  }
  return end;
}

}  // namespace

std::string encode_start(const RunRecord& record) {
  return json::serialize(json::object{{"task", record.task},
                                      {"started_ms", record.started_ms},
                                      {"pid", record.process.pid},
                                      {"pid_start", record.process.start_ticks},
                                      {"pid_space", record.process.pid_space},
                                      {"boot", record.process.boot}}) +
         '\n';
}

std::string encode_end(const RunEnd& end) {
  json::object numbers;
  for (const auto& [name, value] : end.numbers) numbers[name] = value;
  return json::serialize(json::object{{"ended_ms", end.ended_ms},
                                      {"exit", end.exit_status},
                                      {"ok", end.ok},
                                      {"reason", end.reason},
                                      {"skipped", end.skipped},
                                      {"note", end.note.substr(0, kNoteMax)},
                                      {"numbers", std::move(numbers)}}) +
         '\n';
}

base::Result<RunRecord> decode_record(std::string_view text) {
  const std::size_t first_end = text.find('\n');
  if (first_end == text.npos) {
    return base::error(ErrorCode::Unavailable, "the record has no complete line yet");
  }
  TC_TRY(const json::object start, parse_line(text.substr(0, first_end)));
  RunRecord record;
  record.task = text_of(start, "task");
  record.started_ms = integer_of(start, "started_ms");
  record.process.pid = integer_of(start, "pid");
  record.process.start_ticks = static_cast<std::uint64_t>(integer_of(start, "pid_start"));
  record.process.pid_space = text_of(start, "pid_space");
  record.process.boot = text_of(start, "boot");
  if (!is_task_name(record.task) || record.started_ms <= 0) {
    return base::error(ErrorCode::InvalidArgument, "the record names no task or no time");
  }
  const std::string_view rest = text.substr(first_end + 1);
  const std::size_t second_end = rest.find('\n');
  if (second_end == rest.npos) return record;
  TC_TRY(const json::object end, parse_line(rest.substr(0, second_end)));
  record.end = end_of(end);
  if (record.end->ended_ms < record.started_ms) record.end->ended_ms = record.started_ms;
  return record;
}

std::optional<std::uint64_t> start_ticks_of(std::string_view stat) {
  // The second field is a name in parentheses that may hold anything.
  const std::size_t name_end = stat.rfind(')');
  if (name_end == stat.npos) return std::nullopt;
  const std::vector<std::string_view> fields = base::split_fields(stat.substr(name_end + 1));
  if (fields.size() < kStartField - 2) return std::nullopt;
  return base::parse_u64(fields[kStartField - 3]);
}

ProcessState look_for(const ProcessMark& mark, const base::FileSystem& files) {
  if (mark.pid <= 0) return ProcessState::Unknown;
  const ProcessMark self = mark_self(files);
  if (mark.boot != self.boot) return ProcessState::Gone;  // the machine was started since
  if (mark.pid_space != self.pid_space) return ProcessState::Unknown;
  const auto stat = files.read(fmt::format("/proc/{}/stat", mark.pid), kProcBytesMax);
  if (!stat) {
    // /proc may be mounted so that it hides the processes of others; the signal 0 still finds them.
    const bool gone = ::kill(static_cast<pid_t>(mark.pid), 0) != 0 && errno == ESRCH;
    return gone ? ProcessState::Gone : ProcessState::Unknown;
  }
  const auto ticks = start_ticks_of(*stat);
  if (!ticks) return ProcessState::Unknown;
  return *ticks == mark.start_ticks ? ProcessState::Alive : ProcessState::Gone;
}

ProcessMark mark_self(const base::FileSystem& files) {
  ProcessMark mark;
  mark.pid = ::getpid();
  if (const auto stat = files.read("/proc/self/stat", kProcBytesMax)) {
    mark.start_ticks = start_ticks_of(*stat).value_or(0);
  }
  if (auto space = files.read_link("/proc/self/ns/pid")) mark.pid_space = std::move(*space);
  if (const auto boot = files.read("/proc/sys/kernel/random/boot_id", kProcBytesMax)) {
    mark.boot = std::string(base::trim(*boot));
  }
  return mark;
}

}  // namespace tocsin::agent

#include "agent/tasks/task_audit.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "common/base/hash.h"
#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

namespace json = boost::json;
using base::ErrorCode;

constexpr std::size_t kTextMax = 4096;
constexpr std::uint64_t kFileBytesMax = 4 << 20;
constexpr std::size_t kReadBytesMax = (4 << 20) + (64 << 10);
constexpr std::size_t kTailBytes = 64 << 10;  ///< More than the longest line.
constexpr std::size_t kHeadBytesMax = 256;
constexpr mode_t kMode = 0600;

base::Error broken(std::uint64_t line, std::string_view what) {
  return base::error(ErrorCode::Corruption,
                     fmt::format("the audit chain is broken at line {}: {}", line, what));
}

std::optional<std::string> text_of(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  if (!value || !value->is_string()) return std::nullopt;
  return std::string(std::string_view(value->get_string()));
}

}  // namespace

std::string audit_line(const AuditEntry& entry, const AuditHead& head, base::WallTime at) {
  return json::serialize(
             json::object{{"n", head.lines + 1},
                          {"at", base::format_rfc3339(at)},
                          {"task", entry.task},
                          {"event", entry.event},
                          {"text", base::escape_control(entry.text.substr(0, kTextMax))},
                          {"before", head.hash}}) +
         '\n';
}

base::Result<AuditHead> check_audit(std::string_view text, std::string_view before) {
  AuditHead head;
  head.hash = std::string(before);
  std::uint64_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = text.find('\n');
    if (end == text.npos) return broken(number, "it has no end");
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    boost::system::error_code failure;
    const json::value value = json::parse(json::string_view(line.data(), line.size()), failure);
    if (failure || !value.is_object()) return broken(number, "it is no JSON");
    const json::object& object = value.get_object();
    const auto held = text_of(object, "before");
    if (!held) return broken(number, "it holds no hash");
    const bool first_of_any = number == 1 && before.empty();
    if (!first_of_any && *held != head.hash) return broken(number, "the line before was changed");
    const json::value* count = object.if_contains("n");
    const auto n = count ? count->to_number<std::uint64_t>(failure) : 0;
    if (failure || (number > 1 && n != head.lines + 1)) return broken(number, "lines are missing");
    head.lines = n;
    head.hash = base::sha256_hex(line);
  }
  return head;
}

base::Result<AuditHead> TaskAudit::read_head() const {
  const std::string path = base::join_path(folder_, "audit.head");
  if (!files_.exists(path)) return AuditHead{};
  TC_TRY(const std::string text, files_.read(path, kHeadBytesMax));
  const auto fields = base::split_fields(base::trim(text));
  const auto lines = fields.empty() ? std::nullopt : base::parse_u64(fields[0]);
  if (fields.size() != 2 || !lines) {
    return base::error(ErrorCode::Corruption, fmt::format("{} is damaged", path));
  }
  return AuditHead{*lines, std::string(fields[1])};
}

base::Result<AuditHead> TaskAudit::settle(AuditHead head, const std::string& path) {
  if (!files_.exists(path)) return head;
  TC_TRY(const std::uint64_t size, files_.size(path));
  TC_TRY(const auto file, files_.open_read(path));
  const std::uint64_t from = size > kTailBytes ? size - kTailBytes : 0;
  TC_TRY(std::string tail, file->read_at(from, kTailBytes));
  if (tail.empty()) return head;
  if (tail.back() != '\n') {
    const std::size_t kept = tail.rfind('\n') + 1;  // 0 if there is none
    if (kept == 0 && from > 0) return broken(head.lines + 1, "it has no end");
    TC_TRY(files_.truncate(path, from + kept));
    tail.resize(kept);
  }
  if (tail.empty()) return head;
  const std::size_t begin = tail.size() > 1 ? tail.rfind('\n', tail.size() - 2) : tail.npos;
  const std::string last = begin == tail.npos ? tail : tail.substr(begin + 1);
  const auto next = check_audit(last, {});
  const bool follows = next && next->lines == head.lines + 1 &&
                       last.find("\"before\":\"" + head.hash + '"') != last.npos;
  return follows ? *next : head;
}

base::Result<void> TaskAudit::append(const AuditEntry& entry, base::WallTime at) {
  const std::string path = base::join_path(folder_, "audit.log");
  TC_TRY(AuditHead head, read_head());
  TC_TRY(head, settle(std::move(head), path));
  if (const auto size = files_.size(path); size && *size > kFileBytesMax) {
    TC_TRY(files_.rename(path, path + ".1"));
  }
  const std::string line = audit_line(entry, head, at);
  TC_TRY(const auto file, files_.open_append(path, kMode));
  TC_TRY(file->append(line));
  TC_TRY(file->sync());
  const std::string_view hashed = std::string_view(line).substr(0, line.size() - 1);
  return files_.write_atomic(base::join_path(folder_, "audit.head"),
                             fmt::format("{} {}\n", head.lines + 1, base::sha256_hex(hashed)),
                             kMode);
}

base::Result<AuditHead> TaskAudit::check() const {
  TC_TRY(const AuditHead noted, read_head());
  const std::string path = base::join_path(folder_, "audit.log");
  std::string before;
  AuditHead head;
  for (const std::string& one : {path + ".1", path}) {
    if (!files_.exists(one)) continue;
    TC_TRY(const std::string text, files_.read(one, kReadBytesMax));
    if (text.empty()) continue;
    auto checked = check_audit(text, before);
    if (!checked) return base::with_context(checked.error(), one);
    head = std::move(*checked);
    before = head.hash;
  }
  // A crash between the two writes leaves one line that the head does not know yet.
  const bool one_ahead = head.lines == noted.lines + 1;
  if (!one_ahead && (head.lines != noted.lines || head.hash != noted.hash)) {
    return base::error(ErrorCode::Corruption,
                       fmt::format("{} ends with line {}, but line {} was written", path,
                                   head.lines, noted.lines));
  }
  return head;
}

}  // namespace tocsin::agent

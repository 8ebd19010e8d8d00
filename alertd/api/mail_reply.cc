#include "alertd/api/mail_reply.h"

#include <algorithm>

#include "common/base/strings.h"

namespace tocsin::api {
namespace {

constexpr std::size_t kCommentBytesMax = 1000;
constexpr base::Duration kHoldMax = std::chrono::hours(24 * 7);
constexpr std::string_view kMark = ".ack-";

std::string_view first_line(std::string_view text) {
  std::string_view found;
  base::for_each_line(text, [&found](std::string_view line) {
    line = base::trim(line);
    if (found.empty() && !line.empty() && line.front() != '>') found = line;
  });
  return found;
}

}  // namespace

std::optional<MailReply> read_reply(std::string_view text) {
  const std::string_view line = first_line(text);
  const std::size_t end = std::min(line.find_first_of(" \t.,:;!"), line.size());
  const std::string word = base::to_lower(line.substr(0, end));
  std::string_view rest = line.substr(end);
  while (!rest.empty() && std::string_view(" \t.,:;!").find(rest.front()) != std::string_view::npos)
    rest.remove_prefix(1);
  MailReply reply;
  if (word == "resolve" || word == "resolved") {
    reply.action = AckAction::Resolve;
  } else if (word != "ack" && word != "acknowledge" && word != "acknowledged") {
    return std::nullopt;
  }
  if (reply.action == AckAction::Acknowledge) {
    const std::string_view first = rest.substr(0, rest.find(' '));
    const auto hold = base::parse_duration(first);
    if (hold && *hold >= std::chrono::minutes(1) && *hold <= kHoldMax) {
      reply.hold = *hold;
      rest = base::trim(rest.substr(first.size()));
    }
  }
  reply.comment = rest.substr(0, kCommentBytesMax);
  return reply;
}

std::string reply_token(std::string_view header) {
  const std::size_t mark = header.rfind(kMark);
  if (mark == std::string_view::npos) return "";
  const std::string_view rest = header.substr(mark + kMark.size());
  const std::size_t end = rest.find('@');
  return end == std::string_view::npos ? "" : std::string(rest.substr(0, end));
}

}  // namespace tocsin::api

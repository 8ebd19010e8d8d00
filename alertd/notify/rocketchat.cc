// Rocket.Chat: chat.postMessage, chat.update and threads (tmid), as a user with a personal token.
//
// No attachments: chat.update keeps those of the first version. Source: Rocket.Chat's developer
// documentation of both endpoints; the default of Message_MaxAllowedSize is 5000 characters.

#include <boost/json.hpp>

#include "alertd/notify/chat_channel.h"
#include "alertd/notify/chat_channels.h"
#include "common/base/strings.h"

namespace tocsin::notify {
namespace {

namespace json = boost::json;
using Effect = ErrorRule::Effect;

constexpr TextRules kRules{Escaping::Markdown, 300, 4500, Measure::Utf16, false};

constexpr ErrorRule kErrors[] = {
    {"error-too-many-requests", Verdict::Retry, FailureReason::RateLimited},
    {"Error, too many requests", Verdict::Retry, FailureReason::RateLimited},
    {"No message found with the id", Verdict::Permanent, FailureReason::Refused, Effect::Gone},
    {"error-invalid-message", Verdict::Permanent, FailureReason::Refused, Effect::Gone},
    {"You must be logged in", Verdict::Permanent, FailureReason::Auth, Effect::None,
     "check user_id and token"},
    {"error-not-allowed", Verdict::Permanent, FailureReason::Auth},
    {"unauthorized", Verdict::Permanent, FailureReason::Auth},
    {"invalid-channel", Verdict::Permanent, FailureReason::Refused, Effect::None,
     "check the channel; a private one needs the user as a member"},
    {"error-room-not-found", Verdict::Permanent, FailureReason::Refused, Effect::None,
     "check the channel"},
};

// "... You must wait 10 seconds before ...": the only place where it is said.
base::Duration wait_in_words(std::string_view text) {
  constexpr std::string_view kBefore = "wait ";
  const std::size_t at = text.find(kBefore);
  if (at == std::string_view::npos) return base::Duration{0};
  text.remove_prefix(at + kBefore.size());
  const auto seconds = base::parse_u64(text.substr(0, text.find(' ')));
  return seconds && *seconds < 86'400 ? std::chrono::seconds(*seconds) : base::Duration{0};
}

class RocketChat final : public ChatProduct {
 public:
  explicit RocketChat(const RocketChatSettings& settings) : settings_(settings) {}

  TextRules rules() const override { return kRules; }
  std::string place() const override { return settings_.channel; }

  net::HttpRequest post(const ChatMessage& message, Words words,
                        const std::string& first) const override {
    json::object body;
    body["channel"] = settings_.channel;
    body["text"] = words == Words::Full ? full(message) : message.emoji + " " + message.brief;
    if (!first.empty()) {
      body["tmid"] = split_id(first).second;
      if (message.loud) body["tshow"] = true;
    }
    return call("chat.postMessage", body);
  }

  std::optional<net::HttpRequest> edit(const ChatMessage& message,
                                       const std::string& first) const override {
    const auto [room, id] = split_id(first);
    return call("chat.update",
                json::object{{"roomId", room}, {"msgId", id}, {"text", full(message)}});
  }

  ChatAnswer read(const base::Result<net::HttpResponse>& response,
                  base::WallTime now) const override {
    const AnswerBody body(response);
    ProductError error;
    if (!body.boolean("success").value_or(false)) {
      for (const char* place : {"errorType", "error", "message"}) {
        if (error.error.empty()) error.error = body.text(place);
      }
      error.retry_after = wait_in_words(body.text("error"));
      if (error.error.empty() && response && response->status == 200) error.error = "no answer";
    }
    ChatAnswer answer = judge(response, now, error, kErrors);
    if (answer.outcome.verdict == Verdict::Delivered) {
      answer.id = body.text("message/rid") + "/" + body.text("message/_id");
    }
    return answer;
  }

 private:
  // An id is "room/message".
  static std::pair<std::string, std::string> split_id(const std::string& id) {
    const std::size_t slash = id.find('/');
    if (slash == std::string::npos) return {{}, id};
    return {id.substr(0, slash), id.substr(slash + 1)};
  }

  static std::string full(const ChatMessage& message) {
    return message.emoji + " *" + message.title + "*\n" + message.text;
  }

  net::HttpRequest call(const char* method, const json::object& body) const {
    net::HttpRequest request = json_request("POST", settings_.server_url + "/api/v1/" + method,
                                            json::serialize(body), settings_.tls);
    request.headers.emplace_back("X-Auth-Token", settings_.token.reveal());
    request.headers.emplace_back("X-User-Id", settings_.user_id);
    return request;
  }

  RocketChatSettings settings_;
};

}  // namespace

std::unique_ptr<Channel> make_channel_of(const RocketChatSettings& kind,
                                         const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world) {
  return make_chat_channel(std::make_unique<RocketChat>(kind), settings, notify, world);
}

}  // namespace tocsin::notify

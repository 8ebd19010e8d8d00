// Telegram's Bot API: sendMessage, editMessageText, replies to the first message.
//
// HTML is the markup with the fewest traps: three characters to escape, and numeric entities for
// all else. Lengths are counted in UTF-16 units after the entities are read, so counting before is
// on the safe side. Source: core.telegram.org/bots/api.

#include <boost/json.hpp>

#include "alertd/notify/chat_channel.h"
#include "alertd/notify/chat_channels.h"
#include "common/base/strings.h"

namespace tocsin::notify {
namespace {

namespace json = boost::json;
using Effect = ErrorRule::Effect;

// 4096 for all, less title, tags and link.
constexpr TextRules kRules{Escaping::Html, 300, 3500, Measure::Utf16, false};

constexpr ErrorRule kErrors[] = {
    {"Bad Request: message is not modified", Verdict::Permanent, FailureReason::Refused,
     Effect::SameAlready},
    {"Bad Request: message to edit not found", Verdict::Permanent, FailureReason::Refused,
     Effect::Gone},
    {"Bad Request: can't parse entities", Verdict::Permanent, FailureReason::Refused,
     Effect::MarkupRefused},
    {"Bad Request: chat not found", Verdict::Permanent, FailureReason::Refused, Effect::None,
     "add the bot to the chat and check chat_id"},
    {"Bad Request: message thread not found", Verdict::Permanent, FailureReason::Refused,
     Effect::None, "check topic_id"},
    {"Bad Request: group chat was upgraded", Verdict::Permanent, FailureReason::Refused,
     Effect::None, "the chat has a new chat_id"},
    {"Unauthorized", Verdict::Permanent, FailureReason::Auth, Effect::None,
     "check the bot's token"},
    {"Forbidden", Verdict::Permanent, FailureReason::Auth},
    {"Too Many Requests", Verdict::Retry, FailureReason::RateLimited},
};

class Telegram final : public ChatProduct {
 public:
  explicit Telegram(const TelegramSettings& settings) : settings_(settings) {}

  TextRules rules() const override { return kRules; }
  std::string place() const override {
    return settings_.chat_id + "/" + std::to_string(settings_.topic_id);
  }

  net::HttpRequest post(const ChatMessage& message, Words words,
                        const std::string& first) const override {
    json::object body = base_body(message, words);
    if (settings_.topic_id != 0) body["message_thread_id"] = settings_.topic_id;
    if (const auto id = base::parse_i64(first)) {
      body["reply_parameters"] =
          json::object{{"message_id", *id}, {"allow_sending_without_reply", true}};
    }
    // Phones ring for what is bad; good news comes in silence.
    if (message.mood == "resolved" || message.mood == "acknowledged") {
      body["disable_notification"] = true;
    }
    return call("sendMessage", std::move(body));
  }

  std::optional<net::HttpRequest> edit(const ChatMessage& message,
                                       const std::string& first) const override {
    const auto id = base::parse_i64(first);
    if (!id) return std::nullopt;
    json::object body = base_body(message, Words::Full);
    body["message_id"] = *id;
    return call("editMessageText", std::move(body));
  }

  ChatAnswer read(const base::Result<net::HttpResponse>& response,
                  base::WallTime now) const override {
    const AnswerBody body(response);
    ProductError error;
    if (!body.boolean("ok").value_or(false)) {
      error.error = body.text("description");
      error.retry_after = body.seconds("parameters/retry_after");
      if (const std::string moved = body.text("parameters/migrate_to_chat_id"); !moved.empty()) {
        error.error += ", now " + moved;
      }
      if (error.error.empty() && response && response->status == 200) error.error = "no answer";
    }
    ChatAnswer answer = judge(response, now, error, kErrors);
    if (answer.outcome.verdict == Verdict::Delivered) answer.id = body.text("result/message_id");
    return answer;
  }

 private:
  json::object base_body(const ChatMessage& message, Words words) const {
    json::object body;
    if (const auto number = base::parse_i64(settings_.chat_id)) {
      body["chat_id"] = *number;
    } else {
      body["chat_id"] = settings_.chat_id;
    }
    body["text"] = words == Words::Full
                       ? message.emoji + " <b>" + message.title + "</b>\n" + message.text
                       : message.emoji + " " + message.brief;
    body["parse_mode"] = "HTML";
    body["link_preview_options"] = json::object{{"is_disabled", true}};
    return body;
  }

  net::HttpRequest call(const char* method, json::object body) const {
    return json_request("POST",
                        settings_.api_url + "/bot" + settings_.token.reveal() + "/" + method,
                        json::serialize(body), settings_.tls);
  }

  TelegramSettings settings_;
};

}  // namespace

std::unique_ptr<Channel> make_channel_of(const TelegramSettings& kind,
                                         const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world) {
  return make_chat_channel(std::make_unique<Telegram>(kind), settings, notify, world);
}

}  // namespace tocsin::notify

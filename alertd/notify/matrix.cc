// Matrix: events in a room, threaded by m.thread, edited by m.replace.
//
// The transaction id is the delivery key: a server drops what it has already, so a repeat after a
// lost answer is no second message. m.mentions is empty, so that no text rings the room.
// Source: Client-Server API 1.11: sending events, event replacements, threading, mentions.

#include <boost/json.hpp>

#include "alertd/notify/chat_channel.h"
#include "alertd/notify/chat_channels.h"
#include "common/net/url.h"

namespace tocsin::notify {
namespace {

namespace json = boost::json;
using Effect = ErrorRule::Effect;

// An event holds 65,536 bytes: an edit carries the text four times, twice plain and twice as HTML.
constexpr TextRules kRules{Escaping::Html, 500, 9000, Measure::Bytes, true};

constexpr ErrorRule kErrors[] = {
    {"M_LIMIT_EXCEEDED", Verdict::Retry, FailureReason::RateLimited},
    {"M_UNKNOWN_TOKEN", Verdict::Permanent, FailureReason::Auth, Effect::None,
     "the access token is not valid any more"},
    {"M_MISSING_TOKEN", Verdict::Permanent, FailureReason::Auth},
    {"M_FORBIDDEN", Verdict::Permanent, FailureReason::Auth, Effect::None,
     "invite the bot's user to the room and let it join"},
    {"M_NOT_FOUND", Verdict::Permanent, FailureReason::Refused, Effect::None, "check room_id"},
};

std::string with_breaks(const std::string& html) {
  std::string out;
  for (const char c : html) {
    if (c == '\n') {
      out += "<br>";
    } else {
      out += c;
    }
  }
  return out;
}

class Matrix final : public ChatProduct {
 public:
  explicit Matrix(const MatrixSettings& settings) : settings_(settings) {}

  TextRules rules() const override { return kRules; }
  std::string place() const override { return settings_.room_id; }
  bool drops_repeats() const override { return true; }

  net::HttpRequest post(const ChatMessage& message, Words words,
                        const std::string& first) const override {
    json::object content = text_content(message, words);
    if (!first.empty()) {
      content["m.relates_to"] = json::object{{"rel_type", "m.thread"},
                                             {"event_id", first},
                                             {"is_falling_back", true},
                                             {"m.in_reply_to", json::object{{"event_id", first}}}};
    }
    return put(message.key, std::move(content));
  }

  std::optional<net::HttpRequest> edit(const ChatMessage& message,
                                       const std::string& first) const override {
    json::object now = text_content(message, Words::Full);
    json::object content = now;
    content["body"] = "* " + std::string(now.at("body").as_string());
    content["m.new_content"] = std::move(now);
    content["m.relates_to"] = json::object{{"rel_type", "m.replace"}, {"event_id", first}};
    return put(message.key + "-edit", std::move(content));
  }

  ChatAnswer read(const base::Result<net::HttpResponse>& response,
                  base::WallTime now) const override {
    const AnswerBody body(response);
    ProductError error;
    if (response && response->status >= 400) {
      error.error = body.text("errcode");
      error.retry_after = body.milliseconds("retry_after_ms");
    }
    ChatAnswer answer = judge(response, now, error, kErrors);
    if (answer.outcome.verdict == Verdict::Delivered) answer.id = body.text("event_id");
    return answer;
  }

 private:
  static json::object text_content(const ChatMessage& message, Words words) {
    json::object content;
    content["msgtype"] = "m.text";
    content["format"] = "org.matrix.custom.html";
    if (words == Words::Full) {
      content["body"] = message.emoji + " " + message.plain_title + "\n" + message.plain_text;
      content["formatted_body"] =
          message.emoji + " <strong>" + message.title + "</strong><br>" + with_breaks(message.text);
    } else {
      content["body"] = message.emoji + " " + message.plain_brief;
      content["formatted_body"] = message.emoji + " " + with_breaks(message.brief);
    }
    content["m.mentions"] = json::object();
    return content;
  }

  net::HttpRequest put(const std::string& transaction, json::object content) const {
    net::HttpRequest request =
        json_request("PUT",
                     settings_.homeserver_url + "/_matrix/client/v3/rooms/" +
                         net::percent_encode(settings_.room_id) + "/send/m.room.message/" +
                         net::percent_encode(transaction),
                     json::serialize(content), settings_.tls);
    request.bearer_token = settings_.token;
    return request;
  }

  MatrixSettings settings_;
};

}  // namespace

std::unique_ptr<Channel> make_channel_of(const MatrixSettings& kind,
                                         const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world) {
  return make_chat_channel(std::make_unique<Matrix>(kind), settings, notify, world);
}

}  // namespace tocsin::notify

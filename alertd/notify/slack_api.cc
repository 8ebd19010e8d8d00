// Slack's Web API: chat.postMessage, then chat.update and a thread.
//
// Slack answers mistakes with status 200 and {"ok":false,"error":"..."}. The colour needs an
// attachment; "text" is what phones show. Source: docs of chat.postMessage and chat.update, and of
// rate limits (one message a second for each channel).

#include <boost/json.hpp>

#include "alertd/notify/chat_channel.h"
#include "alertd/notify/chat_channels.h"

namespace tocsin::notify {
namespace {

namespace json = boost::json;
using Effect = ErrorRule::Effect;

constexpr TextRules kRules{Escaping::Slack, 1024, 3000, Measure::Utf16, false};

constexpr ErrorRule kErrors[] = {
    {"ratelimited", Verdict::Retry, FailureReason::RateLimited},
    {"rate_limited", Verdict::Retry, FailureReason::RateLimited},
    {"service_unavailable", Verdict::Retry, FailureReason::Unreachable},
    {"internal_error", Verdict::Retry, FailureReason::Unreachable},
    {"fatal_error", Verdict::Retry, FailureReason::Unreachable},
    {"request_timeout", Verdict::Retry, FailureReason::Unreachable},
    {"message_not_found", Verdict::Permanent, FailureReason::Refused, Effect::Gone},
    {"thread_not_found", Verdict::Permanent, FailureReason::Refused, Effect::Gone},
    {"invalid_auth", Verdict::Permanent, FailureReason::Auth, Effect::None,
     "check the bot's token"},
    {"not_authed", Verdict::Permanent, FailureReason::Auth},
    {"token_", Verdict::Permanent, FailureReason::Auth},
    {"account_inactive", Verdict::Permanent, FailureReason::Auth},
    {"missing_scope", Verdict::Permanent, FailureReason::Auth, Effect::None,
     "the bot needs chat:write"},
    {"not_in_channel", Verdict::Permanent, FailureReason::Auth, Effect::None,
     "invite the bot to the channel"},
    {"channel_not_found", Verdict::Permanent, FailureReason::Refused, Effect::None,
     "a private channel is found once the bot is invited"},
};

class SlackApi final : public ChatProduct {
 public:
  explicit SlackApi(const SlackApiSettings& settings) : settings_(settings) {}

  TextRules rules() const override { return kRules; }
  std::string place() const override { return settings_.channel; }

  net::HttpRequest post(const ChatMessage& message, Words words,
                        const std::string& first) const override {
    json::object body = words == Words::Full ? full(message) : json::object();
    if (words == Words::Brief) body["text"] = message.emoji + " " + message.brief;
    body["channel"] = settings_.channel;
    if (!first.empty()) {
      const auto [channel, ts] = split_id(first);
      body["channel"] = channel;
      body["thread_ts"] = ts;
      if (message.loud) body["reply_broadcast"] = true;
    }
    if (!settings_.username.empty()) body["username"] = settings_.username;
    if (!settings_.icon_emoji.empty()) body["icon_emoji"] = settings_.icon_emoji;
    body["unfurl_links"] = false;
    body["unfurl_media"] = false;
    return call("chat.postMessage", std::move(body));
  }

  std::optional<net::HttpRequest> edit(const ChatMessage& message,
                                       const std::string& first) const override {
    const auto [channel, ts] = split_id(first);
    json::object body = full(message);
    body["channel"] = channel;
    body["ts"] = ts;
    return call("chat.update", std::move(body));
  }

  ChatAnswer read(const base::Result<net::HttpResponse>& response,
                  base::WallTime now) const override {
    const AnswerBody body(response);
    ProductError error;
    if (!body.boolean("ok").value_or(false)) {
      error.error = body.text("error");
      if (error.error.empty() && response && response->status == 200) error.error = "no answer";
    }
    ChatAnswer answer = judge(response, now, error, kErrors);
    if (answer.outcome.verdict == Verdict::Delivered) {
      answer.id = body.text("channel") + "/" + body.text("ts");
    }
    return answer;
  }

 private:
  // An id is "C0123/1503435956.000247".
  static std::pair<std::string, std::string> split_id(const std::string& id) {
    const std::size_t slash = id.find('/');
    if (slash == std::string::npos) return {id, {}};
    return {id.substr(0, slash), id.substr(slash + 1)};
  }

  static json::object full(const ChatMessage& message) {
    json::object attachment;
    attachment["color"] = colour_of(message.mood);
    attachment["title"] = message.title;
    if (!message.link.empty()) attachment["title_link"] = message.link;
    attachment["text"] = message.text;
    attachment["fallback"] = message.title;
    attachment["footer"] = "Tocsin";
    attachment["ts"] = base::to_ms(message.at) / 1000;
    json::object body;
    body["text"] = message.emoji + " " + message.title;
    body["attachments"] = json::array{std::move(attachment)};
    return body;
  }

  net::HttpRequest call(const char* method, json::object body) const {
    net::HttpRequest request = json_request("POST", settings_.api_url + "/" + method,
                                            json::serialize(body), settings_.tls);
    request.bearer_token = settings_.token;
    return request;
  }

  SlackApiSettings settings_;
};

}  // namespace

std::unique_ptr<Channel> make_channel_of(const SlackApiSettings& kind,
                                         const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world) {
  return make_chat_channel(std::make_unique<SlackApi>(kind), settings, notify, world);
}

}  // namespace tocsin::notify

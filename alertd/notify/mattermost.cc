// Mattermost: as a bot over its API (threads, edits), or by incoming webhook (neither).
//
// Source: api.mattermost.com, "posts"; Mattermost's documentation of incoming webhooks and message
// attachments. A post holds 16383 characters.

#include <boost/json.hpp>

#include "alertd/notify/chat_channel.h"
#include "alertd/notify/chat_channels.h"
#include "common/base/hash.h"
#include "common/base/strings.h"
#include "common/net/url.h"

namespace tocsin::notify {
namespace {

namespace json = boost::json;
using Effect = ErrorRule::Effect;

constexpr TextRules kRules{Escaping::Markdown, 500, 12'000, Measure::Utf16, false};

constexpr ErrorRule kErrors[] = {
    {"api.context.session_expired", Verdict::Permanent, FailureReason::Auth, Effect::None,
     "check the bot's token"},
    {"api.context.permissions", Verdict::Permanent, FailureReason::Auth, Effect::None,
     "add the bot to the team and the channel"},
    {"app.post.get", Verdict::Permanent, FailureReason::Refused, Effect::Gone},
    {"store.sql_post.get", Verdict::Permanent, FailureReason::Refused, Effect::Gone},
    {"api.post.create_post.root_id", Verdict::Permanent, FailureReason::Refused, Effect::Gone},
    {"api.post.update_post.permissions_time_limit", Verdict::Permanent, FailureReason::Refused},
    {"web.incoming_webhook", Verdict::Permanent, FailureReason::Refused, Effect::None,
     "check the webhook's address and channel"},
};

class Mattermost final : public ChatProduct {
 public:
  explicit Mattermost(const MattermostSettings& settings)
      : settings_(settings), by_webhook_(settings.server_url.empty()) {}

  TextRules rules() const override { return kRules; }
  std::string place() const override {
    return by_webhook_ ? base::sha256_hex(settings_.url.reveal()).substr(0, 16)
                       : settings_.channel_id;
  }

  net::HttpRequest post(const ChatMessage& message, Words words,
                        const std::string& first) const override {
    json::object body;
    if (by_webhook_) {
      body["text"] = message.emoji + " " + message.title;
      body["attachments"] = json::array{attachment(message)};
      if (!settings_.channel.empty()) body["channel"] = settings_.channel;
      if (!settings_.username.empty()) body["username"] = settings_.username;
      return json_request("POST", settings_.url.reveal(), json::serialize(body), settings_.tls);
    }
    body["channel_id"] = settings_.channel_id;
    if (words == Words::Full) {
      fill(body, message);
    } else {
      body["message"] = message.emoji + " " + message.brief;
    }
    if (!first.empty()) body["root_id"] = first;
    return call("POST", "/api/v4/posts", body);
  }

  std::optional<net::HttpRequest> edit(const ChatMessage& message,
                                       const std::string& first) const override {
    if (by_webhook_) return std::nullopt;
    json::object body;
    fill(body, message);
    return call("PUT", "/api/v4/posts/" + net::percent_encode(first) + "/patch", body);
  }

  ChatAnswer read(const base::Result<net::HttpResponse>& response,
                  base::WallTime now) const override {
    const AnswerBody body(response);
    ProductError error;
    if (response && response->status >= 400) error.error = body.text("id");
    ChatAnswer answer = judge(response, now, error, kErrors);
    if (answer.outcome.verdict == Verdict::Delivered && !by_webhook_) answer.id = body.text("id");
    return answer;
  }

 private:
  static json::object attachment(const ChatMessage& message) {
    json::object object;
    object["fallback"] = message.plain_title;
    object["color"] = colour_of(message.mood);
    object["title"] = message.title;
    if (!message.link.empty()) object["title_link"] = message.link;
    object["text"] = message.text;
    return object;
  }

  static void fill(json::object& body, const ChatMessage& message) {
    body["message"] = message.emoji + " " + message.title;
    body["props"] = json::object{{"attachments", json::array{attachment(message)}}};
  }

  net::HttpRequest call(const char* method, const std::string& path,
                        const json::object& body) const {
    net::HttpRequest request =
        json_request(method, settings_.server_url + path, json::serialize(body), settings_.tls);
    request.bearer_token = settings_.token;
    return request;
  }

  MattermostSettings settings_;
  bool by_webhook_;
};

}  // namespace

std::unique_ptr<Channel> make_channel_of(const MattermostSettings& kind,
                                         const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world) {
  return make_chat_channel(std::make_unique<Mattermost>(kind), settings, notify, world);
}

}  // namespace tocsin::notify

// Google Chat: a space's webhook, threads by a key of ours.
//
// requestId is the delivery key: a repeat returns the message that exists. A webhook cannot edit.
// Source: Google Chat API, spaces.messages.create; text messages hold 4096 characters.

#include <boost/json.hpp>

#include "alertd/notify/chat_channel.h"
#include "alertd/notify/chat_channels.h"
#include "common/base/hash.h"
#include "common/net/url.h"

namespace tocsin::notify {
namespace {

namespace json = boost::json;
using Effect = ErrorRule::Effect;

constexpr TextRules kRules{Escaping::Google, 250, 3700, Measure::Utf16, false};

constexpr ErrorRule kErrors[] = {
    {"RESOURCE_EXHAUSTED", Verdict::Retry, FailureReason::RateLimited},
    {"UNAVAILABLE", Verdict::Retry, FailureReason::Unreachable},
    {"INTERNAL", Verdict::Retry, FailureReason::Unreachable},
    {"PERMISSION_DENIED", Verdict::Permanent, FailureReason::Auth, Effect::None,
     "check the webhook's address: key and token"},
    {"UNAUTHENTICATED", Verdict::Permanent, FailureReason::Auth, Effect::None,
     "check the webhook's address: key and token"},
    {"NOT_FOUND", Verdict::Permanent, FailureReason::Refused, Effect::None,
     "the space or its webhook was deleted"},
};

class GoogleChat final : public ChatProduct {
 public:
  explicit GoogleChat(const GoogleChatSettings& settings) : settings_(settings) {}

  TextRules rules() const override { return kRules; }
  std::string place() const override {
    return base::sha256_hex(settings_.url.reveal()).substr(0, 16);
  }
  bool threads_by_key() const override { return true; }
  bool drops_repeats() const override { return true; }

  net::HttpRequest post(const ChatMessage& message, Words words,
                        const std::string&) const override {
    json::object body;
    body["text"] = words == Words::Full
                       ? message.emoji + " *" + message.title + "*\n" + message.text
                       : message.emoji + " " + message.brief;
    std::string url = settings_.url.reveal();
    url += url.find('?') == std::string::npos ? '?' : '&';
    url += "requestId=" + net::percent_encode(message.key);
    if (!message.thread_key.empty()) {
      body["thread"] = json::object{{"threadKey", "tocsin-" + message.thread_key}};
      url += "&messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD";
    }
    return json_request("POST", std::move(url), json::serialize(body), settings_.tls);
  }

  ChatAnswer read(const base::Result<net::HttpResponse>& response,
                  base::WallTime now) const override {
    const AnswerBody body(response);
    ProductError error;
    if (response && response->status >= 400) error.error = body.text("error/status");
    return judge(response, now, error, kErrors);
  }

 private:
  GoogleChatSettings settings_;
};

}  // namespace

std::unique_ptr<Channel> make_channel_of(const GoogleChatSettings& kind,
                                         const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world) {
  return make_chat_channel(std::make_unique<GoogleChat>(kind), settings, notify, world);
}

}  // namespace tocsin::notify

// Discord's webhooks: wait=true returns the message, whose id a later PATCH edits.
//
// A webhook cannot reply, so what follows is a short message of its own below. Nothing is mentioned
// (allowed_mentions is empty). Source: Discord's documentation of webhooks, embeds and rate limits.

#include <boost/json.hpp>

#include "alertd/notify/chat_channel.h"
#include "alertd/notify/chat_channels.h"
#include "common/base/hash.h"
#include "common/base/strings.h"

namespace tocsin::notify {
namespace {

namespace json = boost::json;
using Effect = ErrorRule::Effect;

// Of an embed: title 256, description 4096, all of it 6000.
constexpr TextRules kRules{Escaping::Markdown, 256, 4096, Measure::Utf16, false};
constexpr std::size_t kContentMax = 2000;

constexpr ErrorRule kErrors[] = {
    {"10008", Verdict::Permanent, FailureReason::Refused, Effect::Gone},
    {"10015", Verdict::Permanent, FailureReason::Auth, Effect::None, "the webhook was deleted"},
    {"50027", Verdict::Permanent, FailureReason::Auth, Effect::None, "check the webhook's address"},
    {"10003", Verdict::Permanent, FailureReason::Refused, Effect::None, "check thread_id"},
};

class Discord final : public ChatProduct {
 public:
  explicit Discord(const DiscordSettings& settings) : settings_(settings) {}

  TextRules rules() const override { return kRules; }
  std::string place() const override {
    return base::sha256_hex(settings_.url.reveal()).substr(0, 16) + "/" + settings_.thread_id;
  }

  net::HttpRequest post(const ChatMessage& message, Words words,
                        const std::string&) const override {
    json::object body = words == Words::Full ? full(message) : json::object();
    if (words == Words::Brief) {
      // Without a thread the line says itself where it leads.
      std::string line = message.emoji + " " + message.brief;
      if (!message.link.empty()) line += "\n<" + message.link + ">";
      body["content"] = cut_text(line, kContentMax, Measure::Utf16);
    }
    if (!settings_.username.empty()) body["username"] = settings_.username;
    body["allowed_mentions"] = no_mentions();
    return json_request("POST", url("", "wait=true"), json::serialize(body), settings_.tls);
  }

  std::optional<net::HttpRequest> edit(const ChatMessage& message,
                                       const std::string& first) const override {
    json::object body = full(message);
    body["allowed_mentions"] = no_mentions();
    return json_request("PATCH", url("/messages/" + first, ""), json::serialize(body),
                        settings_.tls);
  }

  ChatAnswer read(const base::Result<net::HttpResponse>& response,
                  base::WallTime now) const override {
    const AnswerBody body(response);
    ProductError error;
    if (response && response->status >= 400) {
      error.error = body.text("code");
      if (const std::string words = body.text("message"); !words.empty()) {
        error.error += (error.error.empty() ? "" : " ") + words;
      }
      error.retry_after = body.seconds("retry_after");
    }
    ChatAnswer answer = judge(response, now, error, kErrors);
    if (answer.outcome.verdict == Verdict::Delivered) answer.id = body.text("id");
    return answer;
  }

 private:
  static json::object no_mentions() { return {{"parse", json::array()}}; }

  static json::object full(const ChatMessage& message) {
    json::object embed;
    embed["title"] = cut_text(message.title, 256, Measure::Utf16);
    if (!message.link.empty()) embed["url"] = message.link;
    embed["description"] = message.text;
    const std::string_view colour = colour_of(message.mood);
    embed["color"] = std::stol(std::string(colour.substr(1)), nullptr, 16);
    embed["timestamp"] = base::format_rfc3339(message.at);
    json::object body;
    body["content"] = message.emoji + " " + message.title;
    body["embeds"] = json::array{std::move(embed)};
    return body;
  }

  // The webhook's address may have a query of its own.
  std::string url(const std::string& path, const std::string& query) const {
    std::string base = settings_.url.reveal();
    std::string all = query;
    if (const std::size_t mark = base.find('?'); mark != std::string::npos) {
      all += (all.empty() ? "" : "&") + base.substr(mark + 1);
      base.resize(mark);
    }
    if (!settings_.thread_id.empty()) {
      all += (all.empty() ? "thread_id=" : "&thread_id=") + settings_.thread_id;
    }
    return base + path + (all.empty() ? "" : "?" + all);
  }

  DiscordSettings settings_;
};

}  // namespace

std::unique_ptr<Channel> make_channel_of(const DiscordSettings& kind,
                                         const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world) {
  return make_chat_channel(std::make_unique<Discord>(kind), settings, notify, world);
}

}  // namespace tocsin::notify

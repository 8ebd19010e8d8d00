// Zulip: a topic is the thread; the first message is edited as long as the server allows.
//
// Many servers end editing after ten minutes; then the topic gets the whole text again. Source:
// Zulip's REST API, "send a message", "edit a message", "error handling"; a message holds 10,000
// characters, a topic 60.

#include "alertd/notify/chat_channel.h"
#include "alertd/notify/chat_channels.h"
#include "common/base/base64.h"
#include "common/base/strings.h"
#include "common/net/url.h"

namespace tocsin::notify {
namespace {

using Effect = ErrorRule::Effect;

constexpr TextRules kRules{Escaping::Zulip, 300, 9000, Measure::Utf16, false};
constexpr std::size_t kTopicMax = 60;

constexpr ErrorRule kErrors[] = {
    {"RATE_LIMIT_HIT", Verdict::Retry, FailureReason::RateLimited},
    {"UNAUTHORIZED", Verdict::Permanent, FailureReason::Auth, Effect::None,
     "check the bot's email and api_key"},
    {"INVALID_API_KEY", Verdict::Permanent, FailureReason::Auth, Effect::None,
     "check the bot's email and api_key"},
    {"USER_DEACTIVATED", Verdict::Permanent, FailureReason::Auth},
    {"STREAM_DOES_NOT_EXIST", Verdict::Permanent, FailureReason::Refused, Effect::None,
     "check the stream's name; a private one needs the bot as a subscriber"},
    {"BAD_REQUEST Invalid message(s)", Verdict::Permanent, FailureReason::Refused, Effect::Gone},
};

// Fields of a form, percent-encoded.
class Form {
 public:
  void add(std::string_view name, std::string_view value) {
    if (!text_.empty()) text_ += '&';
    text_ += net::percent_encode(name) + "=" + net::percent_encode(value);
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

class Zulip final : public ChatProduct {
 public:
  explicit Zulip(const ZulipSettings& settings) : settings_(settings) {}

  TextRules rules() const override { return kRules; }
  std::string place() const override { return settings_.stream + "/" + settings_.topic; }
  bool threads_by_key() const override { return settings_.topic.empty(); }

  net::HttpRequest post(const ChatMessage& message, Words words,
                        const std::string&) const override {
    Form form;
    form.add("type", "stream");
    form.add("to", settings_.stream);
    form.add("topic", topic(message));
    form.add("content", words == Words::Full ? full(message) : message.emoji + " " + message.brief);
    return call("POST", "/api/v1/messages", form);
  }

  std::optional<net::HttpRequest> edit(const ChatMessage& message,
                                       const std::string& first) const override {
    Form form;
    form.add("content", full(message));
    return call("PATCH", "/api/v1/messages/" + net::percent_encode(first), form);
  }

  ChatAnswer read(const base::Result<net::HttpResponse>& response,
                  base::WallTime now) const override {
    const AnswerBody body(response);
    ProductError error;
    if (body.text("result") != "success" && response) {
      error.error = body.text("code");
      if (error.error == "BAD_REQUEST") error.error += " " + body.text("msg");
      error.retry_after = body.seconds("retry-after");
      if (error.error.empty() && response->status == 200) error.error = "no answer";
    }
    ChatAnswer answer = judge(response, now, error, kErrors);
    if (answer.outcome.verdict == Verdict::Delivered) answer.id = body.text("id");
    return answer;
  }

 private:
  std::string topic(const ChatMessage& message) const {
    if (!settings_.topic.empty()) return settings_.topic;
    if (message.incident_id.empty()) return "Tocsin";
    return cut_text(message.incident_id + " " + message.incident_title, kTopicMax, Measure::Utf16);
  }

  static std::string full(const ChatMessage& message) {
    return message.emoji + " **" + message.title + "**\n" + message.text;
  }

  net::HttpRequest call(const char* method, const std::string& path, Form& form) const {
    net::HttpRequest request;
    request.method = method;
    request.url = settings_.server_url + path;
    request.body = form.take();
    request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
    request.headers.emplace_back(
        "Authorization",
        "Basic " + base::base64(settings_.email + ":" + settings_.api_key.reveal()));
    request.tls = settings_.tls;
    return request;
  }

  ZulipSettings settings_;
};

}  // namespace

std::unique_ptr<Channel> make_channel_of(const ZulipSettings& kind, const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world) {
  return make_chat_channel(std::make_unique<Zulip>(kind), settings, notify, world);
}

}  // namespace tocsin::notify

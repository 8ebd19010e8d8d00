// Slack's incoming webhooks, which Mattermost and Rocket.Chat take too.
//
// "text" is what the phone's notification shows; the rest goes into one attachment, coloured by
// severity. There is no key the receiver could drop repeats by, so a message whose outcome was lost
// says "(may be a repeat)".

#include <boost/json.hpp>

#include "alertd/notify/channels.h"
#include "alertd/notify/http_outcome.h"
#include "alertd/notify/message.h"
#include "common/base/strings.h"

namespace tocsin::notify {
namespace {

namespace json = boost::json;

constexpr std::size_t kTitleMax = 1024;
constexpr std::size_t kTextMax = 3000;  // Slack folds and Mattermost refuses (16383) long ones.
constexpr std::size_t kAnswerBytesMax = 64 << 10;

// Cuts between characters and never inside an escape such as "&lt;".
std::string cut(const std::string& text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  std::size_t end = bytes_max - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U) --end;
  const std::size_t ampersand = text.rfind('&', end);
  if (ampersand != std::string::npos && ampersand + 5 > end && text.find(';', ampersand) >= end) {
    end = ampersand;
  }
  return text.substr(0, end) + "...";
}

std::string_view colour(const incident::Notification& notification) {
  if (notification.kind == incident::NotificationKind::Resolved) return "#2e7d32";
  if (notification.kind == incident::NotificationKind::Test) return "#5b7083";
  switch (notification.incident.severity) {
    case model::Severity::Critical:
      return "#c62828";
    case model::Severity::High:
      return "#d9730d";
    case model::Severity::Medium:
      return "#b58900";
    case model::Severity::Low:
      break;
  }
  return "#5b7083";
}

// Slack answers some mistakes with 200 and {"ok":false,"error":"..."}.
Outcome slack_outcome(const base::Result<net::HttpResponse>& response, base::WallTime now) {
  Outcome outcome = http_outcome(response, now);
  if (outcome.verdict != Verdict::Delivered) return outcome;
  boost::system::error_code bad;
  const json::value answer = json::parse(response->body, bad);
  const json::object* object = bad ? nullptr : answer.if_object();
  const json::value* ok = object == nullptr ? nullptr : object->if_contains("ok");
  if (ok == nullptr || !ok->is_bool() || ok->get_bool()) return outcome;
  const json::value* error = object->if_contains("error");
  const std::string why(error != nullptr && error->is_string()
                            ? std::string_view(error->get_string()).substr(0, 80)
                            : std::string_view("no reason given"));
  const bool limited = why == "ratelimited" || why == "rate_limited";
  const bool auth = why.find("auth") != std::string::npos || why.find("token") != std::string::npos;
  outcome.verdict = limited ? Verdict::Retry : Verdict::Permanent;
  outcome.reason = limited ? FailureReason::RateLimited
                   : auth  ? FailureReason::Auth
                           : FailureReason::Refused;
  outcome.text = "refused: " + base::escape_control(why);
  return outcome;
}

json::object slack_object(const incident::Notification& notification, const SlackSettings& settings,
                          const std::string& title, const std::string& text,
                          const std::string& link) {
  const std::string safe_title = cut(escape(title, Escaping::Slack), kTitleMax);
  json::object attachment;
  attachment["color"] = colour(notification);
  attachment["title"] = safe_title;
  if (!link.empty()) attachment["title_link"] = link;
  attachment["text"] = cut(text, kTextMax);
  attachment["fallback"] = safe_title;
  attachment["footer"] = "Tocsin";
  attachment["ts"] = base::to_ms(notification.created_at) / 1000;
  json::object body;
  body["text"] = safe_title;
  if (!settings.channel.empty()) body["channel"] = settings.channel;
  if (!settings.username.empty()) body["username"] = settings.username;
  if (!settings.icon_emoji.empty()) body["icon_emoji"] = settings.icon_emoji;
  body["attachments"] = json::array{std::move(attachment)};
  return body;
}

// What an alertmanager.yml may fill beyond our own look.
void add_template_fields(json::object& body, const std::map<std::string, std::string>& fields) {
  json::object& attachment = body["attachments"].as_array().at(0).as_object();
  json::array table;
  json::object row;
  for (const auto& [name, text] : fields) {
    if (name == "color" || name == "title_link" || name == "pretext" || name == "footer" ||
        name == "fallback" || name == "image_url" || name == "thumb_url" || name == "callback_id") {
      if (!text.empty()) attachment[name] = cut(text, kTextMax);
    } else if (name == "username" || name == "icon_emoji" || name == "icon_url") {
      if (!text.empty()) body[name] = text;
    } else if (name == "message_text") {
      if (!text.empty()) body["text"] = cut(text, kTextMax);
    } else if (name.starts_with("field.")) {
      // "field.003.short", ".title", ".value": in this order, three for each.
      const std::string part = name.substr(name.rfind('.') + 1);
      if (part == "short") {
        row["short"] = text == "true";
      } else {
        row[part] = cut(text, kTextMax);
      }
      if (part == "value") table.push_back(std::move(row));
      if (part == "value") row = json::object{};
    }
  }
  if (!table.empty()) attachment["fields"] = std::move(table);
}

class SlackChannel final : public Channel {
 public:
  SlackChannel(const ChannelSettings& settings, const NotifySettings& notify,
               const ChannelWorld& world)
      : slack_(std::get<SlackSettings>(settings.kind)),
        timeout_(settings.timeout),
        external_url_(notify.external_url),
        writer_(settings, notify, world.executor.clock()),
        executor_(world.executor),
        client_(world.http),
        failures_(world.metrics, settings) {}

  void send(const incident::Notification& notification, const DeliveryKey& key,
            SendDone done) override {
    Message message = writer_.write(notification, Escaping::Slack, false);
    failures_.note(message.template_failure);
    if (key.maybe_repeated) message.title += " (may be a repeat)";
    net::HttpRequest request;
    request.method = "POST";
    request.url = slack_.url.reveal();
    json::object body = slack_object(notification, slack_, message.title, message.text,
                                     incident_url(notification, external_url_));
    add_template_fields(body, message.fields);
    request.body = json::serialize(body);
    request.headers.emplace_back("Content-Type", "application/json");
    // Slack itself ignores it; a bridge or a bot in its place can drop a repeat by it.
    request.headers.emplace_back("Idempotency-Key", key.value);
    request.tls = slack_.tls;
    request.timeout = timeout_;
    request.response_bytes_max = kAnswerBytesMax;
    client_.send(std::move(request), executor_,
                 [this, done = std::move(done), note = std::move(message.template_failure)](
                     const base::Result<net::HttpResponse>& response) {
                   Outcome outcome = slack_outcome(response, executor_.clock().wall());
                   if (!note.empty()) outcome.text += "; " + note;
                   done(std::move(outcome));
                 });
  }

 private:
  SlackSettings slack_;
  base::Duration timeout_;
  std::string external_url_;
  MessageWriter writer_;
  base::Executor& executor_;
  net::HttpClient& client_;
  TemplateFailures failures_;
};

}  // namespace

std::string slack_body(const incident::Notification& notification, const SlackSettings& settings,
                       const std::string& title, const std::string& text, const std::string& link) {
  return json::serialize(slack_object(notification, settings, title, text, link));
}

std::unique_ptr<Channel> make_channel_of(const SlackSettings&, const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world) {
  return std::make_unique<SlackChannel>(settings, notify, world);
}

}  // namespace tocsin::notify

// The chat channels: one message an incident, what each product is sent, what its answers mean.
#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <deque>

#include "alertd/notify/chat_channels.h"
#include "alertd/notify/test_support.h"
#include "common/base/sim_executor.h"
#include "common/net/url.h"

namespace tocsin::notify {
namespace {

namespace json = boost::json;
using incident::NotificationKind;

/// Answers one request after the other from a list.
class ScriptedHttp final : public net::HttpClient {
 public:
  void send(net::HttpRequest request, base::Executor& reply_on, net::HttpDone done) override {
    requests.push_back(std::move(request));
    REQUIRE_FALSE(answers.empty());
    base::Result<net::HttpResponse> answer = std::move(answers.front());
    answers.pop_front();
    reply_on.post([done = std::move(done), answer] { done(answer); });
  }
  std::vector<net::HttpRequest> requests;
  std::deque<base::Result<net::HttpResponse>> answers;
};

Receipt receipt_of(const std::string& text) {
  Receipt receipt;
  receipt.text = text;
  return receipt;
}

struct World {
  base::SimClock clock{kNow};
  base::SimExecutor executor{clock};
  ScriptedHttp http;
  FakeMail mail;
  base::Metrics metrics;
  TemplateTexts templates;
  std::vector<Receipt> receipts;

  void answer(int status, const std::string& body, net::Headers headers = {}) {
    http.answers.emplace_back(net::HttpResponse{status, std::move(headers), body});
  }

  /// Sends through a channel of this kind and keeps its receipt.
  Outcome send(const ChannelKind& kind, const incident::Notification& notification,
               bool repeated = false) {
    ChannelSettings settings;
    settings.receiver = "ops";
    settings.name = "chat";
    settings.templates = templates;
    settings.kind = kind;
    const NotifySettings notify = notify_settings({settings});
    const auto channel =
        make_channel(settings, notify, {executor, http, mail, metrics, "alerts.example.org"});
    CHECK(channel->wants_receipts());
    std::optional<Outcome> outcome;
    channel->send(notification, {notification.key, repeated, receipts},
                  [&](Outcome result) { outcome = std::move(result); });
    executor.run_ready();
    REQUIRE(outcome);
    CHECK(http.answers.empty());
    if (!outcome->receipt.empty()) {
      receipts.push_back(receipt_of(outcome->receipt));
    }
    return *outcome;
  }

  const net::HttpRequest& last(std::size_t back = 0) const {
    return http.requests.at(http.requests.size() - 1 - back);
  }
  json::object body(std::size_t back = 0) const { return json::parse(last(back).body).as_object(); }
};

std::string header(const net::HttpRequest& request, std::string_view name) {
  for (const auto& [key, value] : request.headers) {
    if (key == name) return value;
  }
  return "(none)";
}

incident::Notification acknowledged() {
  incident::Notification notification = sample_notification(2);
  notification.kind = NotificationKind::Acknowledged;
  notification.reason = incident::Reason::Acknowledged;
  notification.incident.state = incident::IncidentState::Acknowledged;
  notification.incident.acknowledged_by = "eva";
  return notification;
}

incident::Notification resolved() {
  incident::Notification notification = sample_notification(3);
  notification.kind = NotificationKind::Resolved;
  notification.reason = incident::Reason::AllResolved;
  notification.incident.state = incident::IncidentState::Resolved;
  notification.alerts[0].firing = false;
  notification.alerts[0].alert.ends_at = kNow;
  return notification;
}

std::string text_at(const json::object& object, std::string_view key) {
  return std::string(object.at(key).as_string());
}

SlackApiSettings slack_settings() {
  return {"https://slack.com/api", base::Secret("xoxb-1"), "#ops", "", "", {}};
}
const char* const kSlackPosted = R"({"ok":true,"channel":"C1","ts":"1503435956.000247"})";

TEST_CASE("slack: first message, then edits in place and a thread") {
  World world;
  world.answer(200, kSlackPosted);
  const Outcome first = world.send(slack_settings(), sample_notification());
  CHECK(first.verdict == Verdict::Delivered);
  CHECK(first.receipt == R"({"place":"#ops","id":"C1/1503435956.000247"})");
  CHECK(world.last().url == "https://slack.com/api/chat.postMessage");
  CHECK(world.last().bearer_token.reveal() == "xoxb-1");
  json::object body = world.body();
  CHECK(body.at("channel") == "#ops");
  CHECK(text_at(body, "text").ends_with(" [CRITICAL] DiskFull db1 (firing)"));
  CHECK(body.at("attachments").at(0).at("color") == "#c62828");
  CHECK(body.at("attachments").at(0).at("title_link") ==
        "https://tocsin.example.org/incidents/T-1042");
  CHECK_FALSE(body.contains("thread_ts"));

  world.answer(200, kSlackPosted);
  world.answer(200, R"({"ok":true,"channel":"C1","ts":"1503435999.000001"})");
  const Outcome second = world.send(slack_settings(), acknowledged());
  CHECK(second.verdict == Verdict::Delivered);
  CHECK(second.receipt.empty());  // the first message stays the one to edit
  CHECK(world.last(1).url == "https://slack.com/api/chat.update");
  CHECK(world.body(1).at("channel") == "C1");
  CHECK(world.body(1).at("ts") == "1503435956.000247");
  CHECK(world.body(1).at("attachments").at(0).at("color") == "#1565c0");
  CHECK(world.body().at("thread_ts") == "1503435956.000247");
  CHECK(text_at(world.body(), "text").ends_with("DiskFull on db1: acknowledged by eva"));
  CHECK_FALSE(world.body().contains("reply_broadcast"));

  incident::Notification back = sample_notification(4);
  back.kind = NotificationKind::Reopened;
  world.answer(200, kSlackPosted);
  world.answer(200, kSlackPosted);
  world.send(slack_settings(), back);
  CHECK(world.body().at("reply_broadcast") == true);
}

TEST_CASE("slack: errors with status 200") {
  World world;
  const auto send = [&](const std::string& error, int status = 200, net::Headers headers = {}) {
    world.answer(status, R"({"ok":false,"error":")" + error + "\"}", std::move(headers));
    return world.send(slack_settings(), sample_notification());
  };
  const Outcome auth = send("invalid_auth");
  CHECK(auth.verdict == Verdict::Permanent);
  CHECK(auth.reason == FailureReason::Auth);
  CHECK(auth.text == "HTTP 200: invalid_auth (check the bot's token)");
  CHECK(send("channel_not_found").verdict == Verdict::Permanent);
  CHECK(send("something_new").verdict == Verdict::Permanent);
  CHECK(send("fatal_error").verdict == Verdict::Retry);
  const Outcome limited = send("ratelimited", 429, {{"retry-after", "30"}});
  CHECK(limited.verdict == Verdict::Retry);
  CHECK(limited.reason == FailureReason::RateLimited);
  CHECK(limited.retry_after == base::Duration{30'000});
  world.answer(200, "<html>proxy</html>");
  CHECK(world.send(slack_settings(), sample_notification()).verdict == Verdict::Permanent);
  world.answer(503, "");
  CHECK(world.send(slack_settings(), sample_notification()).verdict == Verdict::Retry);
  CHECK(world.receipts.empty());
}

TEST_CASE("a first message that is gone is replaced; one that cannot be edited is told again") {
  World world;
  world.answer(200, kSlackPosted);
  world.send(slack_settings(), sample_notification());
  world.answer(200, R"({"ok":false,"error":"message_not_found"})");
  world.answer(200, R"({"ok":true,"channel":"C1","ts":"2.2"})");
  const Outcome again = world.send(slack_settings(), acknowledged());
  CHECK(again.receipt == R"({"place":"#ops","id":"C1/2.2"})");
  CHECK_FALSE(world.body().contains("thread_ts"));
  CHECK(world.body().contains("attachments"));

  world.answer(200, R"({"ok":false,"error":"edit_window_closed"})");
  world.answer(200, kSlackPosted);
  const Outcome told = world.send(slack_settings(), resolved());
  CHECK(told.verdict == Verdict::Delivered);
  CHECK(told.text == "HTTP 200; first message not edited: HTTP 200: edit_window_closed");
  CHECK(world.body().at("thread_ts") == "2.2");
  CHECK(world.body().contains("attachments"));  // the whole text, not one line

  // 429 between the two: the whole delivery is tried again, and the edit says the same.
  world.answer(200, kSlackPosted);
  world.answer(429, R"({"ok":false,"error":"ratelimited"})");
  CHECK(world.send(slack_settings(), resolved()).verdict == Verdict::Retry);
  world.answer(429, R"({"ok":false,"error":"ratelimited"})");
  CHECK(world.send(slack_settings(), resolved()).verdict == Verdict::Retry);
}

TEST_CASE("another place, a test message, a possible repeat") {
  World world;
  world.receipts = {receipt_of(R"({"place":"#old","id":"C0/1.1"})"), receipt_of("not JSON")};
  world.answer(200, kSlackPosted);
  world.send(slack_settings(), acknowledged());
  CHECK_FALSE(world.body().contains("thread_ts"));
  incident::Notification test = sample_notification();
  test.kind = NotificationKind::Test;
  world.answer(200, kSlackPosted);
  CHECK(world.send(slack_settings(), test).receipt.empty());
  CHECK_FALSE(world.body().contains("thread_ts"));
  world.receipts.clear();
  world.answer(200, kSlackPosted);
  world.send(slack_settings(), sample_notification(), true);
  CHECK(text_at(world.body(), "text").ends_with("(firing) (may be a repeat)"));
}

TelegramSettings telegram_settings() {
  return {"https://api.telegram.org", base::Secret("12:AB"), "-1001", 7, {}};
}

TEST_CASE("telegram: HTML, topic, edit, reply") {
  World world;
  incident::Notification notification = sample_notification();
  notification.common_annotations["summary"] = "a < b & <b>c</b>";
  world.answer(200, R"({"ok":true,"result":{"message_id":42}})");
  CHECK(world.send(telegram_settings(), notification).receipt ==
        R"({"place":"-1001/7","id":"42"})");
  CHECK(world.last().url == "https://api.telegram.org/bot12:AB/sendMessage");
  json::object body = world.body();
  CHECK(body.at("chat_id") == -1001);
  CHECK(body.at("message_thread_id") == 7);
  CHECK(body.at("parse_mode") == "HTML");
  CHECK(text_at(body, "text").find("a &lt; b &amp; &lt;b&gt;c&lt;/b&gt;") != std::string::npos);
  CHECK_FALSE(body.contains("disable_notification"));

  world.answer(400, R"({"ok":false,"description":"Bad Request: message is not modified: x"})");
  world.answer(200, R"({"ok":true,"result":{"message_id":43}})");
  CHECK(world.send(telegram_settings(), resolved()).text == "HTTP 200");
  CHECK(world.last(1).url == "https://api.telegram.org/bot12:AB/editMessageText");
  CHECK(world.body(1).at("message_id") == 42);
  CHECK(world.body().at("reply_parameters").at("message_id") == 42);
  CHECK(world.body().at("disable_notification") == true);
}

TEST_CASE("telegram: what it says, and markup of a template that it refuses") {
  World world;
  world.answer(429, R"({"ok":false,"description":"Too Many Requests: retry after 9",)"
                    R"("parameters":{"retry_after":9}})");
  const Outcome limited = world.send(telegram_settings(), sample_notification());
  CHECK(limited.verdict == Verdict::Retry);
  CHECK(limited.retry_after == base::Duration{9000});
  world.answer(403,
               R"({"ok":false,"description":"Forbidden: bot was kicked from the group chat"})");
  const Outcome kicked = world.send(telegram_settings(), sample_notification());
  CHECK(kicked.verdict == Verdict::Permanent);
  CHECK(kicked.reason == FailureReason::Auth);
  CHECK(kicked.text == "HTTP 403: Forbidden: bot was kicked from the group chat");

  world.templates.text = "<b>open";
  world.answer(400, R"({"ok":false,"description":"Bad Request: can't parse entities: x"})");
  world.answer(200, R"({"ok":true,"result":{"message_id":1}})");
  const Outcome fallback = world.send(telegram_settings(), sample_notification());
  CHECK(fallback.verdict == Verdict::Delivered);
  CHECK(fallback.text == "HTTP 200; the markup was refused; the built-in text was sent");
  CHECK(text_at(world.body(1), "text").ends_with("<b>open"));
  CHECK(text_at(world.body(), "text").find("DiskFull on db1") != std::string::npos);
}

TEST_CASE("matrix: transactions, thread, replacement, no mentions") {
  World world;
  const MatrixSettings settings{"https://m.example.org", base::Secret("syt"), "!r:example.org", {}};
  const incident::Notification first = sample_notification();
  world.answer(200, R"({"event_id":"$one"})");
  CHECK(world.send(settings, first, true).receipt == R"({"place":"!r:example.org","id":"$one"})");
  CHECK(world.last().method == "PUT");
  CHECK(world.last().url ==
        "https://m.example.org/_matrix/client/v3/rooms/%21r%3Aexample.org/send/m.room.message/" +
            first.key);
  CHECK(world.body().at("m.mentions").as_object().empty());
  CHECK(text_at(world.body(), "body").find("repeat") == std::string::npos);  // the server drops it
  CHECK(text_at(world.body(), "body").find("/ on db1 is full") != std::string::npos);
  CHECK(text_at(world.body(), "formatted_body").find("<br>") != std::string::npos);

  const incident::Notification second = acknowledged();
  world.answer(200, R"({"event_id":"$two"})");
  world.answer(200, R"({"event_id":"$three"})");
  world.send(settings, second);
  CHECK(world.last(1).url.ends_with(second.key + "-edit"));
  CHECK(world.body(1).at("m.relates_to").at("rel_type") == "m.replace");
  CHECK(world.body(1).at("m.relates_to").at("event_id") == "$one");
  CHECK(text_at(world.body(1), "body").starts_with("* "));
  CHECK(world.body(1).at("m.new_content").at("msgtype") == "m.text");
  CHECK(world.last().url.ends_with(second.key));
  CHECK(world.body().at("m.relates_to").at("rel_type") == "m.thread");

  world.answer(429, R"({"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":2500})");
  CHECK(world.send(settings, resolved()).retry_after == base::Duration{2500});
  world.receipts.clear();
  world.answer(403, R"({"errcode":"M_FORBIDDEN","error":"not in room"})");
  CHECK(world.send(settings, first).reason == FailureReason::Auth);
}

TEST_CASE("discord: wait, embeds, patch, retry_after in seconds with a fraction") {
  World world;
  const DiscordSettings settings{
      base::Secret("https://discord.com/api/webhooks/1/tok"), "99", "", {}};
  incident::Notification notification = sample_notification();
  notification.common_annotations["summary"] = "@everyone *x* [a](http://b_c.d/e_f)";
  world.answer(200, R"({"id":"555"})");
  world.send(settings, notification);
  CHECK(world.last().url == "https://discord.com/api/webhooks/1/tok?wait=true&thread_id=99");
  CHECK(world.body().at("allowed_mentions").at("parse").as_array().empty());
  const json::value embed = world.body().at("embeds").at(0);
  CHECK(embed.at("color") == 0xc62828);
  const std::string text(embed.at("description").as_string());
  CHECK(text.find("@everyone") == std::string::npos);
  CHECK(text.find("\\*x\\* \\[a\\](http://b_c.d/e_f)") != std::string::npos);
  CHECK(world.receipts.at(0).text.find("tok") == std::string::npos);

  world.answer(200, "{}");
  world.answer(429, R"({"message":"You are being rate limited.","retry_after":0.45})");
  const Outcome limited = world.send(settings, acknowledged());
  CHECK(limited.verdict == Verdict::Retry);
  CHECK(limited.retry_after == base::Duration{450});
  CHECK(world.last(1).method == "PATCH");
  CHECK(world.last(1).url == "https://discord.com/api/webhooks/1/tok/messages/555?thread_id=99");
  CHECK(text_at(world.body(), "content").find("acknowledged by eva") != std::string::npos);
  world.answer(404, R"({"code":10008,"message":"Unknown Message"})");
  world.answer(200, R"({"id":"556"})");
  CHECK(world.send(settings, acknowledged()).receipt.find("556") != std::string::npos);
  world.receipts.clear();
  world.answer(404, R"({"code":10015,"message":"Unknown Webhook"})");
  CHECK(world.send(settings, notification).text ==
        "HTTP 404: 10015 Unknown Webhook (the webhook was deleted)");
}

TEST_CASE("teams: a card of 28 KB at most, without markup") {
  World world;
  incident::Notification notification = sample_notification();
  notification.common_annotations["summary"] = "[x](http://evil) **b**";
  world.answer(202, "");
  const Outcome outcome =
      world.send(TeamsSettings{base::Secret("https://x.logic.azure.com/w"), {}}, notification);
  CHECK(outcome.verdict == Verdict::Delivered);
  CHECK(outcome.receipt.empty());
  const json::value attachment = world.body().at("attachments").at(0);
  CHECK(attachment.at("contentType") == "application/vnd.microsoft.card.adaptive");
  const json::value& card = attachment.at("content");
  CHECK(card.at("version") == "1.4");
  CHECK(card.at("body").at(0).at("style") == "attention");
  for (const json::value& block : card.at("body").as_array()) {
    CHECK(block.at("type") != "TextBlock");  // TextBlocks would read the markup
  }
  CHECK(card.at("actions").at(0).at("url") == "https://tocsin.example.org/incidents/T-1042");

  ChatMessage message;
  message.title = "t";
  message.mood = "low";
  for (int i = 0; i < 5000; ++i) message.text += "line \"" + std::to_string(i) + "\" ä\n";
  const std::string cut = teams_card(message, 28 * 1024);
  CHECK(cut.size() <= 28 * 1024);
  CHECK(cut.size() > 27 * 1024);
  const json::value cut_card = json::parse(cut);
  const json::array& blocks = cut_card.at("attachments").at(0).at("content").at("body").as_array();
  const std::string end(blocks.back().at("inlines").at(0).at("text").as_string());
  CHECK(end == "... and " + std::to_string(5000 - (blocks.size() - 2)) + " more lines");
}

TEST_CASE("mattermost: webhook, and a bot with threads") {
  World world;
  MattermostSettings webhook;
  webhook.url = base::Secret("https://mm.example.org/hooks/abc");
  webhook.channel = "ops";
  world.answer(200, "ok");
  const Outcome sent = world.send(webhook, sample_notification());
  CHECK(sent.verdict == Verdict::Delivered);
  CHECK(sent.receipt.empty());
  CHECK(world.body().at("channel") == "ops");

  MattermostSettings bot;
  bot.server_url = "https://mm.example.org";
  bot.token = base::Secret("tok");
  bot.channel_id = "c2345678901234567890123456";
  world.answer(201, R"({"id":"p1"})");
  world.send(bot, sample_notification());
  CHECK(text_at(world.body(), "channel_id") == bot.channel_id);
  CHECK(world.body().at("props").at("attachments").at(0).at("color") == "#c62828");
  world.answer(200, R"({"id":"p1"})");
  world.answer(201, R"({"id":"p2"})");
  world.send(bot, resolved());
  CHECK(world.last(1).method == "PUT");
  CHECK(world.last(1).url == "https://mm.example.org/api/v4/posts/p1/patch");
  CHECK(world.body(1).at("props").at("attachments").at(0).at("color") == "#2e7d32");
  CHECK(world.body().at("root_id") == "p1");
  world.answer(404, R"({"id":"app.post.get.app_error","status_code":404})");
  world.answer(201, R"({"id":"p3"})");
  CHECK(world.send(bot, resolved()).receipt.find("p3") != std::string::npos);
}

TEST_CASE("rocket.chat: thread, update, a wait that is only said in words") {
  World world;
  const RocketChatSettings settings{
      "https://rc.example.org", "uid", base::Secret("tok"), "#ops", {}};
  world.answer(200, R"({"success":true,"message":{"_id":"m1","rid":"r1"}})");
  world.send(settings, sample_notification());
  CHECK(header(world.last(), "X-Auth-Token") == "tok");
  CHECK(header(world.last(), "X-User-Id") == "uid");
  CHECK(text_at(world.body(), "text").find("\\[CRITICAL\\] DiskFull db1") != std::string::npos);
  world.answer(200, R"({"success":true,"message":{"_id":"m1","rid":"r1"}})");
  world.answer(429,
               R"({"success":false,"error":"Error, too many requests. Please slow down. You must )"
               R"(wait 12 seconds before trying this endpoint again. [error-too-many-requests]"})");
  const Outcome limited = world.send(settings, acknowledged());
  CHECK(limited.retry_after == base::Duration{12'000});
  CHECK(world.body(1).at("roomId") == "r1");
  CHECK(world.body(1).at("msgId") == "m1");
  CHECK(world.body().at("tmid") == "m1");
  for (int i = 0; i < 2; ++i) {
    world.answer(401, R"({"status":"error","message":"You must be logged in to do this."})");
  }
  const Outcome refused = world.send(settings, acknowledged());
  CHECK(refused.verdict == Verdict::Permanent);
}

TEST_CASE("google chat: thread by key, request id, mentions taken apart") {
  World world;
  const GoogleChatSettings settings{
      base::Secret("https://chat.googleapis.com/v1/spaces/A/messages?key=k&token=t"), {}};
  incident::Notification notification = sample_notification();
  notification.common_annotations["summary"] = "<users/all>";
  world.answer(200, "{}");
  CHECK(world.send(settings, notification, true).receipt.empty());
  CHECK(world.last().url ==
        "https://chat.googleapis.com/v1/spaces/A/messages?key=k&token=t&requestId=" +
            notification.key + "&messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD");
  CHECK(world.body().at("thread").at("threadKey") == "tocsin-T-1042");
  CHECK(text_at(world.body(), "text").find("<users/all>") == std::string::npos);
  world.answer(200, "{}");
  world.send(settings, resolved());
  CHECK(text_at(world.body(), "text").find("DiskFull on db1: resolved at 14:48 UTC, was CRITICAL") <
        8);
  world.answer(429, R"({"error":{"code":429,"status":"RESOURCE_EXHAUSTED"}})");
  CHECK(world.send(settings, notification).reason == FailureReason::RateLimited);
}

TEST_CASE("zulip: form, topic of the incident, edit until the server ends it") {
  World world;
  const ZulipSettings settings{
      "https://z.example.org", "bot@example.org", base::Secret("key"), "ops", "", {}};
  world.answer(200, R"({"result":"success","id":42})");
  world.send(settings, sample_notification());
  CHECK(header(world.last(), "Authorization") == "Basic Ym90QGV4YW1wbGUub3JnOmtleQ==");
  net::Query form;
  REQUIRE(net::parse_form(world.last().body, form));
  CHECK(form.find("topic")->second == "T-1042 DiskFull db1");
  CHECK(form.find("type")->second == "stream");
  CHECK(form.find("content")->second.find("/ on db1 is full") != std::string::npos);
  world.answer(400, R"({"result":"error","code":"BAD_REQUEST","msg":"The time limit for editing )"
                    R"(this message has passed"})");
  world.answer(200, R"({"result":"success","id":43})");
  world.send(settings, resolved());
  CHECK(world.last(1).method == "PATCH");
  CHECK(world.last(1).url == "https://z.example.org/api/v1/messages/42");
  form.clear();
  REQUIRE(net::parse_form(world.last().body, form));
  CHECK(form.find("content")->second.find("firing") == std::string::npos);
  CHECK(form.find("content")->second.find("until 14:48 UTC") != std::string::npos);
  world.receipts.clear();
  world.answer(429, R"({"result":"error","code":"RATE_LIMIT_HIT","retry-after":1.5})");
  CHECK(world.send(settings, sample_notification()).retry_after == base::Duration{1500});
}

class FakeIrc final : public net::IrcClient {
 public:
  void send(net::IrcMessage message, base::Duration, base::Executor& reply_on,
            net::TalkDone done) override {
    messages.push_back(std::move(message));
    reply_on.post([done = std::move(done), answer = answer] { done(answer); });
  }
  std::vector<net::IrcMessage> messages;
  base::Result<net::TalkOutcome> answer = net::TalkOutcome{true, false, false, "PONG"};
};

class FakeXmpp final : public net::XmppClient {
 public:
  void send(net::XmppMessage message, base::Duration, base::Executor& reply_on,
            net::TalkDone done) override {
    messages.push_back(std::move(message));
    reply_on.post([done = std::move(done), answer = answer] { done(answer); });
  }
  std::vector<net::XmppMessage> messages;
  base::Result<net::TalkOutcome> answer = net::TalkOutcome{true, false, false, "sent back"};
};

Outcome say(base::SimExecutor& executor, Channel& channel,
            const incident::Notification& notification, bool repeated = false) {
  std::optional<Outcome> outcome;
  channel.send(notification, {notification.key, repeated},
               [&](Outcome result) { outcome = std::move(result); });
  executor.run_ready();
  REQUIRE(outcome);
  return *outcome;
}

TEST_CASE("irc: few lines, the link last, refusals and lost answers") {
  World world;
  ChannelSettings settings;
  IrcSettings irc;
  irc.target = "#ops";
  irc.lines_max = 4;
  settings.kind = irc;
  const NotifySettings notify = notify_settings({settings});
  auto owned = std::make_unique<FakeIrc>();
  FakeIrc& client = *owned;
  const auto channel =
      make_irc_channel(std::move(owned), settings, notify,
                       {world.executor, world.http, world.mail, world.metrics, ""});
  CHECK(say(world.executor, *channel, sample_notification()).text == "IRC: PONG");
  const auto lines = client.messages.at(0).lines;
  REQUIRE(lines.size() == 4);
  CHECK(lines[0].ends_with("[CRITICAL] DiskFull db1 (firing)"));
  CHECK(lines[2].find("more lines)") != std::string::npos);
  CHECK(lines[3] == "https://tocsin.example.org/incidents/T-1042");
  say(world.executor, *channel, acknowledged(), true);
  CHECK(client.messages.at(1).lines.size() == 2);
  CHECK(client.messages.at(1).lines[0].ends_with(
      "DiskFull on db1: acknowledged by eva (may be a repeat)"));
  client.answer = net::TalkOutcome{false, true, true, "475 Bad key"};
  const Outcome refused = say(world.executor, *channel, resolved());
  CHECK(refused.verdict == Verdict::Permanent);
  CHECK(refused.reason == FailureReason::Auth);
  client.answer = base::error(base::ErrorCode::Timeout, "late");
  const Outcome late = say(world.executor, *channel, resolved());
  CHECK(late.verdict == Verdict::Retry);
  CHECK(late.unknown);
}

TEST_CASE("xmpp: the key as id, the incident as thread, no control characters") {
  World world;
  ChannelSettings settings;
  XmppSettings xmpp;
  xmpp.to = "ops@conference.example.org";
  xmpp.is_room = true;
  xmpp.nick = "tocsin";
  settings.kind = xmpp;
  settings.templates.text = "a\x01 {{ .CommonLabels.host }}";
  const NotifySettings notify = notify_settings({settings});
  auto owned = std::make_unique<FakeXmpp>();
  FakeXmpp& client = *owned;
  const auto channel =
      make_xmpp_channel(std::move(owned), settings, notify,
                        {world.executor, world.http, world.mail, world.metrics, ""});
  const incident::Notification notification = sample_notification();
  CHECK(say(world.executor, *channel, notification).verdict == Verdict::Delivered);
  const net::XmppMessage& sent = client.messages.at(0);
  CHECK(sent.id == notification.key);
  CHECK(sent.thread == "T-1042");
  CHECK(sent.is_room);
  CHECK(sent.body.ends_with("(firing)\na  db1"));
  say(world.executor, *channel, resolved());
  CHECK(client.messages.at(1).body.ends_with(
      "was CRITICAL\nhttps://tocsin.example.org/incidents/T-1042"));
}

}  // namespace
}  // namespace tocsin::notify

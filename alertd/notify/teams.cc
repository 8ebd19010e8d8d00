// Microsoft Teams: a workflow that takes an Adaptive Card.
//
// The text goes into RichTextBlocks, one a line: their runs know no markup, so nothing in a label
// can become a link or a mention. A card is at most 28 KB; lines fall away from the end until it
// fits. Workflows return no id: an update is a new card. Source: Adaptive Cards 1.4; Microsoft's
// documentation of incoming webhooks through workflows.

#include <fmt/core.h>

#include <boost/json.hpp>

#include "alertd/notify/chat_channel.h"
#include "alertd/notify/chat_channels.h"
#include "common/base/hash.h"
#include "common/base/strings.h"

namespace tocsin::notify {
namespace {

namespace json = boost::json;

constexpr TextRules kRules{Escaping::None, 250, 20'000, Measure::Bytes, false};
constexpr std::size_t kBodyBytesMax = 28 * 1024 - 512;  // Teams counts what it adds, too

constexpr ErrorRule kErrors[] = {
    // The older connectors put the error into a 200.
    {"Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429",
     Verdict::Retry, FailureReason::RateLimited},
    {"Webhook message delivery failed", Verdict::Permanent, FailureReason::Refused},
    {"DirectApiAuthorizationRequired", Verdict::Permanent, FailureReason::Auth,
     ErrorRule::Effect::None, "the workflow must take requests from anyone, by its address"},
    {"WorkflowTriggerIsNotEnabled", Verdict::Permanent, FailureReason::Refused,
     ErrorRule::Effect::None, "the workflow is switched off"},
};

std::string_view style_of(std::string_view mood) {
  if (mood == "critical") return "attention";
  if (mood == "high" || mood == "medium") return "warning";
  if (mood == "resolved") return "good";
  return "accent";
}

json::object run_block(const std::string& text, std::string_view spacing) {
  json::object run{{"type", "TextRun"}, {"text", text}};
  return {
      {"type", "RichTextBlock"}, {"spacing", spacing}, {"inlines", json::array{std::move(run)}}};
}

json::object title_block(const ChatMessage& message) {
  json::object run{{"type", "TextRun"},
                   {"text", message.emoji + " " + message.title},
                   {"size", "large"},
                   {"weight", "bolder"}};
  json::object block{{"type", "RichTextBlock"}, {"inlines", json::array{std::move(run)}}};
  return {{"type", "Container"},
          {"style", style_of(message.mood)},
          {"bleed", true},
          {"items", json::array{std::move(block)}}};
}

std::string card_with(const ChatMessage& message, const std::vector<std::string>& lines,
                      std::size_t shown) {
  json::array body{title_block(message)};
  for (std::size_t i = 0; i < shown; ++i) {
    if (lines[i].empty()) continue;
    const bool after_gap = i > 0 && lines[i - 1].empty();
    body.push_back(run_block(lines[i], after_gap ? "medium" : "none"));
  }
  if (shown < lines.size()) {
    body.push_back(run_block(fmt::format("... and {} more lines", lines.size() - shown), "medium"));
  }
  json::object card{{"$schema", "http://adaptivecards.io/schemas/adaptive-card.json"},
                    {"type", "AdaptiveCard"},
                    {"version", "1.4"},
                    {"fallbackText", message.title},
                    {"msteams", json::object{{"width", "Full"}}},
                    {"body", std::move(body)}};
  if (!message.link.empty()) {
    card["actions"] = json::array{json::object{
        {"type", "Action.OpenUrl"}, {"title", "Open incident"}, {"url", message.link}}};
  }
  json::object attachment{{"contentType", "application/vnd.microsoft.card.adaptive"},
                          {"content", std::move(card)}};
  return json::serialize(
      json::object{{"type", "message"}, {"attachments", json::array{std::move(attachment)}}});
}

class Teams final : public ChatProduct {
 public:
  explicit Teams(const TeamsSettings& settings) : settings_(settings) {}

  TextRules rules() const override { return kRules; }
  std::string place() const override {
    return base::sha256_hex(settings_.url.reveal()).substr(0, 16);
  }

  net::HttpRequest post(const ChatMessage& message, Words, const std::string&) const override {
    return json_request("POST", settings_.url.reveal(), teams_card(message, kBodyBytesMax),
                        settings_.tls);
  }

  ChatAnswer read(const base::Result<net::HttpResponse>& response,
                  base::WallTime now) const override {
    const AnswerBody body(response);
    ProductError error{body.text("error/code"), base::Duration{0}};
    if (response && response->body.starts_with("Webhook message delivery failed")) {
      error.error = response->body.substr(0, 200);
    }
    return judge(response, now, error, kErrors);
  }

 private:
  TeamsSettings settings_;
};

}  // namespace

std::string teams_card(const ChatMessage& message, std::size_t bytes_max) {
  std::vector<std::string> lines;
  base::for_each_line(message.text, [&](std::string_view line) { lines.emplace_back(line); });
  std::size_t shown = lines.size();
  std::string card = card_with(message, lines, shown);
  while (card.size() > bytes_max && shown > 0) {
    // Not one line at a time: a long text would be written out again for each.
    const std::size_t excess = card.size() - bytes_max;
    std::size_t dropped = 0;
    while (shown > 0 && dropped < excess) {
      --shown;
      dropped += json::serialize(run_block(lines[shown], "none")).size() + 1;
    }
    card = card_with(message, lines, shown);
  }
  return card;
}

std::unique_ptr<Channel> make_channel_of(const TeamsSettings& kind, const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world) {
  return make_chat_channel(std::make_unique<Teams>(kind), settings, notify, world);
}

}  // namespace tocsin::notify

#include "alertd/notify/chat_text.h"

#include <fmt/core.h>

#include <algorithm>

#include "common/base/strings.h"

namespace tocsin::notify {
namespace {

using incident::Notification;
using incident::NotificationKind;

bool continues_character(char c) {
  return (static_cast<unsigned char>(c) & 0xc0U) == 0x80U;
}

// Steps back from `end` to a place where nothing is torn apart.
std::size_t whole_end(std::string_view text, std::size_t end) {
  while (end > 0 && end < text.size() && continues_character(text[end])) --end;
  const std::size_t ampersand = text.substr(0, end).rfind('&');
  if (ampersand != std::string_view::npos && ampersand + 6 > end) {
    const std::size_t semicolon = text.find(';', ampersand);
    if (semicolon != std::string_view::npos && semicolon >= end && semicolon < ampersand + 7) {
      end = ampersand;
    }
  }
  std::size_t slashes = 0;
  while (slashes < end && text[end - 1 - slashes] == '\\') ++slashes;
  return end - slashes % 2;
}

std::string_view mood_of(const Notification& notification) {
  switch (notification.kind) {
    case NotificationKind::Resolved:
      return "resolved";
    case NotificationKind::Acknowledged:
      return "acknowledged";
    case NotificationKind::Test:
      return "test";
    default:
      break;
  }
  if (notification.incident.state == incident::IncidentState::Acknowledged) return "acknowledged";
  if (notification.kind == NotificationKind::News &&
      notification.incident.state == incident::IncidentState::Resolved) {
    return "resolved";
  }
  return model::to_string(notification.incident.severity);
}

std::string_view emoji_of(std::string_view mood) {
  if (mood == "critical") return "\U0001F534";      // red dot
  if (mood == "high") return "\U0001F7E0";          // orange dot
  if (mood == "medium") return "\U0001F7E1";        // yellow dot
  if (mood == "low") return "\U0001F535";           // blue dot
  if (mood == "acknowledged") return "\U0001F440";  // eyes
  if (mood == "resolved") return "\u2705";          // tick
  return "\U0001F514";                              // bell
}

// For the thread: what changed, and how many there are.
std::string brief_of(const Notification& notification) {
  std::string text = headline(notification);
  if (!notification.incident.comment.empty()) {
    text += "\n" + base::escape_control(notification.incident.comment.substr(0, 300));
  }
  if (notification.kind != NotificationKind::Update) return text;
  const auto firing = std::count_if(notification.alerts.begin(), notification.alerts.end(),
                                    [](const incident::NotifiedAlert& one) { return one.firing; });
  const std::size_t over = notification.alerts.size() - static_cast<std::size_t>(firing);
  text += fmt::format("\n{} firing", firing);
  if (over > 0) text += fmt::format(", {} resolved", over);
  if (notification.truncated_alerts > 0)
    text += fmt::format(" and {} more", notification.truncated_alerts);
  return text + fmt::format(" ({})", describe(notification.reason));
}

// The built-in text with as many alerts as fit.
std::string built_in(const Notification& notification, const std::string& external_url,
                     const TextRules& rules, Escaping escaping) {
  std::string text;
  for (const std::size_t alerts : {20, 12, 8, 5, 3, 1, 0}) {
    text = escape(default_text(notification, external_url, alerts), escaping);
    if (length_of(text, rules.measure) <= rules.text_max) return text;
  }
  return cut_text(text, rules.text_max, rules.measure);
}

// The receiver's own text: cut with a word about what is missing. Cut HTML may leave marks open, so
// there the built-in text stands in.
std::string fit_own(ChatMessage& message, const std::string& text, const Notification& notification,
                    const std::string& external_url, const TextRules& rules) {
  if (length_of(text, rules.measure) <= rules.text_max) return text;
  if (rules.escaping == Escaping::Html) {
    if (!message.template_failure.empty()) message.template_failure += "; ";
    message.template_failure +=
        fmt::format("the text is longer than {}; the built-in one was sent", rules.text_max);
    return built_in(notification, external_url, rules, rules.escaping);
  }
  const std::string hint = fmt::format("\n(cut; {} alerts in all)",
                                       notification.alerts.size() + notification.truncated_alerts);
  return cut_text(text, rules.text_max - hint.size(), rules.measure) + hint;
}

}  // namespace

std::size_t length_of(std::string_view text, Measure measure) {
  if (measure == Measure::Bytes) return text.size();
  std::size_t units = 0;
  for (const char c : text) {
    if (!continues_character(c)) units += static_cast<unsigned char>(c) >= 0xf0 ? 2 : 1;
  }
  return units;
}

std::string cut_text(const std::string& text, std::size_t max, Measure measure) {
  if (length_of(text, measure) <= max) return text;
  if (max <= 3) return std::string(max, '.');
  std::size_t end = 0;
  std::size_t used = 0;
  while (end < text.size()) {
    std::size_t next = end + 1;
    while (next < text.size() && continues_character(text[next])) ++next;
    used += length_of(std::string_view(text).substr(end, next - end), measure);
    if (used > max - 3) break;
    end = next;
  }
  return text.substr(0, whole_end(text, end)) + "...";
}

bool says_all(const incident::Notification& notification) {
  using incident::NotificationKind;
  return notification.kind == NotificationKind::Firing ||
         notification.kind == NotificationKind::Summary || notification.words_only() ||
         notification.kind == NotificationKind::Test;
}

std::string_view colour_of(std::string_view mood) {
  if (mood == "critical") return "#c62828";
  if (mood == "high") return "#d9730d";
  if (mood == "medium") return "#b58900";
  if (mood == "acknowledged") return "#1565c0";
  if (mood == "resolved") return "#2e7d32";
  return "#5b7083";
}

ChatMessage chat_message(const MessageWriter& writer, const Notification& notification,
                         const std::string& external_url, const TextRules& rules,
                         bool maybe_repeated) {
  ChatMessage message;
  Message words = writer.write(notification, rules.escaping, false);
  message.template_failure = std::move(words.template_failure);
  if (maybe_repeated) words.title += " (may be a repeat)";
  message.key = notification.key;
  message.plain_title = cut_text(words.title, rules.title_max, rules.measure);
  message.title = cut_text(escape(words.title, rules.escaping), rules.title_max, rules.measure);
  message.text = words.own_text ? fit_own(message, words.text, notification, external_url, rules)
                                : built_in(notification, external_url, rules, rules.escaping);
  const std::string brief = brief_of(notification) + (maybe_repeated ? " (may be a repeat)" : "");
  message.plain_brief = cut_text(brief, rules.text_max, rules.measure);
  message.brief = cut_text(escape(brief, rules.escaping), rules.text_max, rules.measure);
  if (rules.plain_too) {
    const Message plain = writer.write(notification, Escaping::None, false);
    message.plain_text = plain.own_text
                             ? cut_text(plain.text, rules.text_max, rules.measure)
                             : built_in(notification, external_url, rules, Escaping::None);
  }
  message.link = incident_url(notification, external_url);
  message.mood = mood_of(notification);
  message.emoji = emoji_of(message.mood);
  message.thread_key = notification.thread_key;
  message.incident_id = one_line(notification.incident.id);
  message.incident_title = one_line(notification.incident.title);
  message.at = notification.created_at;
  message.loud = notification.kind == NotificationKind::Reopened ||
                 notification.reason == incident::Reason::SeverityRaised ||
                 notification.reason == incident::Reason::AckExpired ||
                 notification.reason == incident::Reason::SnoozeEnded ||
                 notification.reason == incident::Reason::Escalated;
  return message;
}

}  // namespace tocsin::notify

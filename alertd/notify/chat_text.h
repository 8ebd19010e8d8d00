// The words of a chat message, cut to what the product takes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "alertd/notify/message.h"

namespace tocsin::notify {

/// How a product counts the length of a text.
enum class Measure {
  Bytes,
  Utf16,  ///< Units of UTF-16; never less than the number of characters.
};

std::size_t length_of(std::string_view text, Measure measure);

/// Returns the text, or as much of it as fits and "...". Cuts between characters, and never inside
/// an escape such as "&lt;" or "\*".
std::string cut_text(const std::string& text, std::size_t max, Measure measure);

/// What a product can show.
struct TextRules {
  Escaping escaping = Escaping::None;
  std::size_t title_max = 250;
  std::size_t text_max = 3000;
  Measure measure = Measure::Bytes;
  /// Also write the text without escaping: ChatMessage::plain_text.
  bool plain_too = false;
};

/// One message, ready for a product to put into its request. All but the plain_ ones is escaped.
struct ChatMessage {
  std::string key;  ///< The delivery's: the same on every attempt.
  std::string title;
  std::string text;         ///< Several lines; the incident's address is among them.
  std::string brief;        ///< One or two lines for the thread.
  std::string plain_title;  ///< For pushes and fallbacks; one line.
  std::string plain_text;
  std::string plain_brief;
  std::string link;   ///< The incident's address; may be empty.
  std::string emoji;  ///< A coloured dot for the severity, a tick when resolved.
  std::string_view
      mood;  ///< "critical", "high", "medium", "low", "acknowledged", "resolved", "test"
  std::string thread_key;
  std::string incident_id;
  std::string incident_title;  ///< As it is, on one line.
  base::WallTime at;
  bool loud = false;  ///< It came back or became worse: also those who left the thread should see.
  std::string template_failure;
};

/// Returns whether the message has to say everything: it is the first of its incident, or stands
/// alone. Others add to what was said.
bool says_all(const incident::Notification& notification);

/// Returns the colour of a mood, "#rrggbb".
std::string_view colour_of(std::string_view mood);

/// Writes the message. `maybe_repeated` is said in the title. Text that is too long loses alerts
/// first, and says how many.
ChatMessage chat_message(const MessageWriter& writer, const incident::Notification& notification,
                         const std::string& external_url, const TextRules& rules,
                         bool maybe_repeated);

}  // namespace tocsin::notify

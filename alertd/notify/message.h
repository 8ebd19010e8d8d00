// From a Notification to the words a person reads.
//
// The built-in texts are written for a lock screen: the first line says what, where, how bad, since
// when and how much. A receiver may bring templates in Go's language over Alertmanager's data; one
// that fails while it runs is replaced by the built-in text, because a page with plain words beats
// no page.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "alertd/incident/notification.h"
#include "alertd/notify/receivers.h"
#include "common/base/clock.h"
#include "common/gotemplate/template.h"

namespace tocsin::notify {

/// Parses a template of a receiver with the functions that messages have, and the shared
/// definitions. Errors: InvalidArgument ("line:column: message").
base::Result<gotemplate::Template> parse_message_template(
    std::string_view text, const std::vector<std::string>& definitions,
    const base::Clock* clock = nullptr);

/// How text from labels must be written in the place it goes to.
enum class Escaping {
  None,
  Html,
  Slack,     ///< Slack's mrkdwn.
  Markdown,  ///< Mattermost, Rocket.Chat, Discord: backslashes; no mention works.
  Zulip,     ///< Knows no backslash escapes: mentions and links are taken apart.
  Google,    ///< Google Chat: "<users/all>" and "<url|text>" are taken apart.
};

/// Returns the text with what the place treats as markup made harmless.
std::string escape(std::string_view text, Escaping escaping);

/// Returns the text on one line: control characters become spaces. For subjects and headers.
std::string one_line(std::string_view text);

/// Returns Alertmanager's template data: Receiver, Status, Alerts (with .Firing and .Resolved),
/// GroupLabels, CommonLabels, CommonAnnotations, ExternalURL, NotificationReason; and ours:
/// Incident, Kind, Severity, TruncatedAlerts, Note, Drill, Members and TruncatedMembers (of a
/// summary). All strings are escaped.
gotemplate::Value message_data(const incident::Notification& notification,
                               const std::string& external_url, Escaping escaping);

/// The finished words.
struct Message {
  std::string title;  ///< One line.
  std::string text;
  std::string html;       ///< Only if asked for.
  bool own_text = false;  ///< `text` came from the receiver's template.
  /// The other places that templates filled (TemplateTexts::fields); without those that failed.
  std::map<std::string, std::string> fields = {};
  /// What went wrong in a template, if the built-in text had to stand in.
  std::string template_failure;

  /// Returns the field's text, or `otherwise` if no template filled it.
  std::string field(const std::string& name, std::string_view otherwise) const;
};

/// Returns the incident's address, or "" if the daemon has none.
std::string incident_url(const incident::Notification& notification,
                         const std::string& external_url);

/// Returns the link that acknowledges the incident without a login, or "" if there is none.
std::string ack_url(const incident::Notification& notification, const std::string& external_url);

/// Built-in texts. `text`'s first line stands alone.
std::string default_title(const incident::Notification& notification);
/// Returns the first line of default_text: what, where, how bad, since when; or who acknowledged.
std::string headline(const incident::Notification& notification);
std::string default_text(const incident::Notification& notification,
                         const std::string& external_url, std::size_t alerts_shown_max = 20);
std::string default_html(const incident::Notification& notification,
                         const std::string& external_url);

/// Writes the messages of one channel. Thread: any; immutable.
class MessageWriter {
 public:
  /// `settings` was checked by read_notify_settings; a template that still does not parse counts as
  /// one that fails.
  MessageWriter(const ChannelSettings& settings, const NotifySettings& notify,
                const base::Clock& clock);

  /// `text_escaping` is what the channel's text format needs; HTML is always escaped as such.
  Message write(const incident::Notification& notification, Escaping text_escaping,
                bool with_html) const;

 private:
  struct Part {
    std::optional<gotemplate::Template> parsed;
    std::string failure;
  };
  enum class Empty { Refused, Allowed };
  Part parse(const std::string& text, const NotifySettings& notify, const base::Clock& clock) const;
  /// Returns nullopt if there is no template or it failed; then `failure` says why.
  static std::optional<std::string> run(const Part& part, const gotemplate::Value& data,
                                        std::string_view name, std::string& failure,
                                        Empty empty = Empty::Refused);

  std::string external_url_;
  Part title_;
  Part text_;
  Part html_;
  std::map<std::string, Part> fields_;
};

}  // namespace tocsin::notify

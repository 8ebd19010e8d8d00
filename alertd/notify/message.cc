#include "alertd/notify/message.h"

#include <fmt/core.h>

#include "common/base/strings.h"
#include "common/gotemplate/escape.h"
#include "common/timezone/offset.h"

namespace tocsin::notify {
namespace {

using gotemplate::Map;
using gotemplate::Value;

constexpr std::size_t kTitleBytesMax = 250;
constexpr gotemplate::Limits kLimits{200'000, 64 << 10};
constexpr gotemplate::Limits kPayloadLimits{2'000'000, 1 << 20};  // a whole body, of many alerts

// Cuts at a character's start.
std::string cut(std::string text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  std::size_t end = bytes_max - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U) --end;
  return text.substr(0, end) + "...";
}

// {{ tz "Europe/Berlin" .StartsAt }}
base::Result<Value> in_zone(const std::vector<Value>& arguments) {
  const std::string* name = arguments.empty() ? nullptr : arguments[0].string();
  const Map* time = arguments.size() == 2 ? arguments[1].map() : nullptr;
  const auto found =
      time == nullptr ? Map::const_iterator{} : time->find(gotemplate::method_key("UnixMilli"));
  if (name == nullptr || time == nullptr || found == time->end()) {
    return base::error(base::ErrorCode::InvalidArgument, "tz needs a zone's name and a time");
  }
  TC_TRY(const Value ms, (*found->second.function())({}));
  const base::WallTime at = base::wall_time(*ms.integer());
  TC_TRY(timezone::Offset offset, timezone::offset_at(*name, at));
  const gotemplate::ZoneOffset written{offset.seconds, std::move(offset.abbreviation)};
  return gotemplate::time_value(at, written);
}

// "now" and "since" need a clock; without one (checks at load) they only have to exist.
gotemplate::Functions message_functions(const base::Clock* clock) {
  gotemplate::Functions functions = gotemplate::standard_functions();
  const auto now = [clock] { return clock == nullptr ? base::wall_time(0) : clock->wall(); };
  functions["now"] = [now](const std::vector<Value>&) -> base::Result<Value> {
    return gotemplate::time_value(now());
  };
  functions["since"] = [now](const std::vector<Value>& arguments) -> base::Result<Value> {
    const Map* time = arguments.size() == 1 ? arguments[0].map() : nullptr;
    const auto found =
        time == nullptr ? Map::const_iterator{} : time->find(gotemplate::method_key("UnixMilli"));
    if (time == nullptr || found == time->end()) {
      return base::error(base::ErrorCode::InvalidArgument, "since needs a time");
    }
    TC_TRY(const Value ms, (*found->second.function())({}));
    return gotemplate::duration_value(static_cast<double>(base::to_ms(now()) - *ms.integer()) /
                                      1000.0);
  };
  functions["tz"] = in_zone;
  functions["tmpl"] = functions["title"];  // turns the word on, whatever it holds
  return functions;
}

}  // namespace

base::Result<gotemplate::Template> parse_message_template(
    std::string_view text, const std::vector<std::string>& definitions, const base::Clock* clock) {
  TC_TRY(auto parsed, gotemplate::Template::parse(text, message_functions(clock)));
  for (const std::string& definition : definitions) TC_TRY(parsed.add_definitions(definition));
  return parsed;
}

std::string one_line(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) c = ' ';
  }
  return std::string(base::trim(out));
}

std::string incident_url(const incident::Notification& notification,
                         const std::string& external_url) {
  if (external_url.empty() || notification.incident.url_path.empty()) return {};
  return external_url + notification.incident.url_path;
}

std::string ack_url(const incident::Notification& notification, const std::string& external_url) {
  if (external_url.empty() || notification.ack_path.empty()) return {};
  return external_url + notification.ack_path;
}

MessageWriter::MessageWriter(const ChannelSettings& settings, const NotifySettings& notify,
                             const base::Clock& clock)
    : external_url_(notify.external_url),
      title_(parse(settings.templates.title, notify, clock)),
      text_(parse(settings.templates.text, notify, clock)),
      html_(parse(settings.templates.html, notify, clock)) {
  for (const auto& [name, text] : settings.templates.fields) {
    fields_[name] = parse(text, notify, clock);
  }
}

std::string Message::field(const std::string& name, std::string_view otherwise) const {
  const auto found = fields.find(name);
  return found == fields.end() ? std::string(otherwise) : found->second;
}

MessageWriter::Part MessageWriter::parse(const std::string& text, const NotifySettings& notify,
                                         const base::Clock& clock) const {
  Part part;
  if (text.empty()) return part;
  auto parsed = parse_message_template(text, notify.definitions, &clock);
  if (parsed) {
    part.parsed = std::move(*parsed);
  } else {
    part.failure = parsed.error().message;
  }
  return part;
}

std::optional<std::string> MessageWriter::run(const Part& part, const Value& data,
                                              std::string_view name, std::string& failure,
                                              Empty empty) {
  const auto failed = [&](const std::string& why) {
    if (!failure.empty()) failure += "; ";
    failure += fmt::format("template '{}' failed at {}", name, why);
  };
  if (!part.failure.empty()) failed(part.failure);
  if (!part.parsed) return std::nullopt;
  auto result = part.parsed->execute(data, {}, gotemplate::MissingKey::Zero,
                                     name == "payload" ? kPayloadLimits : kLimits);
  if (!result) {
    failed(result.error().message);
    return std::nullopt;
  }
  if (empty == Empty::Refused && base::trim(*result).empty()) {
    failed("its end: the text is empty");
    return std::nullopt;
  }
  return std::move(*result);
}

Message MessageWriter::write(const incident::Notification& notification, Escaping text_escaping,
                             bool with_html) const {
  Message message;
  if (notification.words_only()) {
    // A receiver's own templates are made for alerts, and might show what outsiders must not see.
    message.title = cut(one_line(default_title(notification)), kTitleBytesMax);
    message.text = escape(default_text(notification, external_url_), text_escaping);
    if (with_html) message.html = default_html(notification, external_url_);
    if (const auto url = fields_.find("url"); url != fields_.end()) {  // where it goes to
      const Value data = message_data(notification, external_url_, Escaping::None);
      message.fields["url"] = run(url->second, data, "url", message.template_failure).value_or("");
    }
    return message;
  }
  std::string& failure = message.template_failure;
  const bool custom = title_.parsed || text_.parsed || html_.parsed || !fields_.empty();
  const Value plain = custom ? message_data(notification, external_url_, Escaping::None) : Value();
  auto title = run(title_, plain, "title", failure);
  message.title = cut(one_line(title ? *title : default_title(notification)), kTitleBytesMax);

  const Value escaped = custom && text_escaping != Escaping::None
                            ? message_data(notification, external_url_, text_escaping)
                            : plain;
  auto text = run(text_, escaped, "text", failure);
  message.own_text = text.has_value();
  message.text =
      text ? std::move(*text) : escape(default_text(notification, external_url_), text_escaping);

  for (const auto& [name, part] : fields_) {
    // A field may be empty: the title and the text may not.
    if (auto words = run(part, escaped, name, failure, Empty::Allowed)) {
      message.fields[name] = std::move(*words);
    }
  }

  if (!with_html) return message;
  const Value html_data =
      html_.parsed ? message_data(notification, external_url_, Escaping::Html) : Value();
  auto html = run(html_, html_data, "html", failure);
  // Own words in the text and the built-in look in the HTML would contradict each other.
  if (html) {
    message.html = std::move(*html);
  } else if (!text_.parsed && failure.empty()) {
    message.html = default_html(notification, external_url_);
  }
  return message;
}

}  // namespace tocsin::notify

// ntfy: a POST of the text to the topic; everything else is headers.
//
// A header is ASCII on one line, so words that are not are encoded (RFC 2047), which ntfy decodes.
// Newer servers replace a message that carries the same sequence id: one notification an incident.
// Beyond 4096 bytes ntfy makes an attachment of the text, which nobody reads on a lock screen.

#include <algorithm>

#include "alertd/notify/http_channel.h"
#include "alertd/notify/pager_channels.h"
#include "common/base/base64.h"
#include "common/base/strings.h"
#include "common/net/url.h"

namespace tocsin::notify {
namespace {

using incident::Notification;
using incident::NotificationKind;

constexpr std::size_t kTextBytesMax = 4096;
constexpr std::size_t kTitleBytesMax = 250;
constexpr std::size_t kSequenceMax = 64;

std::string header_text(std::string_view text) {
  const bool ascii = std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x7f;
  });
  if (ascii && text.find("=?") == std::string_view::npos) return std::string(text);
  return "=?UTF-8?B?" + base::base64(text) + "?=";
}

std::string_view priority(const Notification& notification) {
  if (notification.kind == NotificationKind::Resolved ||
      notification.kind == NotificationKind::Acknowledged) {
    return "3";
  }
  static constexpr std::string_view kPriorities[] = {"2", "3", "4", "5"};
  return kPriorities[static_cast<std::size_t>(notification.incident.severity)];
}

// The first tag that names an emoji is shown as one.
std::string_view sign(const Notification& notification) {
  if (notification.kind == NotificationKind::Resolved) return "white_check_mark";
  if (notification.kind == NotificationKind::Acknowledged) return "eyes";
  if (notification.kind == NotificationKind::Test) return "test_tube";
  static constexpr std::string_view kSigns[] = {"information_source", "warning", "orange_circle",
                                                "rotating_light"};
  return kSigns[static_cast<std::size_t>(notification.incident.severity)];
}

bool is_sequence_id(std::string_view text) {
  return !text.empty() && text.size() <= kSequenceMax &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_';
         });
}

class NtfyChannel final : public HttpChannel {
 public:
  NtfyChannel(const NtfySettings& kind, const ChannelParts& parts)
      : HttpChannel(parts, Service::Ntfy), ntfy_(kind) {}

 protected:
  base::Result<std::vector<net::HttpRequest>> requests(const Notification& notification,
                                                       const DeliveryKey& key,
                                                       const Message& message) override {
    net::HttpRequest request;
    request.method = "POST";
    request.url = ntfy_.url + '/' + net::percent_encode(ntfy_.topic);
    request.body = cut_bytes(message.text, kTextBytesMax);
    const std::string repeat = key.maybe_repeated ? " (may be a repeat)" : "";
    auto& headers = request.headers;
    headers.emplace_back("Content-Type", "text/plain; charset=utf-8");
    headers.emplace_back("Title", header_text(cut_bytes(message.title, kTitleBytesMax) + repeat));
    headers.emplace_back("Priority", priority(notification));
    std::string tags(sign(notification));
    for (const std::string& tag : ntfy_.tags) tags += ',' + tag;
    headers.emplace_back("Tags", header_text(tags));
    const std::string link = incident_url(notification, external_url());
    if (!link.empty()) {
      headers.emplace_back("Click", header_text(link));
      headers.emplace_back("Actions", header_text(actions(notification, link)));
    }
    if (notification.kind != NotificationKind::Test && is_sequence_id(notification.incident.id)) {
      headers.emplace_back("X-Sequence-ID", notification.incident.id);
    }
    add_access(request, ntfy_.access);
    return std::vector{std::move(request)};
  }

 private:
  // The page behind the link asks before it acts: a phone fetches links nobody touched.
  static std::string actions(const Notification& notification, const std::string& link) {
    if (!notification.firing() || notification.incident.state != incident::IncidentState::Open) {
      return "view, Open incident, \"" + link + '"';
    }
    return "view, Acknowledge, \"" + link + "#acknowledge\"; view, Open incident, \"" + link + '"';
  }

  NtfySettings ntfy_;
};

}  // namespace

std::unique_ptr<Channel> make_channel_of(const NtfySettings& kind, const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world) {
  return std::make_unique<NtfyChannel>(kind, ChannelParts{settings, notify, world});
}

}  // namespace tocsin::notify

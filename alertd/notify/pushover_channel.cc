// Pushover: Critical rings again and again (priority 2) until somebody acknowledges on the phone.
//
// What rings is found again by a tag made of the incident's id: an acknowledgement or the end of
// the incident first stops the ringing (cancel_by_tag), then says why. Limits: title 250
// characters, message 1024, url 512; retry at least 30 s, expire at most 3 hours.

#include <fmt/core.h>

#include "alertd/notify/http_channel.h"
#include "alertd/notify/pager_channels.h"
#include "common/net/url.h"

namespace tocsin::notify {
namespace {

using incident::Notification;
using incident::NotificationKind;

constexpr std::size_t kTitleMax = 250;
constexpr std::size_t kMessageMax = 1024;
constexpr std::size_t kUrlMax = 512;

std::string tag_of(const Notification& notification) {
  std::string tag = "tocsin_" + notification.incident.id;
  for (char& c : tag) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_';
    if (!plain) c = '_';
  }
  return tag.substr(0, 64);
}

bool is_over(const Notification& notification) {
  return notification.kind == NotificationKind::Resolved ||
         notification.kind == NotificationKind::Acknowledged;
}

class PushoverChannel final : public HttpChannel {
 public:
  PushoverChannel(const PushoverSettings& kind, const ChannelParts& parts)
      : HttpChannel(parts, Service::Pushover), pushover_(kind) {}

 protected:
  base::Result<std::vector<net::HttpRequest>> requests(const Notification& notification,
                                                       const DeliveryKey& key,
                                                       const Message& message) override {
    std::vector<net::HttpRequest> list;
    if (is_over(notification)) {
      list.push_back(post(fmt::format("/1/receipts/cancel_by_tag/{}.json",
                                      net::percent_encode(tag_of(notification))),
                          {{"token", pushover_.token.reveal()}}));
    }
    std::vector<std::pair<std::string, std::string>> fields;
    const auto add = [&fields](const char* name, std::string value) {
      if (!value.empty()) fields.emplace_back(name, std::move(value));
    };
    add("token", pushover_.token.reveal());
    add("user", pushover_.user.reveal());
    add("device", pushover_.device);
    const std::string repeat = key.maybe_repeated ? "(may be a repeat) " : "";
    add("title", cut_characters(repeat + message.title, kTitleMax));
    add("message", cut_characters(message.text, kMessageMax));
    const std::string priority =
        message.field("priority", std::to_string(priority_of(notification)));
    add("priority", priority);
    if (priority == "2") add_emergency(fields, notification);
    add("sound", message.field("sound", pushover_.sound));
    const std::string link = message.field("url", incident_url(notification, external_url()));
    if (!link.empty() && link.size() <= kUrlMax) {
      add("url", link);
      add("url_title", message.field("url_title", "Incident"));
    }
    add("timestamp", std::to_string(base::to_ms(notification.created_at) / 1000));
    list.push_back(post("/1/messages.json", fields));
    return list;
  }

 private:
  int priority_of(const Notification& notification) const {
    if (is_over(notification)) return 0;
    if (notification.kind == NotificationKind::Test) return 0;
    switch (notification.incident.severity) {
      case model::Severity::Critical: {
        // Somebody is at it already: tell, but do not ring.
        const bool open = notification.incident.state == incident::IncidentState::Open;
        return pushover_.emergency && open ? 2 : 1;
      }
      case model::Severity::High:
        return 1;
      case model::Severity::Medium:
        return 0;
      case model::Severity::Low:
        break;
    }
    return -1;
  }

  void add_emergency(std::vector<std::pair<std::string, std::string>>& fields,
                     const Notification& notification) const {
    const auto seconds = [](base::Duration duration) {
      return std::to_string(duration.count() / 1000);
    };
    fields.emplace_back("retry", seconds(pushover_.retry));
    fields.emplace_back("expire", seconds(pushover_.expire));
    fields.emplace_back("tags", tag_of(notification));
  }

  net::HttpRequest post(const std::string& path,
                        const std::vector<std::pair<std::string, std::string>>& fields) const {
    net::HttpRequest request;
    request.method = "POST";
    request.url = pushover_.url + path;
    request.body = form(fields);
    request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
    request.tls = pushover_.tls;
    return request;
  }

  PushoverSettings pushover_;
};

}  // namespace

std::unique_ptr<Channel> make_channel_of(const PushoverSettings& kind,
                                         const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world) {
  return std::make_unique<PushoverChannel>(kind, ChannelParts{settings, notify, world});
}

}  // namespace tocsin::notify

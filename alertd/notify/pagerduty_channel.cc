// PagerDuty, Events API v2: trigger, acknowledge and resolve of one dedup_key.
//
// The key is the incident's, so a repeated event changes nothing there, and whatever happens to the
// incident shows in one place. Limits: summary 1024 characters, the event 512 KB; dedup_key 255.

#include <fmt/core.h>

#include <boost/json.hpp>

#include "alertd/notify/http_channel.h"
#include "alertd/notify/pager_channels.h"

namespace tocsin::notify {
namespace {

namespace json = boost::json;
using incident::Notification;
using incident::NotificationKind;

constexpr std::size_t kSummaryMax = 1024;
constexpr std::size_t kKeyMax = 255;
constexpr std::size_t kEventBytesMax = 512'000;
constexpr std::string_view kDetails = "details.";

std::string_view severity_name(model::Severity severity) {
  static constexpr std::string_view kNames[] = {"info", "warning", "error", "critical"};
  return kNames[static_cast<std::size_t>(severity)];
}

std::string_view action(NotificationKind kind) {
  if (kind == NotificationKind::Resolved) return "resolve";
  if (kind == NotificationKind::Acknowledged) return "acknowledge";
  return "trigger";
}

class PagerDutyChannel final : public HttpChannel {
 public:
  PagerDutyChannel(const PagerDutySettings& kind, const ChannelParts& parts)
      : HttpChannel(parts, Service::PagerDuty), pagerduty_(kind) {}

 protected:
  base::Result<std::vector<net::HttpRequest>> requests(const Notification& notification,
                                                       const DeliveryKey&,
                                                       const Message& message) override {
    json::object event;
    event["routing_key"] = pagerduty_.routing_key.reveal();
    event["event_action"] = action(notification.kind);
    event["dedup_key"] = incident_key(notification, pagerduty_.key_by_group).substr(0, kKeyMax);
    if (action(notification.kind) == "trigger") add_trigger(event, notification, message);
    std::string body = json::serialize(event);
    if (body.size() > kEventBytesMax) {
      event["payload"].get_object()["custom_details"] =
          json::object{{"note", "the details were longer than PagerDuty takes"}};
      body = json::serialize(event);
    }
    return std::vector{json_post(pagerduty_.url, std::move(body), pagerduty_.access)};
  }

 private:
  void add_trigger(json::object& event, const Notification& notification,
                   const Message& message) const {
    json::object payload;
    payload["summary"] = cut_characters(message.title, kSummaryMax);
    payload["source"] = source(notification, message);
    payload["severity"] = message.field("severity", severity_name(notification.incident.severity));
    payload["timestamp"] = base::format_rfc3339(notification.incident.opened_at);
    const auto add = [&](const char* name, const std::string& fixed) {
      if (std::string text = message.field(name, fixed); !text.empty()) payload[name] = text;
    };
    add("component", pagerduty_.component);
    add("group", pagerduty_.group);
    add("class", pagerduty_.event_class);
    payload["custom_details"] = details(notification, message);
    event["payload"] = std::move(payload);

    event["client"] = message.field("client", "Tocsin");
    const std::string link = incident_url(notification, external_url());
    if (const std::string url = message.field("client_url", link); !url.empty()) {
      event["client_url"] = url;
    }
    json::array links;
    const auto add_link = [&links](const std::string& href, const char* text) {
      if (href.starts_with("http")) links.push_back({{"href", href}, {"text", text}});
    };
    add_link(link, "Incident");
    const auto runbook = notification.common_annotations.find("runbook_url");
    if (runbook != notification.common_annotations.end()) add_link(runbook->second, "Runbook");
    for (const auto& [href, text] : pagerduty_.links) add_link(href, text.c_str());
    event["links"] = std::move(links);
    json::array images;
    for (const auto& [src, alt] : pagerduty_.images) {
      images.push_back({{"src", src}, {"alt", alt}});
    }
    if (!images.empty()) event["images"] = std::move(images);
  }

  std::string source(const Notification& notification, const Message& message) const {
    std::string text = message.field("source", pagerduty_.source);
    for (const char* name : {"instance", "host", "service", "job"}) {
      if (text.empty()) text = notification.common_labels.get(name);
    }
    return text.empty() ? "tocsin/" + notification.receiver : text;
  }

  static json::object details(const Notification& notification, const Message& message) {
    json::object details;
    for (const auto& [name, text] : message.fields) {
      if (name.starts_with(kDetails)) details[name.substr(kDetails.size())] = text;
    }
    if (!details.empty()) return details;
    details["text"] = message.text;
    details["incident"] = notification.incident.id;
    details["alerts"] = notification.alerts.size() + notification.truncated_alerts;
    json::object labels;
    for (const model::LabelView label : notification.common_labels) {
      labels[label.name] = label.value;
    }
    details["labels"] = std::move(labels);
    return details;
  }

  PagerDutySettings pagerduty_;
};

}  // namespace

std::unique_ptr<Channel> make_channel_of(const PagerDutySettings& kind,
                                         const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world) {
  return std::make_unique<PagerDutyChannel>(kind, ChannelParts{settings, notify, world});
}

}  // namespace tocsin::notify

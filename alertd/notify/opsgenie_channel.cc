// Opsgenie's alert API (Jira Service Management speaks it too): one alert, named by alias.
//
// Creating an alert whose alias is open only counts it up: a change of severity is a second request
// that sets the priority. Limits: message 130 characters, alias 512, description 15000; 20 tags of
// 50; 422 is never tried again.

#include <fmt/core.h>

#include <boost/json.hpp>

#include "alertd/notify/http_channel.h"
#include "alertd/notify/pager_channels.h"
#include "common/base/strings.h"
#include "common/net/url.h"

namespace tocsin::notify {
namespace {

namespace json = boost::json;
using incident::Notification;
using incident::NotificationKind;

constexpr std::size_t kMessageMax = 130;
constexpr std::size_t kAliasMax = 512;
constexpr std::size_t kDescriptionMax = 15'000;
constexpr std::size_t kTagMax = 50;
constexpr std::size_t kTagsMax = 20;
constexpr std::size_t kUserMax = 100;
constexpr std::size_t kNoteMax = 25'000;
constexpr std::size_t kDetailBytesMax = 8'000;
constexpr std::string_view kDetails = "details.";

std::string_view priority_name(model::Severity severity) {
  static constexpr std::string_view kNames[] = {"P5", "P3", "P2", "P1"};
  return kNames[static_cast<std::size_t>(severity)];
}

// "team:dba" -> {"type":"team","name":"dba"}; users go by user name, ids by id.
json::object responder(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string_view type = text.substr(0, colon);
  const std::string_view who = text.substr(colon + 1);
  json::object one;
  one["type"] = type;
  one[type == "user" ? "username" : "name"] = who;
  return one;
}

class OpsgenieChannel final : public HttpChannel {
 public:
  OpsgenieChannel(const OpsgenieSettings& kind, const ChannelParts& parts)
      : HttpChannel(parts, Service::Opsgenie), opsgenie_(kind) {}

 protected:
  base::Result<std::vector<net::HttpRequest>> requests(const Notification& notification,
                                                       const DeliveryKey&,
                                                       const Message& message) override {
    const std::string alias =
        incident_key(notification, opsgenie_.key_by_group).substr(0, kAliasMax);
    const std::string alerts = opsgenie_.url + "/v2/alerts";
    const std::string one = alerts + '/' + net::percent_encode(alias);
    const bool over = notification.kind == NotificationKind::Resolved;
    if (over || notification.kind == NotificationKind::Acknowledged) {
      const incident::IncidentSummary& incident = notification.incident;
      json::object body;
      body["source"] = opsgenie_.source;
      const std::string& who = over ? incident.resolved_by : incident.acknowledged_by;
      if (!who.empty()) body["user"] = cut_characters(who, kUserMax);
      body["note"] = cut_characters(
          message.field("note", incident.comment.empty() ? message.title : incident.comment),
          kNoteMax);
      return std::vector{post(
          fmt::format("{}/{}?identifierType=alias", one, over ? "close" : "acknowledge"), body)};
    }
    std::vector<net::HttpRequest> list{post(alerts, create(notification, message, alias))};
    if (notification.kind == NotificationKind::Update) {
      json::object body;
      body["priority"] = priority(notification, message);
      list.push_back(post(one + "/priority?identifierType=alias", body));
      list.back().method = "PUT";
    }
    return list;
  }

 private:
  net::HttpRequest post(std::string url, const json::object& body) const {
    net::HttpRequest request = json_post(std::move(url), json::serialize(body), opsgenie_.access);
    request.headers.emplace_back("Authorization", "GenieKey " + opsgenie_.api_key.reveal());
    return request;
  }

  static std::string priority(const Notification& notification, const Message& message) {
    return message.field("priority", priority_name(notification.incident.severity));
  }

  json::object create(const Notification& notification, const Message& message,
                      const std::string& alias) const {
    json::object body;
    body["message"] = cut_characters(message.title, kMessageMax);
    body["alias"] = alias;
    body["description"] = cut_characters(message.text, kDescriptionMax);
    body["source"] = message.field("source", opsgenie_.source);
    body["priority"] = priority(notification, message);
    if (const std::string entity = message.field("entity", opsgenie_.entity); !entity.empty()) {
      body["entity"] = cut_characters(entity, kAliasMax);
    }
    if (!opsgenie_.responders.empty()) {
      json::array responders;
      for (const std::string& text : opsgenie_.responders) responders.push_back(responder(text));
      body["responders"] = std::move(responders);
    }
    json::array tags;
    for (const std::string& tag : all_tags(message)) {
      if (tags.size() < kTagsMax) tags.push_back(json::string(cut_characters(tag, kTagMax)));
    }
    if (!tags.empty()) body["tags"] = std::move(tags);
    body["details"] = details(notification, message);
    return body;
  }

  std::vector<std::string> all_tags(const Message& message) const {
    std::vector<std::string> tags = opsgenie_.tags;
    const std::string templated = message.field("tags", "");
    for (const std::string_view one : base::split(templated, ',')) {
      if (!base::trim(one).empty()) tags.emplace_back(base::trim(one));
    }
    return tags;
  }

  json::object details(const Notification& notification, const Message& message) const {
    json::object details;
    std::size_t bytes = 0;
    const auto add = [&](std::string_view name, std::string_view value) {
      bytes += name.size() + value.size();
      if (bytes <= kDetailBytesMax) details[name] = value;
    };
    add("incident", notification.incident.id);
    add("url", incident_url(notification, external_url()));
    for (const model::LabelView label : notification.common_labels) add(label.name, label.value);
    for (const auto& [name, text] : message.fields) {
      if (name.starts_with(kDetails)) add(std::string_view(name).substr(kDetails.size()), text);
    }
    return details;
  }

  OpsgenieSettings opsgenie_;
};

}  // namespace

std::unique_ptr<Channel> make_channel_of(const OpsgenieSettings& kind,
                                         const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world) {
  return std::make_unique<OpsgenieChannel>(kind, ChannelParts{settings, notify, world});
}

}  // namespace tocsin::notify

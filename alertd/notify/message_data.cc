// The data that templates see: Alertmanager's, with our incident beside it.

#include <fmt/core.h>

#include "alertd/notify/message.h"
#include "common/base/strings.h"
#include "common/model/severity.h"

namespace tocsin::notify {
namespace {

using gotemplate::List;
using gotemplate::Map;
using gotemplate::Value;
using incident::Notification;

// What Go prints for a time that was never set; Alertmanager's endsAt of a firing alert.
constexpr base::WallTime kGoZeroTime = base::wall_time(-62'135'596'800'000);

class Writer {
 public:
  explicit Writer(Escaping escaping) : escaping_(escaping) {}

  Value text(std::string_view value) const { return Value(escape(value, escaping_)); }

  Value pairs(const model::Labels& labels) const {
    std::map<std::string, std::string> map;
    for (const model::LabelView label : labels) {
      map[std::string(label.name)] = escape(label.value, escaping_);
    }
    return gotemplate::key_values(map);
  }

  Value pairs(const std::map<std::string, std::string>& entries) const {
    std::map<std::string, std::string> map;
    for (const auto& [name, value] : entries) map[name] = escape(value, escaping_);
    return gotemplate::key_values(map);
  }

  Value alert(const incident::NotifiedAlert& one) const {
    const model::Alert& alert = one.alert;
    Map map;
    map["Status"] = Value(one.firing ? "firing" : "resolved");
    map["Labels"] = pairs(alert.labels);
    map["Annotations"] = pairs(alert.annotations);
    map["StartsAt"] = gotemplate::time_value(alert.starts_at);
    map["EndsAt"] =
        gotemplate::time_value(one.firing || !alert.ends_at ? kGoZeroTime : *alert.ends_at);
    map["GeneratorURL"] = text(alert.generator_url);
    map["Fingerprint"] = Value(fmt::format("{:016x}", alert.fingerprint()));
    map["Severity"] = Value(model::to_string(alert.severity));
    map["Value"] = alert.value ? Value(*alert.value) : Value();
    map["RuleSource"] = text(alert.rule_source);
    return Value(std::move(map));
  }

  Value alerts(const Notification& notification) const {
    List all, firing, resolved;
    for (const incident::NotifiedAlert& one : notification.alerts) {
      all.push_back(alert(one));
      (one.firing ? firing : resolved).push_back(all.back());
    }
    const auto constant = [](List list) {
      return Value(gotemplate::Function([value = Value(std::move(list))](const std::vector<Value>&)
                                            -> base::Result<Value> { return value; }));
    };
    Map methods;
    methods["Firing"] = constant(std::move(firing));
    methods["Resolved"] = constant(std::move(resolved));
    return gotemplate::with_methods(std::move(all), std::move(methods));
  }

  Value incident_of(const Notification& notification, const std::string& external_url) const {
    const incident::IncidentSummary& incident = notification.incident;
    return Value(Map{{"ID", text(incident.id)},
                     {"Title", text(incident.title)},
                     {"Severity", Value(model::to_string(incident.severity))},
                     {"PeakSeverity", Value(model::to_string(incident.peak_severity))},
                     {"State", Value(to_string(incident.state))},
                     {"OpenedAt", gotemplate::time_value(incident.opened_at)},
                     {"URL", text(incident_url(notification, external_url))},
                     {"AcknowledgedBy", text(incident.acknowledged_by)},
                     {"ResolvedBy", text(incident.resolved_by)},
                     {"Comment", text(incident.comment)}});
  }

  Value members(const Notification& notification) const {
    List list;
    for (const incident::IncidentSummary& member : notification.members) {
      list.push_back(Value(Map{{"ID", text(member.id)},
                               {"Title", text(member.title)},
                               {"Severity", Value(model::to_string(member.severity))},
                               {"State", Value(to_string(member.state))}}));
    }
    return Value(std::move(list));
  }

 private:
  Escaping escaping_;
};

}  // namespace

Value message_data(const Notification& notification, const std::string& external_url,
                   Escaping escaping) {
  const Writer writer(escaping);
  Map data;
  data["Receiver"] = writer.text(notification.receiver);
  data["Status"] = Value(notification.firing() ? "firing" : "resolved");
  data["Alerts"] = writer.alerts(notification);
  data["GroupLabels"] = writer.pairs(notification.group_labels);
  data["CommonLabels"] = writer.pairs(notification.common_labels);
  data["CommonAnnotations"] = writer.pairs(notification.common_annotations);
  data["RouteLabels"] = writer.pairs(model::Labels());
  data["ExternalURL"] = writer.text(external_url);
  data["AckURL"] = writer.text(ack_url(notification, external_url));
  data["NotificationReason"] = Value(describe(notification.reason));
  data["GroupKey"] = writer.text(notification.group_key);
  data["TruncatedAlerts"] = Value(static_cast<std::int64_t>(notification.truncated_alerts));
  data["Kind"] = Value(to_string(notification.kind));
  data["Severity"] = Value(model::to_string(notification.incident.severity));
  data["Note"] = writer.text(notification.note);
  data["Drill"] = Value(notification.drill());
  data["Members"] = writer.members(notification);
  data["TruncatedMembers"] = Value(static_cast<std::int64_t>(notification.truncated_members));
  data["Incident"] = writer.incident_of(notification, external_url);
  return Value(std::move(data));
}

}  // namespace tocsin::notify

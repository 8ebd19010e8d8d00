#include "cli/ruletest/deliveries.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>

#include "alertd/incident/record_codec.h"
#include "common/base/strings.h"

namespace tocsin::ruletest {
namespace {

std::string name_with_labels(const model::Labels& labels) {
  return std::string(labels.get(model::kAlertName)) +
         model::LabelsBuilder(labels).remove(model::kAlertName).build().to_string();
}

std::string describe(const Delivery& delivery) {
  const incident::Notification& sent = delivery.notification;
  std::string text = fmt::format("{} {}/{} {} {} {}", base::format_duration(delivery.at),
                                 sent.receiver, sent.channel, incident::to_string(sent.kind),
                                 model::to_string(sent.incident.severity), sent.incident.id);
  constexpr std::size_t kShown = 3;
  for (std::size_t i = 0; i < std::min(sent.alerts.size(), kShown); ++i) {
    text +=
        fmt::format("{} {}{}", i == 0 ? ":" : ",", name_with_labels(sent.alerts[i].alert.labels),
                    sent.alerts[i].firing ? "" : " (resolved)");
  }
  if (sent.alerts.size() > kShown) text += fmt::format(" and {} more", sent.alerts.size() - kShown);
  return text;
}

std::string describe(const NotificationCheck& check) {
  std::string text =
      fmt::format("{} to {}", base::format_duration(check.begin), base::format_duration(check.end));
  text += fmt::format(" {}/{}", check.receiver.empty() ? "any" : check.receiver,
                      check.channel.empty() ? "any" : check.channel);
  text += " " + (check.status.empty() ? std::string("any status") : check.status);
  if (check.severity) text += " " + std::string(model::to_string(*check.severity));
  if (check.alert) text += ": " + check.alert->text();
  return text + fmt::format(" count={}", check.count);
}

bool matches(const NotificationCheck& check, const Delivery& delivery) {
  const incident::Notification& sent = delivery.notification;
  if (delivery.at < check.begin || delivery.at > check.end) return false;
  if (!check.receiver.empty() && check.receiver != sent.receiver) return false;
  if (!check.channel.empty() && check.channel != sent.channel) return false;
  if (!check.status.empty() && check.status != incident::to_string(sent.kind)) return false;
  if (check.severity && *check.severity != sent.incident.severity) return false;
  return !check.alert || std::any_of(sent.alerts.begin(), sent.alerts.end(), [&](const auto& one) {
    return check.alert->matches(one.alert.labels);
  });
}

}  // namespace

bool SeenIncident::about(const AlertSelector& alert) const {
  if (alerts.empty()) return alert.matches(incident.group_labels);
  return std::any_of(alerts.begin(), alerts.end(),
                     [&](const model::Labels& labels) { return alert.matches(labels); });
}

std::vector<SeenIncident> incidents(const incident::FakeStateStore::Disk& disk) {
  std::vector<SeenIncident> all;
  for (const auto& [number, record] : disk.incidents) {
    auto read = incident::incident_from_record(record);
    if (!read) continue;
    SeenIncident seen{std::move(*read), {}};
    for (const auto& [id, row] : disk.rows) {
      if (row.notification.incident.id != record.id) continue;
      for (const auto& alert : row.notification.alerts) seen.alerts.insert(alert.alert.labels);
    }
    all.push_back(std::move(seen));
  }
  return all;
}

std::vector<std::string> describe(const std::vector<SeenIncident>& incidents,
                                  base::WallTime start) {
  std::vector<std::string> lines;
  for (const SeenIncident& seen : incidents) {
    const incident::Incident& incident = seen.incident;
    std::string text = fmt::format(
        "{} {} {} (peak {}) since {}", incident.id(), incident::to_string(incident.state),
        model::to_string(incident.severity), model::to_string(incident.peak_severity),
        base::format_duration(incident.opened_at - start));
    std::string_view separator = ": ";
    for (const model::Labels& labels : seen.alerts) {
      text += fmt::format("{}{}", separator, name_with_labels(labels));
      separator = ", ";
    }
    if (seen.alerts.empty()) text += ": group " + incident.group_labels.to_string();
    lines.push_back(std::move(text));
  }
  return lines;
}

std::vector<Delivery> deliveries(const incident::FakeStateStore::Disk& disk, base::WallTime start) {
  const std::string_view delivered = incident::attempt_outcome(incident::DeliveryState::Delivered);
  std::vector<Delivery> all;
  for (const auto& [key, attempt] : disk.attempts) {
    const auto row = disk.rows.find(key.first);
    if (attempt.outcome != delivered || row == disk.rows.end()) continue;
    all.push_back({attempt.started_at - start, row->second.notification});
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const Delivery& a, const Delivery& b) { return a.at < b.at; });
  return all;
}

void check_incident(const IncidentCheck& check, const std::vector<SeenIncident>& incidents,
                    base::WallTime start, std::vector<Finding>& failures) {
  std::size_t found = 0;
  for (const SeenIncident& seen : incidents) {
    if (!seen.about(check.alert)) continue;
    const incident::Incident& incident = seen.incident;
    if (check.none) {
      found += !incident.resolved();
      continue;
    }
    found += (check.state.empty() || check.state == incident::to_string(incident.state)) &&
             (!check.severity || *check.severity == incident.severity) &&
             (!check.peak_severity || *check.peak_severity == incident.peak_severity);
  }
  if (found == (check.none ? 0 : check.count)) return;
  std::string wanted = check.none ? "no open incident about " + check.alert.text()
                                  : fmt::format("{} {} incident about {}", check.count, check.state,
                                                check.alert.text());
  if (check.severity) wanted += fmt::format(" severity={}", model::to_string(*check.severity));
  if (check.peak_severity) {
    wanted += fmt::format(" peak_severity={}", model::to_string(*check.peak_severity));
  }
  failures.push_back(
      {check.place,
       fmt::format("at {}: the incidents are others", base::format_duration(check.at)),
       {std::move(wanted)},
       describe(incidents, start),
       {}});
}

void check_notifications(const TestCase& test, const std::vector<Delivery>& deliveries,
                         std::vector<Finding>& failures) {
  std::vector<bool> spoken_of(deliveries.size());
  for (const NotificationCheck& check : test.notifications) {
    std::size_t found = 0;
    for (std::size_t i = 0; i < deliveries.size(); ++i) {
      if (!matches(check, deliveries[i])) continue;
      ++found;
      spoken_of[i] = true;
    }
    if (found == check.count) continue;
    Finding finding{check.place,
                    fmt::format("{} such notifications, not {}", found, check.count),
                    {describe(check)},
                    {},
                    {}};
    for (const Delivery& delivery : deliveries) finding.got.push_back(describe(delivery));
    failures.push_back(std::move(finding));
  }
  if (test.notifications.empty() || test.other_notifications) return;
  Finding more{test.place,
               "more notifications than expected",
               {},
               {},
               {"add them, or set other_notifications = true"}};
  for (std::size_t i = 0; i < deliveries.size(); ++i) {
    if (!spoken_of[i]) more.got.push_back(describe(deliveries[i]));
  }
  if (!more.got.empty()) failures.push_back(std::move(more));
}

base::Result<promql::QueryResult> read_query_answer(const std::string& body) {
  const auto bad = [](std::string message) {
    return base::error(base::ErrorCode::InvalidArgument, std::move(message));
  };
  try {
    const boost::json::value answer = boost::json::parse(body);
    if (answer.at("status").as_string() != "success") {
      return bad(std::string(answer.at("error").as_string()));
    }
    const boost::json::value& data = answer.at("data");
    const auto sample = [](const boost::json::value& pair) {
      const std::string text(pair.as_array().at(1).as_string());
      return model::Sample{0, base::parse_double(text).value_or(0)};
    };
    promql::QueryResult result;
    const std::string type(data.at("resultType").as_string());
    if (type == "scalar") {
      result.value = promql::Scalar{sample(data.at("result"))};
      return result;
    }
    if (type != "vector") return bad("the result is neither a vector nor a scalar");
    promql::Vector vector;
    for (const boost::json::value& element : data.at("result").as_array()) {
      model::LabelsBuilder labels;
      for (const auto& label : element.at("metric").as_object()) {
        labels.set(std::string(label.key()), std::string(label.value().as_string()));
      }
      vector.push_back({labels.build(), sample(element.at("value"))});
    }
    result.value = std::move(vector);
    return result;
  } catch (const std::exception& error) {
    return bad(fmt::format("the answer of the query API is not understood: {}", error.what()));
  }
}

}  // namespace tocsin::ruletest

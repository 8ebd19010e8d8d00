// The report as JSON, for other programs.
#include <boost/json.hpp>

#include "alertd/report/report.h"

namespace tocsin::report {
namespace {

namespace json = boost::json;

json::value time_json(const std::optional<base::WallTime>& at) {
  return at ? json::value(base::format_rfc3339(*at)) : json::value(nullptr);
}

json::value seconds_json(const std::optional<base::Duration>& duration) {
  if (!duration) return nullptr;
  return static_cast<double>(duration->count()) / 1000.0;
}

json::array strings_json(const std::vector<std::string>& strings) {
  json::array array;
  for (const std::string& each : strings) array.emplace_back(each);
  return array;
}

json::object counts_json(const ReportCounts& counts) {
  return {{"sent", counts.sent},
          {"failed", counts.failed},
          {"superseded", counts.superseded},
          {"pending", counts.pending},
          {"held", counts.held},
          {"pages", counts.pages},
          {"pagesOutOfHours", counts.pages_out_of_hours},
          {"steps", counts.steps}};
}

json::object action_json(const std::string& id, const incident::ActionItem& item) {
  return {{"id", id},
          {"text", item.text},
          {"owner", item.owner},
          {"due", time_json(item.due)},
          {"type", to_string(item.type)},
          {"ticket", item.ticket},
          {"doneAt", time_json(item.done_at)},
          {"doneBy", item.done_by}};
}

json::object news_json(const incident::News& news) {
  return {{"at", base::format_rfc3339(news.at)},
          {"by", news.by},
          {"state", to_string(news.state)},
          {"text", news.text},
          {"audiences", strings_json(news.audiences)},
          {"nextUpdate", time_json(news.next_update)}};
}

template <class List, class ToJson>
json::array list_json(const List& list, ToJson to_json) {
  json::array array;
  for (const auto& each : list) array.push_back(to_json(each));
  return array;
}

json::object alert_json(const ReportAlert& alert) {
  return {{"name", alert.name},
          {"labels", alert.labels},
          {"severity", model::to_string(alert.severity)},
          {"since", base::format_rfc3339(alert.since)},
          {"until", time_json(alert.ended)},
          {"rule", alert.rule},
          {"commit", alert.commit}};
}

json::object line_json(const ReportLine& line) {
  return {{"at", base::format_rfc3339(line.at)},
          {"kind", line.kind},
          {"who", line.who},
          {"via", line.via},
          {"text", line.text}};
}

json::object delivery_json(const ReportDelivery& each) {
  return {{"at", base::format_rfc3339(each.at)},
          {"channel", each.channel},
          {"kind", each.kind},
          {"state", each.state},
          {"attempts", each.attempts},
          {"answer", each.answer}};
}

}  // namespace

std::string json_report(const Report& report) {
  json::object fields;
  for (const ReportSection& section : report.sections) fields[section.name] = section.text;
  const json::object object{
      {"id", report.id},
      {"title", report.title},
      {"state", report.state},
      {"peakSeverity", model::to_string(report.peak)},
      {"severity", model::to_string(report.final)},
      {"services", strings_json(report.services)},
      {"hosts", strings_json(report.hosts)},
      {"scope", report.scope},
      {"owner", report.owner},
      {"policy", report.policy},
      {"beganAt", time_json(report.began_at)},
      {"openedAt", base::format_rfc3339(report.opened_at)},
      {"acknowledgedAt", time_json(report.acknowledged_at)},
      {"acknowledgedBy", report.acknowledged_by},
      {"mitigatedAt", time_json(report.mitigated_at)},
      {"resolvedAt", time_json(report.resolved_at)},
      {"resolvedBy", report.resolved_by},
      {"reviewedAt", time_json(report.reviewed_at)},
      {"reopened", report.reopened},
      {"seconds", json::object{{"duration", seconds_json(report.duration())},
                               {"toDetect", seconds_json(report.to_detect())},
                               {"toPage", seconds_json(report.to_page())},
                               {"toAcknowledge", seconds_json(report.to_acknowledge())},
                               {"toMitigate", seconds_json(report.to_mitigate())},
                               {"toResolve", seconds_json(report.to_resolve())}}},
      {"messages", counts_json(report.counts)},
      {"alerts", list_json(report.alerts, alert_json)},
      {"timeline", list_json(report.timeline, line_json)},
      {"deliveries", list_json(report.deliveries, delivery_json)},
      {"news", list_json(report.news, news_json)},
      {"fields", std::move(fields)},
      {"actions", list_json(report.actions,
                            [](const auto& each) { return action_json(each.first, each.second); })},
      {"noise", list_json(report.noise, [](const NoiseVerdict& each) {
         return json::object{{"rule", each.rule},
                             {"alerts", each.alerts},
                             {"verdict", each.verdict},
                             {"byPerson", each.by_person}};
       })}};
  return json::serialize(object);
}

}  // namespace tocsin::report

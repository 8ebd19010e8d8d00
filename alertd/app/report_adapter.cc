#include "alertd/app/report_adapter.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "common/base/log.h"
#include "common/base/strings.h"

namespace tocsin::alertd {
namespace {

using Snapshot = std::shared_ptr<const incident::Snapshot>;

constexpr std::size_t kAuditRows = 1000;
constexpr std::size_t kDecisionRows = 10'000;

api::ActionInfo to_api(std::int64_t incident, const incident::ActionItem& item) {
  api::ActionInfo info;
  info.id = incident::action_id(incident, item.number);
  info.incident = incident::Incident::incident_id(incident);
  info.text = item.text;
  info.owner = item.owner;
  info.due = item.due;
  info.type = to_string(item.type);
  info.ticket = item.ticket;
  info.created_at = item.created_at;
  info.created_by = item.created_by;
  info.done_at = item.done_at;
  info.done_by = item.done_by;
  return info;
}

std::optional<std::int64_t> number_of(const std::string& id) {
  return id.starts_with("T-") ? base::parse_i64(std::string_view(id).substr(2)) : std::nullopt;
}

std::string text_of(const report::Report& report, api::ReportFormat format) {
  switch (format) {
    case api::ReportFormat::Markdown:
      return report::markdown_report(report);
    case api::ReportFormat::Html:
      return report::html_report(report);
    case api::ReportFormat::Json:
      return report::json_report(report);
  }
  return {};
}

base::Error invalid(std::string message) {
  return base::error(base::ErrorCode::InvalidArgument, std::move(message));
}

}  // namespace

/// A walk through incidents, oldest first, one after the other.
struct ReportAdapter::Gathering {
  std::vector<std::string> ids;  ///< To be read yet, from the back.
  IncidentReports gathered;
  api::Done<IncidentReports> done;
};

void ReportAdapter::reload(ReportConfig config) {
  const base::MutexLock lock(mutex_);
  config_ = std::make_shared<const ReportConfig>(std::move(config));
}

std::shared_ptr<const ReportConfig> ReportAdapter::config() const {
  const base::MutexLock lock(mutex_);
  return config_;
}

void ReportAdapter::make(const std::string& id, api::Done<report::Report> done) {
  auto input = std::make_shared<report::ReportInput>();
  input->now = executor_.clock().wall();
  const auto with_snapshot = [this, input, done](const Snapshot& snapshot) {
    if (const auto number = number_of(input->detail.incident.id)) {
      const auto review = snapshot->reviews.find(*number);
      if (review != snapshot->reviews.end()) input->review = *review->second;
      input->review.incident = *number;
    }
    done(report::make_report(*input, config()->settings));
  };
  const auto with_decisions = [this, input, done, with_snapshot](auto decisions) {
    if (!decisions) return done(decisions.error());
    input->decisions = std::move(*decisions);
    dispatcher_.snapshot(executor_, with_snapshot);
  };
  const auto with_audit = [this, input, done, with_decisions, id](auto audit) {
    if (!audit) return done(audit.error());
    input->audit = std::move(*audit);
    incident::DecisionQuery query;
    query.incident_id = id;
    query.limit = kDecisionRows;
    state_.decisions(std::move(query), executor_, with_decisions);
  };
  state_.incident(id, executor_, [this, input, done, with_audit, id](auto detail) {
    if (!detail) return done(detail.error());
    input->detail = std::move(*detail);
    incident::AuditQuery query;
    query.object = id;
    query.limit = kAuditRows;
    state_.audit(std::move(query), executor_, with_audit);
  });
}

void ReportAdapter::report(std::string id, api::ReportFormat format, api::Done<std::string> done) {
  make(id, [format, done = std::move(done)](base::Result<report::Report> report) {
    if (!report) return done(report.error());
    done(text_of(*report, format));
  });
}

void ReportAdapter::send(incident::Command command, api::Done<std::string> done) {
  base::log_info("alertd/audit", "{} of {} by {} ({})", incident::to_string(command.kind),
                 command.incident_id, command.actor, command.source);
  dispatcher_.command(std::move(command), executor_, [done = std::move(done)](auto record) {
    if (!record) return done(record.error());
    done(record->id);
  });
}

void ReportAdapter::change_report(api::ReportChange change, api::Done<void> done) {
  incident::Command command;
  command.kind = incident::Command::Kind::Report;
  command.incident_id = std::move(change.id);
  command.actor = std::move(change.by);
  command.source = std::move(change.source);
  command.review.fields = std::move(change.fields);
  send(std::move(command), [done = std::move(done)](base::Result<std::string> id) {
    done(id ? base::ok() : base::Result<void>(id.error()));
  });
}

void ReportAdapter::actions(api::Done<std::vector<api::ActionInfo>> done) {
  dispatcher_.snapshot(executor_, [done = std::move(done)](const Snapshot& snapshot) {
    std::vector<api::ActionInfo> items;
    for (const auto& [number, review] : snapshot->reviews) {
      for (const incident::ActionItem& item : review->actions)
        items.push_back(to_api(number, item));
    }
    std::stable_sort(items.begin(), items.end(), [](const auto& a, const auto& b) {
      if (a.due.has_value() != b.due.has_value()) return a.due.has_value();
      return a.due < b.due;
    });
    done(std::move(items));
  });
}

void ReportAdapter::change_action(api::ActionChange change, api::Done<std::string> done) {
  incident::Command command;
  command.kind = incident::Command::Kind::Report;
  command.actor = std::move(change.by);
  command.source = std::move(change.source);
  if (change.id.empty()) {
    command.incident_id = std::move(change.incident);
    incident::ActionItem item;
    item.text = std::move(change.item.text);
    item.owner = std::move(change.item.owner);
    item.due = change.item.due;
    item.ticket = std::move(change.item.ticket);
    const auto type = incident::parse_action_type(change.item.type);
    if (!type) return done(invalid("'type' is none of prevent, detect, mitigate"));
    item.type = *type;
    command.review.new_action = std::move(item);
  } else {
    const auto numbers = incident::parse_action_id(change.id);
    if (!numbers) {
      return done(invalid("'" + base::escape_control(change.id.substr(0, 100)) +
                          "' is no id of an action item; expected one as A-1042-1"));
    }
    command.incident_id = incident::Incident::incident_id(numbers->first);
    command.review.action = numbers->second;
    command.review.done = change.done;
    command.review.owner = std::move(change.owner);
    command.review.due = change.due;
  }
  send(std::move(command), std::move(done));
}

void ReportAdapter::news(std::string id, api::Done<std::vector<api::NewsInfo>> done) {
  dispatcher_.snapshot(executor_,
                       [id = std::move(id), done = std::move(done)](const Snapshot& snapshot) {
                         std::vector<api::NewsInfo> list;
                         const auto number = number_of(id);
                         const auto review = snapshot->reviews.find(number.value_or(0));
                         if (review != snapshot->reviews.end()) {
                           for (const incident::News& each : review->second->news) {
                             list.push_back({each.at, each.by, std::string(to_string(each.state)),
                                             each.text, each.audiences, each.next_update});
                           }
                         }
                         done(std::move(list));
                       });
}

void ReportAdapter::tell(api::NewsRequest request, api::Done<void> done) {
  incident::Command command;
  command.kind = incident::Command::Kind::News;
  command.incident_id = std::move(request.id);
  command.actor = std::move(request.by);
  command.source = std::move(request.source);
  const auto state = incident::parse_news_state(request.state);
  if (!state) {
    return done(invalid("'state' is none of investigating, identified, monitoring, resolved"));
  }
  command.news.state = *state;
  command.news.text = std::move(request.text);
  command.news.audiences = std::move(request.audiences);
  send(std::move(command), [done = std::move(done)](base::Result<std::string> id) {
    done(id ? base::ok() : base::Result<void>(id.error()));
  });
}

void ReportAdapter::statistics(base::WallTime from, base::WallTime to,
                               api::Done<std::string> done) {
  gather(from, to,
         [this, from, to, done = std::move(done)](base::Result<IncidentReports> gathered) {
           if (!gathered) return done(gathered.error());
           std::erase_if(gathered->reports,
                         [from](const report::Report& report) { return report.opened_at < from; });
           const auto config = this->config();
           report::StatisticsSettings settings;
           settings.hours = config->settings.hours;
           settings.zone = config->settings.zone;
           done(report::json_statistics(
               report::count_statistics(gathered->reports, config->directory, settings), from, to,
               gathered->truncated));
         });
}

void ReportAdapter::gather(base::WallTime from, base::WallTime to,
                           api::Done<IncidentReports> done) {
  incident::IncidentQuery query;
  query.limit = incident::kIncidentsMax;
  auto gathering = std::make_shared<Gathering>();
  gathering->done = std::move(done);
  state_.incidents(query, executor_, [this, from, to, gathering](auto records) {
    if (!records) return gathering->done(records.error());
    gathering->gathered.truncated =
        records->size() == incident::kIncidentsMax && records->back().opened_at >= from;
    for (const incident::IncidentRecord& record : *records) {
      const bool over = record.resolved_at && *record.resolved_at < from;
      if (record.opened_at < to && !over) gathering->ids.push_back(record.id);
    }
    gather_next(gathering);
  });
}

void ReportAdapter::gather_next(std::shared_ptr<Gathering> gathering) {
  if (gathering->ids.empty()) return gathering->done(std::move(gathering->gathered));
  const std::string id = std::move(gathering->ids.back());
  gathering->ids.pop_back();
  make(id, [this, gathering](base::Result<report::Report> report) {
    if (report) {
      // What is counted needs no timeline; a thousand of them would be much.
      report->timeline.clear();
      report->sections.clear();
      gathering->gathered.reports.push_back(std::move(*report));
    } else if (report.error().code != base::ErrorCode::NotFound) {  // pruned meanwhile
      return gathering->done(report.error());
    }
    gather_next(gathering);
  });
}

}  // namespace tocsin::alertd

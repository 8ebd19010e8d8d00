#include "alertd/app/report_sender.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>
#include <set>
#include <utility>

#include "alertd/bulletin/writers.h"
#include "alertd/incident/json_values.h"
#include "common/net/url.h"

namespace tocsin::alertd {
namespace {

namespace json = boost::json;

constexpr std::string_view kRecordKind = "report_sent";
constexpr const char* kSent = "report_last_sent_timestamp_seconds";
constexpr const char* kInterval = "report_interval_seconds";
constexpr base::Duration kLook{15'000};
constexpr base::Duration kAgain{60'000};
/// A larger page does not fit into what mail servers take; the words and the link go alone.
constexpr std::size_t kPageBytesMax = 4U << 20U;

std::string link_of(const std::string& external_url, const bulletin::Document& document) {
  return fmt::format("{}/api/v1/reports/{}?from={}&to={}&timezone={}", external_url, document.kind,
                     base::format_rfc3339(document.from), base::format_rfc3339(document.to),
                     net::percent_encode(document.zone.name()));
}

std::string title_of(const bulletin::Document& document) {
  const std::string_view verdict = to_string(document.verdict());
  return fmt::format("{} of {}: {}", document.title,
                     timezone::format_local(document.zone, document.to),
                     verdict.empty() ? "see inside" : verdict);
}

}  // namespace

void ReportSender::start() {
  world_.executor.post([this] {
    if (std::exchange(running_, true)) return;
    ++generation_;
    load();
  });
}

void ReportSender::stop() {
  world_.executor.post([this] {
    running_ = false;
    ++generation_;
    world_.executor.cancel(timer_);
    // Whoever has the lease tells of them; two series would say two things.
    for (const auto& [name, memory] : memory_) hide(name);
    memory_.clear();
  });
}

void ReportSender::reload(ReportSenderSettings settings) {
  world_.executor.post([this, settings = std::move(settings)]() mutable {
    settings_ = std::move(settings);
    std::set<std::string> wanted;
    for (const bulletin::SendSettings& report : settings_.reports) wanted.insert(report.name);
    std::erase_if(memory_, [&](const auto& each) {
      if (wanted.contains(each.first)) return false;
      hide(each.first);
      return true;
    });
    if (running_) run_later(base::Duration{0}, &ReportSender::load);
  });
}

void ReportSender::run_later(base::Duration delay, void (ReportSender::*what)()) {
  world_.executor.cancel(timer_);
  timer_ = world_.executor.post_after(delay, [this, what] { (this->*what)(); });
}

// Costs nothing where nobody asked for reports.
void ReportSender::load() {
  if (!running_ || settings_.reports.empty()) return;
  world_.state.load(world_.executor.clock().wall(), world_.executor,
                    [this, generation = generation_](auto state) {
                      if (running_ && generation == generation_) loaded(state);
                    });
}

void ReportSender::loaded(const base::Result<incident::LoadedState>& state) {
  if (!state) {
    failures_.report("load", state.error().message);
    return run_later(kAgain, &ReportSender::load);
  }
  failures_.clear("load");
  for (const incident::KeptRecord& record : state->records) {
    if (record.kind != kRecordKind) continue;
    const auto object = incident::parse_object(record.body, "record of a report");
    if (!object) {
      failures_.report(record.key, object.error().message);
      continue;
    }
    incident::FieldReader reader(*object);
    Memory& memory = memory_[record.key];
    memory.schedule = reader.string("schedule");
    memory.since = reader.time("since");
    memory.due = reader.time("due");
    memory.sent = reader.time("sent");
    memory.stored = true;
  }
  run();
}

void ReportSender::run() {
  if (!running_) return;
  for (const bulletin::SendSettings& report : settings_.reports) look(report);
  run_later(kLook, &ReportSender::run);
}

void ReportSender::look(const bulletin::SendSettings& report) {
  const base::WallTime now = world_.executor.clock().wall();
  Memory& memory = memory_[report.name];
  if (memory.schedule != report.schedule_text) {
    memory.schedule = report.schedule_text;
    memory.since = now;
    memory.stored = false;
  }
  // Before the first is due, so that one missed by a restart is known as missed.
  if (!memory.stored) keep(report.name);
  show(report.name, report.schedule.interval());
  const base::WallTime due = report.schedule.last_due(now, report.zone);
  if (!memory.making && due > memory.since && due > memory.due) make(report, due);
}

void ReportSender::show(const std::string& name, base::Duration interval) {
  const Memory& memory = memory_[name];
  world_.metrics
      .gauge(kSent,
             "When a channel last took this report; before the first, since when it is configured.",
             {{"report", name}})
      .set(base::to_seconds(std::max(memory.sent, memory.since)));
  world_.metrics
      .gauge(kInterval, "The longest time between two of this report.", {{"report", name}})
      .set(std::chrono::duration<double>(interval).count());
}

// A report that nobody wants any more is not late.
void ReportSender::hide(const std::string& name) {
  world_.metrics.remove_gauge(kSent, {{"report", name}});
  world_.metrics.remove_gauge(kInterval, {{"report", name}});
}

void ReportSender::make(const bulletin::SendSettings& report, base::WallTime due) {
  memory_[report.name].making = true;
  bulletin::Request request;
  request.kind = report.kind;
  request.zone = report.zone;
  std::tie(request.from, request.to) = bulletin::default_period(report.kind, due, report.zone);
  world_.desk.make(request, [this, report, due, generation = generation_](auto document) {
    world_.executor.post([this, report, due, generation, document = std::move(document)] {
      if (running_ && generation == generation_) send(report, due, document);
    });
  });
}

incident::StateChange ReportSender::change_of(const bulletin::SendSettings& report,
                                              base::WallTime due,
                                              const bulletin::Document& document) const {
  const base::WallTime now = world_.executor.clock().wall();
  incident::Notification message;
  message.kind = incident::NotificationKind::Report;
  message.reason = incident::Reason::Requested;
  message.created_at = now;
  message.receiver = report.receiver;
  message.thread_key = "report:" + report.name;
  message.sequence = static_cast<std::uint64_t>(base::to_ms(due));
  message.incident.opened_at = due;
  message.incident.severity = message.incident.peak_severity = model::Severity::Low;
  message.incident.title = title_of(document);
  message.words = report.format == bulletin::Format::Html
                      ? bulletin::digest(document)
                      : bulletin::write(document, report.format);
  if (!settings_.external_url.empty()) {
    message.words += "\nThe whole report: " + link_of(settings_.external_url, document) + "\n";
  }
  if (report.format == bulletin::Format::Html) {
    message.html = bulletin::write(document, bulletin::Format::Html);
    if (message.html.size() > kPageBytesMax) message.html.clear();
  }
  incident::StateChange change;
  for (const std::string& channel : report.channels) {
    message.channel = channel;
    message.key = incident::delivery_key(message.thread_key, report.receiver, channel, message.kind,
                                         message.sequence);
    change.outbox.push_back(message);
  }
  // The hash is in the chain of the audit trail: what was sent then can be proven later.
  change.audit.push_back(
      {now, "", "calendar", "report.sent", message.thread_key,
       fmt::format("{} from {} to {}, sha256 {}", document.kind,
                   base::format_rfc3339(document.from), base::format_rfc3339(document.to),
                   bulletin::evidence_hash(document))});
  return change;
}

void ReportSender::send(const bulletin::SendSettings& report, base::WallTime due,
                        const base::Result<bulletin::Document>& document) {
  const auto memory = memory_.find(report.name);
  if (memory == memory_.end()) return;
  if (!document) {
    memory->second.making = false;
    return failures_.report(report.name, document.error().message);
  }
  incident::StateChange change = change_of(report, due, *document);
  Memory next = memory->second;
  next.due = due;
  change.records_upsert.push_back(record_of(report.name, next));
  world_.state.commit(
      std::move(change), world_.executor,
      [this, name = report.name, due, generation = generation_](const base::Result<void>& stored) {
        if (!running_ || generation != generation_) return;
        Memory& mine = memory_[name];
        mine.making = false;
        if (!stored) return failures_.report(name, stored.error().message);
        mine.due = due;
        failures_.clear(name);
        base::log_info("alertd/reports", "'{}' of {} is on its way", name,
                       base::format_rfc3339(due));
        world_.outbox_changed();
      });
}

void ReportSender::delivered(const incident::Notification& message) {
  constexpr std::string_view kThread = "report:";
  if (message.kind != incident::NotificationKind::Report) return;
  if (!message.thread_key.starts_with(kThread)) return;
  world_.executor.post([this, name = message.thread_key.substr(kThread.size())] {
    const auto memory = memory_.find(name);
    if (!running_ || memory == memory_.end()) return;
    memory->second.sent = world_.executor.clock().wall();
    keep(name);
  });
}

incident::KeptRecord ReportSender::record_of(const std::string& name, const Memory& memory) const {
  const json::object body{{"schedule", memory.schedule},
                          {"since", base::to_ms(memory.since)},
                          {"due", base::to_ms(memory.due)},
                          {"sent", base::to_ms(memory.sent)}};
  return {std::string(kRecordKind), name, json::serialize(body)};
}

void ReportSender::keep(const std::string& name) {
  incident::StateChange change;
  Memory& memory = memory_[name];
  change.records_upsert.push_back(record_of(name, memory));
  memory.stored = true;
  world_.state.commit(std::move(change), world_.executor,
                      [this, name, generation = generation_](const base::Result<void>& stored) {
                        if (!running_ || generation != generation_) return;
                        if (stored) return failures_.clear("record of " + name);
                        memory_[name].stored = false;  // the next look tries again
                        failures_.report("record of " + name, stored.error().message);
                      });
}

}  // namespace tocsin::alertd

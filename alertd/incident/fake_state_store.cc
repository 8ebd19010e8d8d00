#include "alertd/incident/fake_state_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace tocsin::incident {

using base::ErrorCode;
using base::Result;

namespace {

template <class T>
void answer(base::Executor& reply_on, Done<T> done, Result<T> result) {
  reply_on.post([done = std::move(done), result = std::move(result)] { done(result); });
}

}  // namespace

void FakeStateStore::load(base::WallTime resolved_since, base::Executor& reply_on,
                          Done<LoadedState> done) {
  LoadedState state;
  for (const auto& [key, body] : disk_->alerts) state.alerts.push_back({key, body});
  for (const auto& [key, body] : disk_->groups) state.groups.push_back({key, body});
  for (const auto& [number, record] : disk_->incidents) {
    if (!record.resolved_at || *record.resolved_at >= resolved_since) {
      state.incidents.push_back(record);
    }
  }
  state.last_incident_number = disk_->last_incident_number;
  for (const auto& [key, body] : disk_->records) {
    state.records.push_back({key.first, key.second, body});
  }
  answer<LoadedState>(reply_on, std::move(done), std::move(state));
}

void FakeStateStore::commit(std::shared_ptr<const StateChange> change, base::Executor& reply_on,
                            Done<void> done) {
  ++commits_;
  if (auto refused = check(*change); !refused) {
    answer<void>(reply_on, std::move(done), std::move(refused));
    return;
  }
  if (auto lost = fenced(); !lost) {
    answer<void>(reply_on, std::move(done), std::move(lost));
    return;
  }
  const Fate chosen = fate ? fate(commits_) : Fate::Works;
  if (chosen == Fate::Works || chosen == Fate::FailsAfter || chosen == Fate::DiesAfter) {
    write(*change);
  }
  if (chosen == Fate::DiesBefore || chosen == Fate::DiesAfter) return;
  if (chosen == Fate::Works) {
    answer<void>(reply_on, std::move(done), base::ok());
  } else {
    answer<void>(reply_on, std::move(done), base::error(ErrorCode::Io, "fake disk is full"));
  }
}

void FakeStateStore::write(const StateChange& change) {
  for (const Record& record : change.alerts_upsert) disk_->alerts[record.key] = record.body;
  for (const std::string& key : change.alerts_delete) disk_->alerts.erase(key);
  for (const Record& record : change.groups_upsert) disk_->groups[record.key] = record.body;
  for (const std::string& key : change.groups_delete) disk_->groups.erase(key);
  for (const IncidentRecord& record : change.incidents_upsert) {
    disk_->incidents[record.number] = record;
    disk_->last_incident_number = std::max(disk_->last_incident_number, record.number);
  }
  for (const TimelineEvent& event : change.events) {
    disk_->events.emplace(std::pair(event.incident_id, event.sequence), event);
  }
  write_outbox(change);
  for (const KeptRecord& record : change.records_upsert) {
    disk_->records[{record.kind, record.key}] = record.body;
  }
  for (const KeptKey& key : change.records_delete) disk_->records.erase({key.kind, key.key});
  write_logs(change);
}

void FakeStateStore::write_outbox(const StateChange& change) {
  for (const OutboxCancel& cancel : change.outbox_cancel) {
    for (auto& [id, row] : disk_->rows) {
      const Notification& old = row.notification;
      if (row.state != DeliveryState::Pending || row.outcome_unknown) continue;
      if (old.incident.id != cancel.incident_id || old.sequence >= cancel.before_sequence) continue;
      if (!cancel.receiver.empty() && old.receiver != cancel.receiver) continue;
      if (!cancel.channel.empty() && old.channel != cancel.channel) continue;
      row.state = DeliveryState::Superseded;
      row.note = clipped(cancel.text, kAttemptTextMax);
    }
  }
  for (const Notification& notification : change.outbox) {
    const bool known = std::any_of(disk_->rows.begin(), disk_->rows.end(), [&](const auto& each) {
      return each.second.notification.key == notification.key;
    });
    if (known) continue;
    OutboxRow row;
    row.id = ++disk_->last_row;
    row.notification = notification;
    row.due = notification.created_at;
    disk_->rows.emplace(row.id, std::move(row));
  }
}

void FakeStateStore::write_logs(const StateChange& change) {
  const std::string id = change_id(change);
  if (!change.decisions.empty() && disk_->decided_changes.insert(id).second) {
    for (const DecisionRecord& record : change.decisions) {
      disk_->decisions.push_back(clipped(record));
    }
  }
  if (change.audit.empty() || !disk_->audited_changes.insert(id).second) return;
  for (const AuditRecord& record : change.audit) {
    StoredAudit row{static_cast<std::int64_t>(disk_->audit.size()) + 1, clipped(record), {}};
    row.hash =
        audit_hash(disk_->audit.empty() ? "" : disk_->audit.back().hash, row.number, row.record);
    disk_->audit.push_back(std::move(row));
  }
}

void FakeStateStore::pending_after(std::int64_t after_id, std::size_t limit,
                                   base::Executor& reply_on, Done<std::vector<WaitingRow>> done) {
  using Rows = std::vector<WaitingRow>;
  Rows rows;
  if (auto lost = fenced(); broken || !lost) {
    answer<Rows>(reply_on, std::move(done), broken ? *broken : lost.error());
    return;
  }
  for (auto row = disk_->rows.upper_bound(after_id); row != disk_->rows.end(); ++row) {
    if (rows.size() == limit) break;
    if (row->second.state == DeliveryState::Pending) rows.push_back(waiting_row(row->second));
  }
  answer<Rows>(reply_on, std::move(done), std::move(rows));
}

void FakeStateStore::record(DeliveryBatch batch, base::Executor& reply_on,
                            Done<DeliveryBatchOutcome> done) {
  ++records_;
  if (auto lost = fenced(); broken || !lost) {
    answer<DeliveryBatchOutcome>(reply_on, std::move(done), broken ? *broken : lost.error());
    return;
  }
  DeliveryBatchOutcome outcome;
  for (const SettledRow& row : batch.settled) outcome.settled.push_back(settle(row));
  for (const AttemptStart& start : batch.started) {
    outcome.started.push_back(start_attempt(start.row_id, start.attempt, start.at));
  }
  for (const AttemptResult& result : batch.finished) {
    outcome.finished.push_back(finish_attempt(result));
  }
  StateChange change;
  change.outbox = std::move(batch.outbox);
  write_outbox(change);
  answer<DeliveryBatchOutcome>(reply_on, std::move(done), std::move(outcome));
}

Result<void> FakeStateStore::settle(const SettledRow& settled) {
  const auto row = disk_->rows.find(settled.row_id);
  if (row == disk_->rows.end()) {
    return base::error(ErrorCode::NotFound,
                       fmt::format("there is no outbox row {}", settled.row_id));
  }
  if (row->second.state == settled.state) return base::ok();
  if (row->second.state != DeliveryState::Pending) {
    return base::error(ErrorCode::InvalidArgument,
                       fmt::format("outbox row {} is finished", settled.row_id));
  }
  row->second.state = settled.state;
  row->second.outcome_unknown = false;
  row->second.note = clipped(settled.text, kAttemptTextMax);
  return base::ok();
}

Result<void> FakeStateStore::start_attempt(std::int64_t row_id, std::uint32_t attempt,
                                           base::WallTime at) {
  TC_TRY(fenced());
  const auto row = disk_->rows.find(row_id);
  if (row == disk_->rows.end()) {
    return base::error(ErrorCode::NotFound, fmt::format("there is no outbox row {}", row_id));
  }
  if (row->second.state != DeliveryState::Pending) {
    return base::error(ErrorCode::InvalidArgument,
                       fmt::format("outbox row {} is finished", row_id));
  }
  AttemptRecord record;
  record.attempt = attempt;
  record.started_at = at;
  disk_->attempts[{row_id, attempt}] = record;
  row->second.attempts = std::max(row->second.attempts, attempt);
  row->second.outcome_unknown = true;
  return base::ok();
}

void FakeStateStore::attempt_started(std::int64_t row_id, std::uint32_t attempt, base::WallTime at,
                                     base::Executor& reply_on, Done<void> done) {
  answer<void>(reply_on, std::move(done), start_attempt(row_id, attempt, at));
}

Result<void> FakeStateStore::finish_attempt(const AttemptResult& result) {
  TC_TRY(fenced());
  const auto row = disk_->rows.find(result.row_id);
  const auto attempt = disk_->attempts.find({result.row_id, result.attempt});
  if (row == disk_->rows.end() || attempt == disk_->attempts.end()) {
    return base::error(ErrorCode::NotFound, fmt::format("outbox row {} has no attempt {}",
                                                        result.row_id, result.attempt));
  }
  AttemptRecord& record = attempt->second;
  record.finished_at = result.finished_at;
  record.latency = result.latency;
  record.outcome = attempt_outcome(result.state);
  record.text = attempt_text(result);
  if (row->second.state != DeliveryState::Pending) return base::ok();  // the last word was said
  if (std::string receipt = kept_receipt(result); !receipt.empty()) {
    row->second.receipt = std::move(receipt);
  }
  row->second.state = result.state;
  row->second.outcome_unknown = false;
  if (result.state == DeliveryState::Pending) row->second.due = result.next_due;
  return base::ok();
}

void FakeStateStore::attempt_finished(AttemptResult result, base::Executor& reply_on,
                                      Done<void> done) {
  answer<void>(reply_on, std::move(done), finish_attempt(result));
}

void FakeStateStore::incidents(IncidentQuery query, base::Executor& reply_on,
                               Done<std::vector<IncidentRecord>> done) {
  std::vector<IncidentRecord> found;
  const std::size_t limit = std::min(query.limit, kIncidentsMax);
  for (auto it = disk_->incidents.rbegin(); it != disk_->incidents.rend(); ++it) {
    const IncidentRecord& record = it->second;
    if (found.size() == limit) break;
    if (query.state && record.state != *query.state) continue;
    if (query.unresolved_only && record.state == IncidentState::Resolved) continue;
    if (query.severity && record.severity != *query.severity) continue;
    if (query.number_below && record.number >= *query.number_below) continue;
    found.push_back(record);
  }
  answer<std::vector<IncidentRecord>>(reply_on, std::move(done), std::move(found));
}

void FakeStateStore::incident(std::string id, base::Executor& reply_on, Done<IncidentDetail> done) {
  const auto found = std::find_if(disk_->incidents.begin(), disk_->incidents.end(),
                                  [&](const auto& each) { return each.second.id == id; });
  if (found == disk_->incidents.end()) {
    answer<IncidentDetail>(reply_on, std::move(done),
                           base::error(ErrorCode::NotFound, "there is no incident '" + id + "'"));
    return;
  }
  IncidentDetail detail;
  detail.incident = found->second;
  for (const auto& [key, event] : disk_->events) {
    if (key.first == id) detail.timeline.push_back(event);
  }
  for (const auto& [row_id, row] : disk_->rows) {
    if (row.notification.incident.id != id) continue;
    DeliveryRecord delivery{row, {}};
    for (const auto& [key, attempt] : disk_->attempts) {
      if (key.first == row_id) delivery.attempts.push_back(attempt);
    }
    detail.deliveries.push_back(std::move(delivery));
  }
  answer<IncidentDetail>(reply_on, std::move(done), std::move(detail));
}

void FakeStateStore::prune(base::WallTime before, base::WallTime decisions_before,
                           base::Executor& reply_on, Done<std::uint64_t> done) {
  if (auto lost = fenced(); !lost) {
    answer<std::uint64_t>(reply_on, std::move(done), lost.error());
    return;
  }
  std::erase_if(disk_->decisions,
                [decisions_before](const auto& each) { return each.at < decisions_before; });
  const std::uint64_t pruned = std::erase_if(disk_->incidents, [before](const auto& each) {
    return each.second.resolved_at && *each.second.resolved_at < before;
  });
  std::set<std::string> kept;
  for (const auto& [number, record] : disk_->incidents) kept.insert(record.id);
  std::erase_if(disk_->events, [&](const auto& each) { return !kept.contains(each.first.first); });
  std::erase_if(disk_->rows, [&](const auto& each) {
    return each.second.state != DeliveryState::Pending &&
           !kept.contains(each.second.notification.incident.id);
  });
  std::erase_if(disk_->attempts,
                [this](const auto& each) { return !disk_->rows.contains(each.first.first); });
  answer<std::uint64_t>(reply_on, std::move(done), pruned);
}

}  // namespace tocsin::incident

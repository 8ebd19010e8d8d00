// FakeStateStore: reads of the decision log, the audit trail and receipts, and the lease.
#include <fmt/format.h>

#include <algorithm>

#include "alertd/incident/fake_state_store.h"

namespace tocsin::incident {

using base::ErrorCode;
using base::Result;

namespace {

template <class T>
void answer(base::Executor& reply_on, Done<T> done, Result<T> result) {
  reply_on.post([done = std::move(done), result = std::move(result)] { done(result); });
}

bool asked(const std::string& wanted, const std::string& found) {
  return wanted.empty() || wanted == found;
}

template <class Query>
bool within(const Query& query, base::WallTime at) {
  return (!query.from || at >= *query.from) && (!query.to || at < *query.to);
}

}  // namespace

void FakeStateStore::decisions(DecisionQuery query, base::Executor& reply_on,
                               Done<std::vector<DecisionRecord>> done) {
  std::vector<DecisionRecord> found;
  const std::size_t limit = std::min(query.limit, kLogRowsMax);
  for (auto it = disk_->decisions.rbegin(); it != disk_->decisions.rend(); ++it) {
    if (found.size() == limit) break;
    if (asked(clipped(query.subject, kSubjectBytesMax), it->subject) &&
        asked(query.fingerprint, it->fingerprint) && asked(query.incident_id, it->incident_id) &&
        within(query, it->at)) {
      found.push_back(*it);
    }
  }
  answer<std::vector<DecisionRecord>>(reply_on, std::move(done), std::move(found));
}

void FakeStateStore::audit(AuditQuery query, base::Executor& reply_on,
                           Done<std::vector<StoredAudit>> done) {
  std::vector<StoredAudit> found;
  const std::size_t limit = std::min(query.limit, kLogRowsMax);
  for (auto it = disk_->audit.rbegin(); it != disk_->audit.rend(); ++it) {
    if (found.size() == limit) break;
    if (asked(query.object, it->record.object) && asked(query.actor, it->record.actor) &&
        within(query, it->record.at) && (!query.number_below || it->number < *query.number_below)) {
      found.push_back(*it);
    }
  }
  answer<std::vector<StoredAudit>>(reply_on, std::move(done), std::move(found));
}

void FakeStateStore::verify_audit(base::Executor& reply_on, Done<AuditVerdict> done) {
  AuditChain chain;
  for (const StoredAudit& row : disk_->audit) {
    if (!chain.add(row)) break;
  }
  answer<AuditVerdict>(reply_on, std::move(done),
                       chain.finish(static_cast<std::int64_t>(disk_->audit.size())));
}

void FakeStateStore::receipts(ReceiptQuery query, base::Executor& reply_on,
                              Done<std::vector<Receipt>> done) {
  std::vector<Receipt> found;
  for (const auto& [id, row] : disk_->rows) {
    const Notification& message = row.notification;
    if (row.receipt.empty() || message.incident.id != query.incident_id) continue;
    if (!asked(query.receiver, message.receiver) || !asked(query.channel, message.channel))
      continue;
    found.push_back({id, message.receiver, message.channel, message.sequence, row.receipt});
  }
  if (found.size() > kReceiptsMax) {
    found.erase(found.begin(), found.end() - static_cast<std::ptrdiff_t>(kReceiptsMax));
  }
  answer<std::vector<Receipt>>(reply_on, std::move(done), std::move(found));
}

Result<void> FakeStateStore::fenced() const {
  if (disk_->lease_epoch == 0 || (epoch_ != 0 && epoch_ == disk_->lease_epoch)) return base::ok();
  return base::error(ErrorCode::Cancelled,
                     fmt::format("the lease is of '{}' with epoch {}, this store has epoch {}",
                                 disk_->lease_holder, disk_->lease_epoch, epoch_));
}

Lease FakeStateStore::lease() const {
  return {disk_->lease_holder, disk_->lease_epoch, epoch_ != 0 && epoch_ == disk_->lease_epoch};
}

void FakeStateStore::acquire_lease(std::string holder, base::Duration duration,
                                   base::Executor& reply_on, Done<Lease> done) {
  if (auto refused = check_lease(holder, duration); !refused) {
    answer<Lease>(reply_on, std::move(done), refused.error());
    return;
  }
  const base::WallTime now = reply_on.clock().wall();
  const bool ours = epoch_ != 0 && epoch_ == disk_->lease_epoch;
  if (ours) {
    disk_->lease_until = now + duration;
  } else if (disk_->lease_holder.empty() || disk_->lease_holder == holder ||
             disk_->lease_until <= now) {
    disk_->lease_holder = std::move(holder);
    epoch_ = ++disk_->lease_epoch;
    disk_->lease_until = now + duration;
  }
  answer<Lease>(reply_on, std::move(done), lease());
}

void FakeStateStore::renew_lease(base::Duration duration, base::Executor& reply_on,
                                 Done<Lease> done) {
  if (epoch_ == 0 || epoch_ != disk_->lease_epoch) {
    answer<Lease>(reply_on, std::move(done),
                  base::error(ErrorCode::Cancelled, "this store has no lease"));
    return;
  }
  disk_->lease_until = reply_on.clock().wall() + duration;
  answer<Lease>(reply_on, std::move(done), lease());
}

void FakeStateStore::release_lease(base::Executor& reply_on, Done<void> done) {
  if (epoch_ != 0 && epoch_ == disk_->lease_epoch) {
    disk_->lease_holder.clear();
    disk_->lease_until = {};
  }
  epoch_ = 0;
  answer<void>(reply_on, std::move(done), base::ok());
}

}  // namespace tocsin::incident

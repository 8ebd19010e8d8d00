#include "alertd/ingest/senders.h"

#include <limits>

namespace tocsin::ingest {

const SenderLimits& Senders::limits_locked(std::string_view name) const {
  return name == kLocalSender ? limits_.local : limits_.of_agent(name);
}

std::shared_ptr<Sender> Senders::find_or_make(const std::string& name) {
  const base::MutexLock lock(mutex_);
  std::shared_ptr<Sender>& sender = senders_[name];
  if (sender == nullptr) {
    // Numbers are not used again: what a removed agent left is not the next one's. Beyond the last
    // number series are not counted by owner.
    const bool more = last_owner_ < std::numeric_limits<std::uint16_t>::max();
    const std::uint16_t owner = more ? ++last_owner_ : std::uint16_t{0};
    sender = std::make_shared<Sender>(name, owner, limits_locked(name), queue_.lane(), metrics_);
  }
  return sender;
}

std::shared_ptr<Sender> Senders::find(std::string_view name) const {
  const base::MutexLock lock(mutex_);
  const auto at = senders_.find(name);
  return at == senders_.end() ? nullptr : at->second;
}

void Senders::forget(std::string_view name) {
  const base::MutexLock lock(mutex_);
  const auto at = senders_.find(name);
  if (at != senders_.end()) senders_.erase(at);
}

std::vector<SenderStatus> Senders::all() const {
  std::vector<SenderStatus> all;
  const base::MutexLock lock(mutex_);
  for (const auto& [name, sender] : senders_) all.push_back(sender->status());
  return all;
}

void Senders::take_limits(IngestLimits limits) {
  const base::MutexLock lock(mutex_);
  limits_ = std::move(limits);
  for (const auto& [name, sender] : senders_) sender->set_limits(limits_locked(name));
}

SenderLimits Senders::limits_of(std::string_view name) const {
  const base::MutexLock lock(mutex_);
  return limits_locked(name);
}

}  // namespace tocsin::ingest

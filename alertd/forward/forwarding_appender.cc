#include "alertd/forward/forwarding_appender.h"

#include <algorithm>
#include <utility>

namespace tocsin::forward {
namespace {

/// Who floods us with series is refused here, and must not flood receivers: of a batch whose series
/// are remembered it is known which were refused. Empty: all were taken, or nobody can tell.
std::vector<bool> taken_by_store(const model::WriteBatch& batch,
                                 const model::AppendOutcome& outcome) {
  if (outcome.series_refused == 0 || !batch.remember) return {};
  std::vector<bool> took(batch.series_count());
  for (std::size_t i = 0; i < took.size(); ++i) took[i] = batch.series()[i].known != nullptr;
  for (const auto& [index, known] : outcome.known) took[index] = true;
  return took;
}

}  // namespace

ForwardingAppender::ForwardingAppender(model::Appender& store,
                                       const std::vector<ForwardSettings>& settings,
                                       const ForwardWorld& world, const std::string& folder)
    : store_(store), executor_(world.executor) {
  for (const ForwardSettings& one : settings) {
    receivers_.push_back(
        std::make_unique<Forwarder>(one, world, base::join_path(folder, one.name)));
  }
}

void ForwardingAppender::start() {
  executor_.post([this] {
    for (const auto& receiver : receivers_) receiver->start();
  });
}

void ForwardingAppender::append(std::shared_ptr<const model::WriteBatch> batch,
                                model::AppendDone done) {
  if (receivers_.empty()) return store_.append(std::move(batch), std::move(done));
  // The store answers in the order of its commits, and the executor keeps that order.
  store_.append(batch, [this, batch, done = std::move(done)](
                           base::Result<model::AppendOutcome> outcome) mutable {
    if (!outcome) return done(std::move(outcome));
    executor_.post([this, batch = std::move(batch), done = std::move(done),
                    outcome = std::move(outcome)]() mutable {
      const std::vector<bool> took = taken_by_store(*batch, *outcome);
      for (const auto& receiver : receivers_) receiver->take(*batch, took);
      done(std::move(outcome));
    });
  });
}

bool ForwardingAppender::reload(const std::vector<ForwardSettings>& settings) {
  bool same = settings.size() == receivers_.size();
  for (const ForwardSettings& one : settings) {
    const auto found = std::find_if(receivers_.begin(), receivers_.end(),
                                    [&](const auto& known) { return known->name() == one.name; });
    if (found == receivers_.end()) {
      same = false;
    } else {
      executor_.post([receiver = found->get(), one] { receiver->reload(one); });
    }
  }
  return same;
}

void ForwardingAppender::stop() {
  executor_.post([this] {
    for (const auto& receiver : receivers_) receiver->stop([] {});
  });
}

}  // namespace tocsin::forward

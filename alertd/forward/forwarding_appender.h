// Before the store: what it took goes on to every receiver's queue before it is acknowledged.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "alertd/forward/forwarder.h"
#include "common/model/appender.h"

namespace tocsin::forward {

/// Thread: append(), start(), reload() and stop() from any. Outlives the last answer of the store;
/// destroyed after its executor has stopped.
class ForwardingAppender final : public model::Appender {
 public:
  /// `folder` gets a folder for each receiver's queue.
  ForwardingAppender(model::Appender& store, const std::vector<ForwardSettings>& settings,
                     const ForwardWorld& world, const std::string& folder);

  void start();
  /// As Appender says, but `done` runs on the executor of the world: the batch is in the store, and
  /// in the queues too (kill -9 takes neither; a power cut the last second of the queues). What
  /// the store did not take goes to no queue.
  void append(std::shared_ptr<const model::WriteBatch> batch, model::AppendDone done) override;
  /// New settings for receivers of the same names. Returns whether the names are the same; others
  /// take effect at the next start.
  bool reload(const std::vector<ForwardSettings>& settings);
  /// Sends nothing more; queues are flushed once the answers in flight are there.
  void stop();

 private:
  model::Appender& store_;
  base::Executor& executor_;
  std::vector<std::unique_ptr<Forwarder>> receivers_;  ///< Never changes; used on the executor.
};

}  // namespace tocsin::forward

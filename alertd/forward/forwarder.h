// One receiver of everything that comes in: what of it, under which labels, from which queue.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_set>

#include "alertd/forward/forward_settings.h"
#include "common/model/metadata_table.h"
#include "common/remote_write/sender.h"
#include "common/spool/spool.h"

namespace tocsin::forward {

/// What receivers work with; all of it outlives them.
struct ForwardWorld {
  base::Executor& executor;  ///< One thread: queues and senders belong to it.
  net::HttpClient& http;     ///< With a thread for each receiver.
  base::FileSystem& files;
  base::Random& random;
  base::Metrics& metrics;
  const model::MetadataTable& metadata;
};

/// Owner: its executor; every call on it, except making it.
class Forwarder {
 public:
  /// `folder` is that of its queue, which is created and recovered.
  Forwarder(ForwardSettings settings, const ForwardWorld& world, const std::string& folder);

  /// Begins with what an earlier run left.
  void start() { sender_.start(); }
  /// Writes what of the batch the receiver gets to its queue. `took` says by index which series the
  /// store took; empty: all. Never fails; the queue counts what it drops.
  void take(const model::WriteBatch& batch, const std::vector<bool>& took);
  /// New address, login, selection and labels; the queue's bounds stay until the next start.
  void reload(ForwardSettings settings);
  void stop(std::function<void()> done) { sender_.stop(std::move(done)); }

  const std::string& name() const { return settings_.name; }

 private:
  bool wants(std::span<const model::LabelView> labels) const;
  bool add_series(const model::WriteBatch& batch, const model::WriteBatch::Series& series,
                  model::WriteBatch& out);
  void describe(std::string_view metric, model::WriteBatch& out);

  ForwardSettings settings_;
  ForwardWorld world_;
  spool::Spool spool_;
  remote_write::Sender sender_;
  base::Counter left_out_;
  /// Families that the receiver was told of lately.
  std::unordered_set<std::string> described_;
  base::MonotonicTime described_since_{};
};

}  // namespace tocsin::forward

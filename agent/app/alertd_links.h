// Every alertd that the agent sends to, each with a queue and a sender of its own.
//
// All get every batch. What one of them does not take waits in its own queue on the disk, within
// its own bounds, so that a dead daemon delays and costs the others nothing. With one address its
// queue is the spool's folder itself; with several each has a folder in there, named by its
// address, so that the order of the addresses does not matter. What waited in the other layout is
// taken over at the start.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/emergency/emergency_caller.h"
#include "common/base/executor.h"
#include "common/base/file_system.h"
#include "common/base/metrics.h"
#include "common/base/random.h"
#include "common/net/http_client.h"
#include "common/remote_write/sender.h"
#include "common/spool/spool.h"

namespace tocsin::agent {

/// Where the agent sends, and how.
struct LinkSettings {
  remote_write::SenderOptions sender;  ///< `url` is the first of `urls`.
  std::vector<std::string> urls;       ///< Of the remote-write endpoints; empty: the sender's.
  spool::SpoolOptions spool;           ///< The bounds hold for each address.

  /// Returns `urls`, or the one of the sender.
  std::vector<std::string> all() const;
};

/// Returns the name of an address in metrics and the log: "alerts:9464". Never a path, which may
/// carry a credential. Pure.
std::string link_name(const std::string& write_url);

/// Returns the name of its folder in the spool's, different for different names. Pure.
std::string link_folder(const std::string& write_url);

/// Owner: its executor; every call on it, except making it.
class AlertdLinks {
 public:
  struct World {
    base::Executor& executor;
    net::HttpClient& http;  ///< With a request in flight for each address.
    base::FileSystem& files;
    base::Random& random;
    base::Metrics& metrics;
    EmergencyCaller& emergency;  ///< Hears of every answer: one that lives is enough.
  };

  /// Opens the queues and recovers what an earlier process left. Never fails, as Spool.
  AlertdLinks(const LinkSettings& settings, World world);

  void start();
  /// To all of them.
  void push(model::WriteBatch batch);
  /// Takes new settings in. Which addresses there are changes after a restart only, except that a
  /// single one may be changed for another. Returns whether all of it took effect.
  bool configure(const LinkSettings& settings);
  /// Sends nothing more; `done` is called once every queue is on the disk.
  void stop(std::function<void()> done);
  /// Makes what waits survive power loss, now.
  void flush();

 private:
  struct Link {
    std::string url;
    std::unique_ptr<spool::Spool> spool;
    std::unique_ptr<remote_write::Sender> sender;
    std::string problem;  ///< Of the last request; empty: it answered.
  };

  remote_write::SenderOptions options_for(const LinkSettings& settings,
                                          const std::string& url) const;
  void heard(Link& link, const std::string& problem);

  World world_;
  bool several_ = false;
  std::vector<std::unique_ptr<Link>> links_;
};

}  // namespace tocsin::agent

// Asks many mounted file systems for their usage, none of which can hold up the others.
//
// One worker thread asks one mount after the other. A mount that does not answer at once keeps its
// worker, and the next mount gets another one; after the round's deadline what has not answered is
// stuck. A stuck mount is not asked again until its call returns, so threads never grow with time:
// one for each stuck mount, at most kWorkersMax. The last free worker is kept for local file
// systems, so that eight dead network mounts do not hide a full disk.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "agent/collectors/blocking/hanging_call.h"
#include "common/base/clock.h"
#include "common/base/time.h"

namespace tocsin::agent {

/// What statfs(2) says, in bytes and in file nodes.
struct FilesystemUsage {
  double size = 0;
  double free = 0;
  double available = 0;  ///< For users other than root.
  double files = 0;
  double files_free = 0;
};

struct StatfsReply {
  int error = 0;  ///< An errno value; 0 for success.
  FilesystemUsage usage;
};
using StatfsFunction = std::function<StatfsReply(const std::string& path)>;

/// Calls statfs(2).
StatfsReply real_statfs(const std::string& path);

/// Owner: the filesystem collector, or those of one configuration after the other: calls that hang
/// keep their threads over a reload, and the next collector gets no others for the same mounts.
/// ask() blocks for the deadline at most.
class StatfsPool {
 public:
  static constexpr std::size_t kWorkersMax = 8;

  struct Request {
    std::string path;
    bool remote = false;  ///< Lives on another machine or in a program; may hang.
  };
  enum class Outcome {
    Answered,
    Failed,   ///< statfs returned an error.
    Stuck,    ///< No answer in time, now or in an earlier round.
    Refused,  ///< Not asked: no worker was free.
  };
  struct Answer {
    Outcome outcome = Outcome::Refused;
    StatfsReply reply;
  };

  StatfsPool(const base::Clock& clock, StatfsFunction statfs, base::Duration deadline);
  ~StatfsPool();

  void set_deadline(base::Duration deadline) { deadline_ = deadline; }

  /// Returns one answer for each request, in their order.
  std::vector<Answer> ask(std::span<const Request> requests);

  /// Returns the number of threads alive now.
  std::size_t workers() const { return workers_.size(); }

 private:
  struct Worker;

  Worker* free_worker(bool remote);
  Worker* worker_on(const std::string& path);
  std::size_t busy_workers() const;
  base::Duration left(base::MonotonicTime started) const;
  void start(Worker& worker, const Request& request);
  void trim();

  const base::Clock& clock_;
  StatfsFunction statfs_;
  base::Duration deadline_;
  std::shared_ptr<CallSignal> signal_ = std::make_shared<CallSignal>();
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace tocsin::agent

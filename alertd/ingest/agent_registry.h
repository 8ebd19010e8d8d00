// Who may write: agents by name, with the SHA-256 of their token and the labels they are held to.
//
// The file is JSON, mode 0600, replaced as a whole. A token is shown once, when it is made; only
// its hash is kept, so neither the file nor the API can give it away. Another process (the command
// line) may change the file: reload_if_changed() takes it up.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/base/clock.h"
#include "common/base/file_system.h"
#include "common/base/mutex.h"
#include "common/base/random.h"
#include "common/base/secret.h"
#include "common/model/labels.h"

namespace tocsin::ingest {

/// The label that says whose samples they are.
inline constexpr std::string_view kHostLabel = "host";
inline constexpr std::string_view kInstanceLabel = "instance";

/// One agent.
struct Agent {
  std::string name;          ///< Forced on its samples as the label `host`.
  std::string token_sha256;  ///< 64 hexadecimal digits.
  base::WallTime created;
  model::Labels labels;  ///< Further labels forced on its samples, e.g. env="prod".
  std::vector<std::string>
      may_relay;  ///< Hosts it may speak for besides itself; `*` matches any text.

  /// Returns whether samples of `host` may come from this agent.
  bool may_send_for(std::string_view host) const;
};

/// What add() is told.
struct NewAgent {
  std::string name;
  model::Labels labels;
  std::vector<std::string> may_relay;
};

/// Lifecycle: load() once, then any thread. Changes are written before they take effect.
class AgentRegistry {
 public:
  /// `random` makes the tokens; it must be fit for keys.
  AgentRegistry(base::FileSystem& files, const base::Clock& clock, base::Random& random,
                std::string path)
      : files_(files), clock_(clock), random_(random), path_(std::move(path)) {}

  /// Reads the file; a missing one is an empty registry.
  /// Errors: InvalidArgument (names the file and the entry; what was loaded before stays),
  /// PermissionDenied (others may write the file), Io.
  base::Result<void> load() EXCLUDES(mutex_);
  /// Reads the file again if it was changed since. Returns whether it was. Errors: as load().
  base::Result<bool> reload_if_changed() EXCLUDES(mutex_);

  /// Adds an agent and returns its token, "tca_" and 64 hexadecimal digits: for once, never again.
  /// Errors: InvalidArgument (name exists, or is not 1 to 128 of letters, digits, '.', '_', '-';
  /// reserved label), Io. Blocks on the disk.
  base::Result<base::Secret> add(const NewAgent& agent) EXCLUDES(mutex_);
  /// Forgets an agent; its token is refused from now on. Errors: NotFound, Io. Blocks on the disk.
  base::Result<void> remove(std::string_view name) EXCLUDES(mutex_);

  /// Returns all agents, by name.
  std::vector<Agent> list() const EXCLUDES(mutex_);
  /// Returns the agent whose token this is, or null. Compares hashes in constant time.
  std::shared_ptr<const Agent> authenticate(std::string_view token) const EXCLUDES(mutex_);

 private:
  using ByHash = std::unordered_map<std::string, std::shared_ptr<const Agent>>;

  base::Result<void> load_locked() REQUIRES(mutex_);
  base::Result<void> save_locked(ByHash agents) REQUIRES(mutex_);

  base::FileSystem& files_;
  const base::Clock& clock_;
  base::Random& random_;
  const std::string path_;
  mutable base::Mutex mutex_;
  ByHash agents_ GUARDED_BY(mutex_);
  std::int64_t modified_ns_ GUARDED_BY(mutex_) = 0;
};

}  // namespace tocsin::ingest

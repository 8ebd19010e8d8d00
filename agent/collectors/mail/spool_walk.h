// The queues of a mail server, counted by their files.
//
// When a message came in is not when its file changed last: Postfix sets a deferred file's time to
// the next attempt. So the time comes from the queue id where it says one (Postfix's long ids,
// Exim's), else from the file's creation, else from its time if that is past.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/base/time.h"

namespace tocsin::agent {

enum class MailServer { Postfix, Exim };

struct SpoolLimits {
  std::size_t files_max = 100'000;  ///< Looked at in one queue.
  int depth_max = 4;                ///< Of folders within it (Postfix: hash_queue_depth).
};

/// One queue at one moment.
struct SpoolCount {
  double messages = 0;
  std::optional<base::WallTime> oldest{};
  bool cut = false;  ///< There are more than files_max.
};

/// Counts the messages in `folder` and below. Messages that go away meanwhile are not there.
/// Blocking. Errors: NotFound, PermissionDenied (names the folder), Io.
base::Result<SpoolCount> count_spool(const std::string& folder, MailServer server,
                                     const SpoolLimits& limits, base::WallTime now);

/// Returns when the message of that queue id came in; nullopt if the id does not say.
/// Source: Postfix, "enable_long_queue_ids"; Exim's specification, "Message identification".
std::optional<base::WallTime> queue_id_time(std::string_view id, MailServer server);

}  // namespace tocsin::agent

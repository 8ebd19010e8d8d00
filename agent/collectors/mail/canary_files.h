// Looking for a canary's messages in a Maildir or an mbox file.
//
// Of each message the header is read, up to its end or 8 KiB, and of the header one line counts:
// X-Tocsin-Canary. The mailbox is best one of the canary's own.
#pragma once

#include <string>

#include "common/base/file_system.h"
#include "common/net/imap_client.h"

namespace tocsin::agent {

inline constexpr std::string_view kCanaryHeader = "X-Tocsin-Canary";

/// Returns the canary's mark in a message's header; "" if it has none.
std::string canary_mark(std::string_view message);

/// Looks into new/ and cur/ of a Maildir, at most 500 files in each, the newest names first; what
/// is found is deleted as MailSearch says. Blocking.
/// Errors: NotFound, PermissionDenied, Io.
base::Result<net::MailFound> search_maildir(base::FileSystem& files, const std::string& folder,
                                            const net::MailSearch& search);

/// Looks at the last MiB of an mbox file; nothing is deleted. Blocking. A file that is not there is
/// an empty one: nothing has arrived yet. Errors: PermissionDenied, Io.
base::Result<net::MailFound> search_mbox(const base::FileSystem& files, const std::string& path,
                                         const net::MailSearch& search);

}  // namespace tocsin::agent

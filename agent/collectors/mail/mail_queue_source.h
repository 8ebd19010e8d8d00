// The queues of a mail server of this host: how many messages, and for how long the oldest waits.
//
// A queue that cannot be read is tocsin_agent_check_failed, and its numbers are not told; the log
// says which group or access list is missing.
#pragma once

#include "agent/collectors/blocking/blocking_source.h"
#include "agent/collectors/mail/mail_settings.h"
#include "common/base/log.h"

namespace tocsin::agent {

/// Reads every queue once, and says in `failures` what could not be read. Blocking; for the
/// source's thread. `clock` and `failures` outlive what is returned.
Fill read_mail_queue(const MailQueueSettings& settings, const base::Clock& clock,
                     base::FailureLog& failures);

/// `failures` outlives what is returned, and a call that hangs: it is the program's.
std::unique_ptr<AsyncSource> make_mail_queue_source(const MailQueueSettings& settings,
                                                    base::Duration round_interval,
                                                    BlockingSource::World world,
                                                    base::FailureLog& failures);

}  // namespace tocsin::agent

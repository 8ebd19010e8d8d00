// All sets of backups as one source of the sampler.
//
// Looking at them is one thread; each is looked at on its own interval and told every round from
// memory. What is new is verified on a second thread, which exists from the first verification on:
// one backup at a time, at the set's rate.
#pragma once

#include "agent/backup/backup_settings.h"
#include "agent/collectors/blocking/blocking_source.h"
#include "common/base/file_system.h"
#include "common/base/log.h"

namespace tocsin::agent {

/// Whether what is new is read through: not by a single round beside the agent that runs.
enum class VerifyNew { No, Yes };

/// `failures` and `files` outlive what is returned, and a call that hangs: they are the program's.
std::unique_ptr<AsyncSource> make_backup_source(const BackupSettings& settings,
                                                base::FileSystem& files,
                                                BlockingSource::World world,
                                                base::FailureLog& failures, VerifyNew verify);

}  // namespace tocsin::agent

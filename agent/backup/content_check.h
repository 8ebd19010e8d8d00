// The structure of a backup that is one file, or one folder of pg_dump (V2).
#pragma once

#include <string>

#include "agent/backup/digest.h"
#include "agent/backup/paced_file.h"
#include "agent/backup/verify.h"

namespace tocsin::agent {

/// What a check reads through, and where it writes what it saw.
struct CheckContext {
  const VerifyRequest& request;
  const base::FileSystem& files;
  Pace& pace;
  BackupVerdict& verdict;
};

/// Reads a file in full and hands what is in it, decompressed, to `take`. Findings: "empty" (no
/// byte comes out), and those of decoders and of reading.
Found read_decoded(const std::string& path, CheckContext& context, const TakeBytes& take);

/// Reads a file in full: decompresses it, walks through archives, reads dumps. `digest`, unless
/// nullptr, gets the bytes as they are on disk. Where the content cannot be seen (encrypted, bzip2)
/// the verdict's note says so and its level stays.
Found check_file_structure(const std::string& path, CheckContext& context, Digest* digest);

/// A dump in the directory format: its contents, and each file decompressed.
Found check_dump_folder(const std::string& folder, CheckContext& context);

}  // namespace tocsin::agent

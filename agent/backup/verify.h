// Verification of one backup by reading it: levels V0 to V3.
//
// What a backup is, is seen by its content, not by its name: a folder with backup_manifest is a
// base backup; one with toc.dat a dump of pg_dump; files are told apart by their first bytes.
// Nothing is ever written beside a backup.
#pragma once

#include <functional>
#include <string>

#include "agent/backup/backup_set.h"
#include "agent/backup/finding_decoder.h"
#include "common/base/clock.h"
#include "common/base/file_system.h"

namespace tocsin::agent {

struct VerifyRequest {
  std::string path{};                          ///< A file or a folder.
  VerifyLevel level = VerifyLevel::Structure;  ///< At most Checksum.
  bool must_be_dump = false;  ///< Content that is no dump of PostgreSQL is a finding.
  std::uint64_t size_min = 1'024;
  std::uint64_t read_rate = 0;  ///< Bytes a second; 0: no bound.
  DumpRules dump{};
  std::string signature_key{};  ///< Empty: signatures are not looked at.
  std::string copy{};
  std::string copy_sums{};
  std::string wal_archive{};
  std::uint64_t wal_segment_bytes = 16 << 20;
};

/// The request that a set's settings make of a backup in it.
VerifyRequest verify_request(const BackupSet& set, std::string path, VerifyLevel level);

struct VerifyWorld {
  const base::FileSystem& files;
  const base::Clock& clock;
  std::function<base::Result<void>()> check{};  ///< Says whether to stop; may be empty.
};

/// How a verification ended.
struct BackupVerdict {
  Found found{};                            ///< nullopt: good, as far as one looked.
  VerifyLevel level = VerifyLevel::Exists;  ///< Passed; or, with a finding, where it was found.
  std::string what{};  ///< "pg_dump archive 1.14 of PostgreSQL 15.4, 13 tables": for people.
  std::string note{};  ///< Why one did not look as far as asked: "no checksum beside it".
  std::uint64_t bytes_read = 0;
  std::uint64_t decoded_bytes = 0;
  DumpFacts facts{};
};

/// Verifies. Blocks as long as reading takes; errors: Cancelled, Timeout (of `check`). Thread: any.
base::Result<BackupVerdict> verify_backup(const VerifyRequest& request, const VerifyWorld& world);

/// The quick part (V1): size, first bytes, and the last ones where they say something. Reads some
/// kilobytes.
Found check_quickly(const VerifyRequest& request, const base::FileSystem& files);

}  // namespace tocsin::agent

// The structure of a tar archive, as it streams by: headers with their checksums, lengths, the end.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/backup/finding.h"

namespace tocsin::agent {

/// Is told of the files in an archive.
class TarVisitor {
 public:
  virtual ~TarVisitor() = default;
  /// A file begins; `name` without a leading "./".
  virtual void begin(std::string_view name, std::uint64_t size) = 0;
  virtual void content(std::string_view bytes) = 0;
  /// It has ended; what is returned ends the walk.
  virtual Found end() = 0;
};

/// ustar, GNU and pax, as tar(1), pg_basebackup and pg_dump write them. Thread: one.
/// Source: POSIX.1-2017 pax, "ustar Interchange Format"; tar(5) of libarchive for GNU's long names.
class TarWalk {
 public:
  static constexpr std::size_t kBlock = 512;

  explicit TarWalk(TarVisitor* visitor = nullptr) : visitor_(visitor) {}

  /// Returns whether a first block of 512 bytes is the header of an archive.
  static bool looks_like(std::string_view block);

  /// Findings: "damaged" (a header's checksum), and the visitor's.
  Found feed(std::string_view bytes);
  /// Findings: "truncated" (a file, or the end mark, is missing).
  Found finish() const;
  std::uint64_t entries() const { return entries_; }

 private:
  Found header(std::string_view block);
  Found take_content(std::string_view bytes);
  Found end_of_entry();

  TarVisitor* visitor_;
  std::string block_;          // a header that is not complete
  std::uint64_t content_ = 0;  // bytes of the entry still to come
  std::uint64_t padding_ = 0;  // then these
  bool special_ = false;       // the entry is about the next one
  char type_ = 0;
  std::string special_content_;  // bounded
  std::string long_name_;
  bool visiting_ = false;
  bool half_ended_ = false;
  bool ended_ = false;
  std::uint64_t entries_ = 0;
};

}  // namespace tocsin::agent

// A plain dump of pg_dump or pg_dumpall (SQL as text), read as it streams by.
//
// Its last comment says that it is complete. Newer pg_dump writes `\unrestrict` after it, so the
// comment is looked for near the end, not in the last line.
#pragma once

#include <string>
#include <string_view>

#include "agent/backup/dump_facts.h"

namespace tocsin::agent {

/// Thread: one.
class PlainDump {
 public:
  explicit PlainDump(const DumpRules& rules) : rules_(rules) {}

  /// Returns whether text begins as a dump does.
  static bool looks_like(std::string_view begin);

  void feed(std::string_view text);
  /// Findings: "truncated" (no mark of completion near the end).
  Found finish();
  const DumpFacts& facts() const { return facts_; }

 private:
  void line();
  void statement(std::string_view text);

  const DumpRules& rules_;
  DumpFacts facts_;
  std::string line_;  // its beginning
  std::uint64_t offset_ = 0;
  std::optional<std::uint64_t> complete_at_;
  bool in_copy_ = false;
};

/// Returns whether the last bytes of a plain dump have the mark of completion.
bool has_completion_mark(std::string_view tail);

}  // namespace tocsin::agent

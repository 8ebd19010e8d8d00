// Which group a process belongs to: the first of the configured groups that it matches.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace tocsin::agent {

/// One table `[[process_group]]`. What is given must all match; of a list one entry, of `cmdline`
/// every expression.
struct ProcessGroupSettings {
  /// The label `groupname`. May hold {comm}, {exe}, {user}, {unit}, and {x} for a group (?P<x>...)
  /// of an expression in `cmdline`: then there is one group for each text that comes of it.
  std::string name{};
  std::vector<std::string> comm{};  ///< The kernel's name, compared in its 15 bytes.
  std::vector<std::string> exe{};   ///< The program as it was called; without '/': its last part.
  std::vector<std::string> cmdline{};  ///< RE2, over the arguments joined by spaces.
  std::vector<std::string> user{};     ///< Name or number.
  std::vector<std::string> unit{};     ///< systemd unit; * and ? stand for any.
  std::uint64_t min = 1;               ///< Fewer are an alert; 0 for none.

  friend bool operator==(const ProcessGroupSettings&, const ProcessGroupSettings&) = default;
};

/// What is known of a process. The functions are asked only if a group needs them.
struct ProcessFacts {
  std::string_view comm;
  std::function<std::string()> cmdline;  ///< Arguments, each ended by a NUL byte; may be empty.
  std::function<std::string()> user;     ///< Name, or number if it has none; "" if unknown.
  std::function<std::string()> unit;
  std::function<std::string()> user_number;
};

/// Owner: one collector.
class ProcessNamer {
 public:
  /// Errors: InvalidArgument (an expression that RE2 refuses, an unknown {name}).
  static base::Result<ProcessNamer> make(std::vector<ProcessGroupSettings> groups);
  ProcessNamer(ProcessNamer&&) noexcept;
  ProcessNamer& operator=(ProcessNamer&&) noexcept;
  ~ProcessNamer();

  /// Returns the name of the group; nullopt if the process belongs to none. At most 64 bytes of
  /// UTF-8 for each part that comes of the process.
  std::optional<std::string> group_of(const ProcessFacts& facts) const;

  const std::vector<ProcessGroupSettings>& groups() const;

 private:
  struct State;
  explicit ProcessNamer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Returns whether the name stands for itself, without {parts}.
bool is_plain_group_name(std::string_view name);

}  // namespace tocsin::agent

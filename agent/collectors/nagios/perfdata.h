// What a plugin of Nagios prints: one line for people, then numbers behind a '|'.
// Source: Monitoring Plugins Development Guidelines, "Plugin Output for Nagios" and "Threshold and
// Ranges".
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tocsin::agent {

/// A range that alerts outside of it (inside, if `inverted`).
struct NagiosRange {
  std::optional<double> low;   ///< nullopt: no lower end ("~").
  std::optional<double> high;  ///< nullopt: no upper end.
  bool inverted = false;
};

/// One number, in base units.
struct NagiosNumber {
  std::string label;
  std::string unit;  ///< "seconds", "bytes", "ratio", "total" (a counter), or "value".
  double value = 0;
  std::optional<NagiosRange> warning{};
  std::optional<NagiosRange> critical{};
  std::optional<double> min{};
  std::optional<double> max{};
};

struct NagiosOutput {
  std::string first_line;  ///< For people.
  std::vector<NagiosNumber> numbers;
  std::size_t unreadable = 0;  ///< Parts of the numbers that are none.
};

/// Parses what a plugin printed, numbers of further lines too. At most `numbers_max` are kept; more
/// count as unreadable. Pure.
NagiosOutput parse_nagios_output(std::string_view text, std::size_t numbers_max);

/// Parses "10", "10:", "~:10", "10:20", "@10:20"; nullopt for anything else and for "".
std::optional<NagiosRange> parse_nagios_range(std::string_view text);

}  // namespace tocsin::agent

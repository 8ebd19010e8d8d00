// The four severities, and how those of other systems map to them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tocsin::model {

/// How bad it is; a greater value is worse. Exactly four.
enum class Severity : std::uint8_t { Low = 0, Medium = 1, High = 2, Critical = 3 };

inline constexpr std::array<Severity, 4> kSeverities{Severity::Critical, Severity::High,
                                                     Severity::Medium, Severity::Low};

/// Returns "critical", "high", "medium" or "low": also the value of the label `severity`.
std::string_view to_string(Severity severity);

/// Parses exactly one of our four names.
std::optional<Severity> parse_severity(std::string_view text);

/// Maps the label `severity` of an imported rule: page, critical, emergency, fatal -> Critical;
/// error, high, major -> High; warning, medium, minor -> Medium; info, none, low, notice, debug ->
/// Low. nullopt if unknown.
std::optional<Severity> import_severity(std::string_view text);

}  // namespace tocsin::model

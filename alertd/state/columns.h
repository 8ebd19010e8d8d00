// How columns are read, the same in both engines.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <string>

#include "common/base/result.h"
#include "common/base/time.h"
#include "common/model/severity.h"

namespace tocsin::state {

inline std::optional<base::WallTime> to_time(const std::optional<std::int64_t>& ms) {
  return ms ? std::optional(base::wall_time(*ms)) : std::nullopt;
}

/// Returns Corruption, with the store named.
inline base::Error corrupt(std::string what) {
  return base::error(base::ErrorCode::Corruption, "state store: " + std::move(what));
}

/// Errors: Corruption.
inline base::Result<model::Severity> to_severity(std::int64_t value) {
  if (value < 0 || value > 3) return corrupt(fmt::format("severity {} is unknown", value));
  return static_cast<model::Severity>(value);
}

}  // namespace tocsin::state

// How columns, and times in bodies, are read and written: the same in all tables.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <string>

#include "common/base/byte_codec.h"
#include "common/base/log.h"
#include "common/base/result.h"
#include "common/base/time.h"
#include "common/model/severity.h"

namespace tocsin::state {

inline std::optional<base::WallTime> to_time(const std::optional<std::int64_t>& ms) {
  return ms ? std::optional(base::wall_time(*ms)) : std::nullopt;
}

inline std::optional<std::int64_t> to_ms(const std::optional<base::WallTime>& time) {
  return time ? std::optional(base::to_ms(*time)) : std::nullopt;
}

inline void put_time(base::WallTime time, std::string& out) {
  base::put_signed(base::as_u64(base::to_ms(time)), out);
}
inline base::WallTime take_time(base::ByteReader& reader) {
  return base::wall_time(base::as_i64(reader.signed_varint()));
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

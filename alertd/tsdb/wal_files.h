// Names of the log's files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tocsin::tsdb {

inline constexpr std::string_view kDamagedSuffix = ".damaged";
inline constexpr std::string_view kTemporarySuffix = ".tmp";

/// "wal-00000012.log": samples in the order of arrival.
std::string segment_name(std::uint64_t number);
/// "checkpoint-00000012.ckpt": all that segments before 12 held.
std::string checkpoint_name(std::uint64_t number);
/// Returns the number, or nullopt if the name is not that of a segment.
std::optional<std::uint64_t> segment_number(std::string_view name);
std::optional<std::uint64_t> checkpoint_number(std::string_view name);

}  // namespace tocsin::tsdb

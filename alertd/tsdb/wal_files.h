// Names of the store's files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tocsin::tsdb {

/// Who speaks in the log.
inline constexpr std::string_view kComponent = "alertd/tsdb";

inline constexpr std::string_view kDamagedSuffix = ".damaged";
inline constexpr std::string_view kTemporarySuffix = ".tmp";

/// "wal-00000012.log": samples in the order of arrival.
std::string log_name(std::uint64_t number);
/// "checkpoint-00000012.ckpt": all that log files before 12 held and no segment has.
std::string checkpoint_name(std::uint64_t number);
/// "chunks-00000012.seg": full chunks. Numbered on its own.
std::string segment_name(std::uint64_t number);
/// Returns the number, or nullopt if the name is not that of a log file.
std::optional<std::uint64_t> log_number(std::string_view name);
std::optional<std::uint64_t> checkpoint_number(std::string_view name);
std::optional<std::uint64_t> segment_number(std::string_view name);

}  // namespace tocsin::tsdb

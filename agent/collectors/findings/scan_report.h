// What scanners' result files say: findings by severity. Pure: bytes in, values out.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/base/time.h"

namespace tocsin::agent {

/// How bad a finding is, in the words of the metrics.
enum class FindingSeverity { Critical, High, Medium, Low, Info };
inline constexpr std::array kFindingSeverities = {FindingSeverity::Critical, FindingSeverity::High,
                                                  FindingSeverity::Medium, FindingSeverity::Low,
                                                  FindingSeverity::Info};
std::string_view to_string(FindingSeverity severity);
/// Reads a scanner's word; nullopt for one that says no severity.
std::optional<FindingSeverity> severity_of(std::string_view word);

struct ScanFinding {
  std::string fingerprint;  ///< The same for the same finding in the next scan: 16 hex digits.
  FindingSeverity severity = FindingSeverity::Info;
  std::optional<base::WallTime> due = std::nullopt;  ///< Until when it must be closed.
};

struct ScanReport {
  std::vector<ScanFinding> findings;
  std::size_t skipped = 0;                ///< Things the scanner could not look at.
  std::optional<base::WallTime> scanned;  ///< If the report says when.
  std::string image;                      ///< The container image that was looked at; empty: none.
  std::optional<base::WallTime> image_created;
};

/// The formats, in the words of the configuration.
const std::vector<std::string>& scan_formats();

/// Reads one report in pieces. A document without what marks its format is an error: it must not
/// pass for "no findings".
class ScanReader {
 public:
  virtual ~ScanReader() = default;
  /// Errors: InvalidArgument, LimitExceeded (more than 20,000 findings, one larger than 1 MiB).
  virtual base::Result<void> read(std::string_view piece) = 0;
  /// Errors: Corruption (cut), InvalidArgument (of another format, or the report of a failure).
  virtual base::Result<ScanReport> end() = 0;
};

/// `format` is one of scan_formats(); `unrated` is the severity of findings that have none
/// (pip-audit).
std::unique_ptr<ScanReader> make_scan_reader(const std::string& format, FindingSeverity unrated);

}  // namespace tocsin::agent

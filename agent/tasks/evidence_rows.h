// Rows of a file that a run leaves: a report of no rows is no report.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/file_system.h"
#include "common/base/result.h"

namespace tocsin::agent {

/// What a file must have to be evidence.
struct RowTerms {
  std::uint64_t rows_min = 0;      ///< 0: rows are not counted.
  std::uint64_t header_lines = 1;  ///< That are no rows.
};

/// A larger file is not counted.
inline constexpr std::uint64_t kRowsFileBytesMax = 1ULL << 30U;

/// Returns the rows of a text file, such as CSV: lines that are not empty, less the header; a line
/// end between double quotes ends no row.
/// Errors: those of reading; LimitExceeded (kRowsFileBytesMax). Cost: reads the whole file, a
/// mebibyte at a time.
base::Result<std::uint64_t> count_rows(const base::FileSystem& files, const std::string& path,
                                       const RowTerms& terms);

}  // namespace tocsin::agent

// A list of findings that people keep, as CSV: what a penetration test found, until when each must
// be closed, and whether it is.
#pragma once

#include <memory>

#include "agent/collectors/findings/scan_report.h"

namespace tocsin::agent {

/// A format of ScanReader. The first line names the columns: `id`, `severity` and `due` (a day,
/// "2027-03-31"; may be empty), `status` if there is one; others are passed over. Fields are parted
/// by commas, or by semicolons if the first line has them. A finding is closed if its status is
/// closed, fixed, resolved, done or accepted; any other word is open.
///
/// Errors: InvalidArgument (a column is missing, a day that is none, an id twice or without),
/// Corruption (a quote without end), LimitExceeded (4 MiB, 20,000 findings).
/// Source: RFC 4180.
std::unique_ptr<ScanReader> make_register_reader(FindingSeverity unrated);

}  // namespace tocsin::agent

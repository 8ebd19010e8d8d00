// Runs the unit tests of a file of Prometheus, with promtool's semantics.
#pragma once

#include "cli/ruletest/run_options.h"

namespace tocsin::ruletest {

/// Reads and runs the file.
///
/// What needs native histograms is reported as not supported, by name, and is no failure.
/// Thread: any; one file at a time for one cache.
FileResult run_promtool_file(config::Source source, const RunWorld& world);

}  // namespace tocsin::ruletest

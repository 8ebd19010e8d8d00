// Collector "textfile": metrics that other programs leave as *.prom files in a folder.
//
// A file is taken as a whole or not at all: it is checked first and handed on after. Writers rename
// a finished file into place; one that is cut short lacks its last line end and is refused.
// Timestamps are refused: an old file would otherwise look like a working one (use
// node_textfile_mtime_seconds).
#pragma once

#include <memory>
#include <string>

#include "agent/collectors/collector.h"
#include "common/base/metrics.h"

namespace tocsin::agent {

struct TextfileLimits {
  std::size_t files_max = 1000;
  std::size_t file_bytes_max = std::size_t{8} << 20U;
  std::size_t samples_max = 50'000;  ///< For one file.
};

/// `directory` must not be empty. Files that are refused are counted in
/// tocsin_agent_textfile_refused_total and set node_textfile_scrape_error; the error names the
/// first.
std::unique_ptr<Collector> make_textfile_collector(std::string directory, base::Metrics& metrics,
                                                   TextfileLimits limits = {});

}  // namespace tocsin::agent

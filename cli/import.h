// `tocsin import`: files of Prometheus and Alertmanager become ours; see cli/convert.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "common/base/file_system.h"

namespace tocsin::cli {

struct ImportOptions {
  enum class From { Prometheus, Alertmanager };
  From from = From::Prometheus;
  std::vector<std::string> files;
  std::string output = "-";             ///< A folder, or "-" for stdout.
  std::vector<std::string> severities;  ///< "name=critical|high|medium|low"
  bool merge_levels = false;
  bool force = false;  ///< Overwrite files that are there.
};

/// Converts, writes, and says on `err` what does not carry over. Returns 0, also with warnings; 1
/// if something is broken or cannot be written; 2 if a file cannot be read; 64 if an option's value
/// is wrong.
int run_import(const ImportOptions& options, base::FileSystem& files, std::ostream& out,
               std::ostream& err);

}  // namespace tocsin::cli

// Nothing is written before everything is converted, and nothing that is there is overwritten
// unless asked for: a person may have gone on working with the output of the last import.

#include "cli/import.h"

#include <fmt/core.h>

#include <ostream>
#include <set>

#include "cli/convert/convert.h"
#include "common/config/source.h"

namespace tocsin::cli {
namespace {

constexpr std::size_t kFileBytesMax = 16 << 20;
constexpr int kBroken = 1;
constexpr int kUnreadable = 2;
constexpr int kUsageError = 64;

bool read_severities(const ImportOptions& options, convert::ConvertOptions& convert,
                     std::ostream& err) {
  for (const std::string& pair : options.severities) {
    const std::size_t equals = pair.rfind('=');
    const auto severity =
        model::parse_severity(equals == std::string::npos ? pair : pair.substr(equals + 1));
    if (equals == std::string::npos || equals == 0 || !severity) {
      err << fmt::format(
          "tocsin import: --severity {}: expected NAME=critical, high, medium or "
          "low, such as ticket=low\n",
          pair);
      return false;
    }
    convert.severities[pair.substr(0, equals)] = *severity;
  }
  return true;
}

struct Total {
  std::vector<convert::OutputFile> files;
  base::Diagnostics diagnostics;
  std::vector<config::Source> sources;
  std::size_t alerts = 0;
  std::size_t recordings = 0;
};

void add(convert::Converted converted, Total& total) {
  total.alerts += converted.alerts;
  total.recordings += converted.recordings;
  total.diagnostics.insert(total.diagnostics.end(), converted.diagnostics.begin(),
                           converted.diagnostics.end());
  for (convert::OutputFile& file : converted.files) total.files.push_back(std::move(file));
}

/// Returns false, having said why, if two outputs or an older file have the same name.
bool names_are_free(const ImportOptions& options, const Total& total, const base::FileSystem& files,
                    std::ostream& err) {
  std::set<std::string> names;
  for (const convert::OutputFile& file : total.files) {
    const std::string path = base::join_path(options.output, file.name);
    if (!names.insert(file.name).second) {
      err << fmt::format(
          "tocsin import: two of the files would both become {}; import them into "
          "folders of their own\n",
          path);
      return false;
    }
    if (!options.force && files.exists(path)) {
      err << fmt::format("tocsin import: {} is there already; --force overwrites it\n", path);
      return false;
    }
  }
  return true;
}

bool write_files(const ImportOptions& options, const Total& total, base::FileSystem& files,
                 std::ostream& err) {
  if (!files.is_folder(options.output)) {
    if (const auto made = files.create_folders(options.output); !made) {
      err << fmt::format("tocsin import: {}\n", made.error().message);
      return false;
    }
  }
  for (const convert::OutputFile& file : total.files) {
    const std::string path = base::join_path(options.output, file.name);
    if (const auto written = files.write_atomic(path, file.text, 0644); !written) {
      err << fmt::format("tocsin import: {}\n", written.error().message);
      return false;
    }
    err << fmt::format("wrote {}\n", path);
  }
  return true;
}

}  // namespace

int run_import(const ImportOptions& options, base::FileSystem& files, std::ostream& out,
               std::ostream& err) {
  convert::ConvertOptions convert;
  convert.merge_levels = options.merge_levels;
  if (!read_severities(options, convert, err)) return kUsageError;
  Total total;
  bool readable = true;
  for (const std::string& path : options.files) {
    auto source = config::load_source(files, path, kFileBytesMax);
    if (!source) {
      err << fmt::format("tocsin import: {}\n", source.error().message);
      readable = false;
      continue;
    }
    total.sources.push_back(std::move(*source));
    const config::Source& text = total.sources.back();
    add(options.from == ImportOptions::From::Prometheus
            ? convert::convert_prometheus(text, convert)
            : convert::convert_alertmanager(text, convert),
        total);
  }
  err << config::render_all(total.diagnostics, total.sources);
  if (!readable) return kUnreadable;
  if (options.output == "-") {
    for (const convert::OutputFile& file : total.files) {
      if (total.files.size() > 1) out << fmt::format("# ---- {}\n", file.name);
      out << file.text;
    }
  } else if (!names_are_free(options, total, files, err) ||
             !write_files(options, total, files, err)) {
    return kBroken;
  }
  const bool broken = base::has_errors(total.diagnostics);
  if (total.alerts + total.recordings > 0) {
    err << fmt::format("imported {} alerts and {} recordings; {} remarks\n", total.alerts,
                       total.recordings, total.diagnostics.size());
  }
  return broken ? kBroken : 0;
}

}  // namespace tocsin::cli

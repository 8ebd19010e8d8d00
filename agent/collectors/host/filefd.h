// Collector "filefd": open files of the whole host, and their limit.
#pragma once

#include <memory>
#include <string_view>

#include "agent/collectors/collector.h"
#include "agent/collectors/host/reader.h"

namespace tocsin::agent {

struct FileHandles {
  double allocated = 0;
  double maximum = 0;  ///< 9.2e18 on modern kernels: no limit in practice.
};

/// Parses the text of /proc/sys/fs/file-nr: allocated, unused (always 0), maximum.
/// Errors: InvalidArgument. Pure. Source: proc(5).
base::Result<FileHandles> parse_file_nr(std::string_view text);

std::unique_ptr<Collector> make_filefd_collector(const HostPaths& paths);

}  // namespace tocsin::agent

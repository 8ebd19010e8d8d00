// The parts of a snapshot.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <map>

#include "agent/snapshot/snapshot.h"

namespace tocsin::agent {

/// What the parts share. Lives as long as one snapshot is taken.
struct SnapshotWork {
  const SnapshotRequest& request;
  const base::FileSystem& files;
  boost::json::object& document;
  boost::json::object missing{};                     ///< Name of what could not be read -> why.
  std::map<std::uint64_t, int> process_of_socket{};  ///< By inode; as far as descriptors were seen.

  std::string proc(std::string_view name) const { return request.paths.proc + std::string(name); }
  std::string root(std::string_view path) const { return request.paths.under_root(path); }
  /// Returns the file's end, at most text_bytes_max; notes it as missing if it cannot be read.
  std::optional<std::string> end_of_file(const std::string& path);
  void lacks(const std::string& what, const base::Error& error);
};

void add_processes(SnapshotWork& work);  ///< Before add_sockets().
void add_sockets(SnapshotWork& work);
void add_logins(SnapshotWork& work);
void add_texts(SnapshotWork& work);  ///< Files of the kernel's as they are.
void add_logs(SnapshotWork& work);
void add_journal(SnapshotWork& work);

}  // namespace tocsin::agent

// A commit's files onto the disk, with limits. Internal to the folder.
#pragma once

#include <string>

#include "alertd/rulegit/git_handle.h"
#include "alertd/rulegit/repository.h"

namespace tocsin::rulegit {

struct TreeSource {
  git_repository& repository;
  const git_tree& root;
  const GitSettings& settings;
  base::FileSystem& files;
};

/// See Repository::write_files.
base::Result<Exported> write_tree(const TreeSource& source, const std::string& folder);

}  // namespace tocsin::rulegit

// libgit2's objects with owners, and its failures as ours. Internal to the folder.
#pragma once

#include <git2.h>

#include <memory>
#include <string>

#include "common/base/result.h"

namespace tocsin::rulegit {

template <class T, void (*Free)(T*)>
struct GitDeleter {
  void operator()(T* object) const { Free(object); }
};

template <class T, void (*Free)(T*)>
using GitHandle = std::unique_ptr<T, GitDeleter<T, Free>>;

using RepositoryHandle = GitHandle<git_repository, git_repository_free>;
using RemoteHandle = GitHandle<git_remote, git_remote_free>;
using CommitHandle = GitHandle<git_commit, git_commit_free>;
using TreeHandle = GitHandle<git_tree, git_tree_free>;
using TreeEntryHandle = GitHandle<git_tree_entry, git_tree_entry_free>;
using BlobHandle = GitHandle<git_blob, git_blob_free>;
using BlameHandle = GitHandle<git_blame, git_blame_free>;

/// Starts the library and ends it; counted inside, so several may live at once.
///
/// Settings of the machine and of users are not read: what alertd does depends on alertd.toml
/// alone. The owner of a repository on this machine is not checked either: nothing of it is ever
/// executed, and the daemon's user seldom owns it.
class GitLibrary {
 public:
  GitLibrary();
  ~GitLibrary();
  GitLibrary(const GitLibrary&) = delete;
  GitLibrary& operator=(const GitLibrary&) = delete;
};

/// Returns the library's last failure on this thread as an Error; `code` is what the call returned.
base::Error git_error(int code, const std::string& what);

/// Returns 40 hexadecimal digits.
std::string hex(const git_oid& id);

}  // namespace tocsin::rulegit

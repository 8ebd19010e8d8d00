// A bare repository on disk that follows one branch of another one.
//
// Everything blocks: the network, the disk, the search through history. So it belongs to a thread
// that nothing else waits for. Nothing of a repository is executed, and nothing of it is trusted:
// sizes are checked before they are read, symbolic links are followed inside the tree only, and
// only to files; what they point to is written, never the link.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "alertd/rulegit/git_settings.h"
#include "common/base/executor.h"
#include "common/base/file_system.h"
#include "common/base/result.h"

namespace tocsin::rulegit {

/// One commit, as people name it.
struct Commit {
  std::string id;       ///< 40 hexadecimal digits.
  std::string author;   ///< Name, without address.
  std::string subject;  ///< First line of the message.
  base::WallTime at;    ///< When it was committed.
};

/// "1a2b3c4d5e": enough for people.
std::string short_id(const std::string& id);

struct Fetched {
  Commit tip;
  bool rewritten = false;  ///< The branch was force-pushed: the last tip is no ancestor of this.
};

struct ExportedFile {
  std::string path;  ///< Relative to the exported folder.
  std::string blob;  ///< Identity of the content.
};

struct Exported {
  std::vector<ExportedFile> files;
  std::size_t ignored = 0;  ///< Submodules, and names that begin with a dot.
};

/// The commit that each line of a file is from; line 1 is the first.
struct Blame {
  std::vector<Commit> commits;
  std::vector<std::size_t> lines;  ///< Index into `commits`.
};

/// What talking to the other side needs.
struct FetchWorld {
  net::HttpClient& http;
  base::Executor& reply_on;  ///< Answers of `http` come here; another thread than the caller's.
  const base::Clock& clock;
  std::function<bool()> cancelled;  ///< Asked often; true ends what runs.
};

/// Thread: one at a time.
class Repository {
 public:
  /// Opens or creates the bare repository in `folder`; one that is damaged or has outgrown the
  /// limit is removed and made anew. Errors: Io.
  static base::Result<std::unique_ptr<Repository>> open(const std::string& folder,
                                                        const GitSettings& settings,
                                                        base::FileSystem& files);
  ~Repository();

  /// Asks for the branch's tip and gets what is missing.
  /// Errors: NotFound (the branch is gone; says which there are), PermissionDenied (credential,
  /// host key), LimitExceeded, Timeout, Unavailable, Cancelled. Messages show no credentials.
  base::Result<Fetched> fetch(const FetchWorld& world);

  /// Returns a commit that is here. Errors: NotFound.
  base::Result<Commit> commit(const std::string& id) const;

  /// Writes the files of the commit under settings.path into `folder`, which must not exist.
  /// Errors: NotFound (the path), InvalidArgument (a link out of the tree or to no file),
  /// LimitExceeded (names the file and the limit), Io.
  base::Result<Exported> write_files(const std::string& id, const std::string& folder,
                                     base::FileSystem& files) const;

  /// Searches history for who last changed each line of the file. Cost: grows with history.
  base::Result<Blame> blame(const std::string& id, const std::string& path) const;

 private:
  class Impl;
  explicit Repository(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Removes a folder with all that is in it; links are removed, not followed.
base::Result<void> remove_all(const std::string& folder);

}  // namespace tocsin::rulegit

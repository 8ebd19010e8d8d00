// The other side of a fetch: callbacks of libgit2 with time, limits and credentials. Internal to
// the folder.
#pragma once

#include <optional>
#include <string>

#include "alertd/rulegit/git_handle.h"
#include "alertd/rulegit/http_transport.h"
#include "alertd/rulegit/repository.h"

namespace tocsin::rulegit {

/// One visit: find_branch() connects, download() gets what is missing. Use once.
class Remote {
 public:
  Remote(git_repository& repository, const GitSettings& settings, const FetchWorld& world);
  ~Remote();
  Remote(const Remote&) = delete;
  Remote& operator=(const Remote&) = delete;

  /// Returns where the branch is. Errors: see Repository::fetch.
  base::Result<git_oid> find_branch();
  /// Gets the commits and sets `tracking_ref`.
  base::Result<void> download(const std::string& tracking_ref);

 private:
  static int on_transport(git_transport** out, git_remote* owner, void* self);
  static int on_credentials(git_credential** out, const char* url, const char* user,
                            unsigned allowed, void* self);
  static int on_certificate(git_cert* certificate, int valid, const char* host, void* self);
  static int on_progress(const git_indexer_progress* progress, void* self);
  static int on_text(const char* text, int length, void* self);

  int stop_because(base::Error error);
  base::Error explain(int code, const std::string& what);
  git_remote_callbacks callbacks();
  bool late() const;

  git_repository& repository_;
  const GitSettings& settings_;
  const FetchWorld& world_;
  HttpWorld http_;
  RemoteHandle remote_;
  base::MonotonicTime deadline_;
  bool asked_for_credentials_ = false;
  std::optional<base::Error> failure_;
};

}  // namespace tocsin::rulegit

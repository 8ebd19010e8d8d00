#include "alertd/rulegit/git_handle.h"

#include <fmt/core.h>

#include "common/base/strings.h"

namespace tocsin::rulegit {

GitLibrary::GitLibrary() {
  git_libgit2_init();
  for (const int level : {GIT_CONFIG_LEVEL_SYSTEM, GIT_CONFIG_LEVEL_XDG, GIT_CONFIG_LEVEL_GLOBAL,
                          GIT_CONFIG_LEVEL_PROGRAMDATA}) {
    git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, level, "");
  }
  git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
}

GitLibrary::~GitLibrary() {
  git_libgit2_shutdown();
}

base::Error git_error(int code, const std::string& what) {
  const ::git_error* last = git_error_last();
  const std::string why =
      last && last->message ? base::escape_control(last->message) : fmt::format("code {}", code);
  base::ErrorCode kind = base::ErrorCode::Io;
  if (code == GIT_ENOTFOUND) {
    kind = base::ErrorCode::NotFound;
  } else if (code == GIT_EAUTH || code == GIT_ECERTIFICATE) {
    kind = base::ErrorCode::PermissionDenied;
  } else if (last && (last->klass == GIT_ERROR_NET || last->klass == GIT_ERROR_HTTP ||
                      last->klass == GIT_ERROR_SSH)) {
    kind = base::ErrorCode::Unavailable;
  }
  return base::error(kind, fmt::format("{}: {}", what, why));
}

std::string hex(const git_oid& id) {
  char text[GIT_OID_HEXSZ + 1];
  git_oid_tostr(text, sizeof text, &id);
  return text;
}

}  // namespace tocsin::rulegit

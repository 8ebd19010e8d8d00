#include "alertd/rulegit/remote.h"

#include <fmt/core.h>
#include <git2/sys/credential.h>
#include <git2/sys/transport.h>
#include <openssl/evp.h>

#include <algorithm>
#include <vector>

#include "common/base/strings.h"

namespace tocsin::rulegit {
namespace {

/// A transfer may take so many times as long as one exchange.
constexpr int kTransferPatience = 10;
constexpr std::size_t kBranchesNamedMax = 8;

std::string base64(const unsigned char* bytes, std::size_t size) {
  std::vector<unsigned char> encoded(4 * ((size + 2) / 3) + 1);
  const int length = EVP_EncodeBlock(encoded.data(), bytes, static_cast<int>(size));
  std::string text(encoded.begin(), encoded.begin() + length);
  while (text.ends_with('=')) text.pop_back();
  return text;
}

}  // namespace

Remote::Remote(git_repository& repository, const GitSettings& settings, const FetchWorld& world)
    : repository_(repository),
      settings_(settings),
      world_(world),
      http_{world.http, world.reply_on, settings, world.cancelled, std::nullopt},
      deadline_(world.clock.monotonic() + settings.timeout * kTransferPatience) {}

Remote::~Remote() {
  if (remote_) git_remote_disconnect(remote_.get());
}

bool Remote::late() const {
  return world_.clock.monotonic() >= deadline_;
}

git_remote_callbacks Remote::callbacks() {
  git_remote_callbacks callbacks = GIT_REMOTE_CALLBACKS_INIT;
  callbacks.transport = on_transport;
  callbacks.credentials = on_credentials;
  callbacks.certificate_check = on_certificate;
  callbacks.transfer_progress = on_progress;
  callbacks.sideband_progress = on_text;
  callbacks.payload = this;
  return callbacks;
}

int Remote::on_transport(git_transport** out, git_remote* owner, void* self) {
  auto& remote = *static_cast<Remote*>(self);
  if (remote.settings_.transport == Transport::Http) {
    return make_http_transport(out, owner, remote.http_);
  }
  return git_transport_new(out, owner, remote.settings_.url.c_str());
}

int Remote::on_credentials(git_credential** out, const char* /*url*/, const char* user,
                           unsigned allowed, void* self) {
  auto& remote = *static_cast<Remote*>(self);
  const std::string name = user && *user ? user : remote.settings_.user;
  if ((allowed & GIT_CREDENTIAL_USERNAME) != 0) {
    return git_credential_username_new(out, name.c_str());
  }
  if ((allowed & GIT_CREDENTIAL_SSH_KEY) == 0 || remote.asked_for_credentials_) {
    return remote.stop_because(base::error(base::ErrorCode::PermissionDenied,
                                           "the server does not take the key of ssh_key_file"));
  }
  remote.asked_for_credentials_ = true;
  return git_credential_ssh_key_new(out, name.c_str(), nullptr,
                                    remote.settings_.ssh_key_file.c_str(), nullptr);
}

int Remote::on_certificate(git_cert* certificate, int /*valid*/, const char* host, void* self) {
  auto& remote = *static_cast<Remote*>(self);
  if (certificate->cert_type != GIT_CERT_HOSTKEY_LIBSSH2) {
    return remote.stop_because(
        base::error(base::ErrorCode::PermissionDenied, "the server shows no host key"));
  }
  const auto& key = *reinterpret_cast<const git_cert_hostkey*>(certificate);
  const bool hashed = (key.type & GIT_CERT_SSH_SHA256) != 0;
  const std::string shown = hashed ? base64(key.hash_sha256, sizeof key.hash_sha256) : "";
  if (hashed && shown == remote.settings_.ssh_host_key_sha256) return 0;
  return remote.stop_because(
      base::error(base::ErrorCode::PermissionDenied,
                  fmt::format("the key of {} is SHA256:{}, not the one of ssh_host_key_sha256",
                              base::escape_control(host ? host : "the server"), shown)));
}

int Remote::on_progress(const git_indexer_progress* progress, void* self) {
  auto& remote = *static_cast<Remote*>(self);
  const Limits& limits = remote.settings_.limits;
  if (remote.world_.cancelled && remote.world_.cancelled()) {
    return remote.stop_because(base::error(base::ErrorCode::Cancelled, "stopped"));
  }
  if (progress->received_bytes > limits.repository_bytes_max) {
    return remote.stop_because(base::error(
        base::ErrorCode::LimitExceeded,
        fmt::format("the repository is larger than {} bytes, the limit; see repository_limit",
                    limits.repository_bytes_max)));
  }
  if (!remote.late()) return 0;
  return remote.stop_because(base::error(
      base::ErrorCode::Timeout,
      fmt::format("the transfer is not done after {}; see timeout",
                  base::format_duration(remote.settings_.timeout * kTransferPatience))));
}

int Remote::on_text(const char* /*text*/, int /*length*/, void* self) {
  auto& remote = *static_cast<Remote*>(self);
  const bool stopped = remote.world_.cancelled && remote.world_.cancelled();
  return stopped || remote.late() ? -1 : 0;
}

int Remote::stop_because(base::Error error) {
  git_error_set_str(GIT_ERROR_NET, error.message.c_str());
  failure_ = std::move(error);
  return GIT_EUSER;
}

base::Error Remote::explain(int code, const std::string& what) {
  std::optional<base::Error> own = failure_ ? failure_ : http_.failure;
  base::Error error = own ? base::with_context(std::move(*own), what) : git_error(code, what);
  // libgit2 may repeat the address; a token in it was refused when the settings were read.
  return error;
}

base::Result<git_oid> Remote::find_branch() {
  git_remote* raw = nullptr;
  git_remote_create_options options = GIT_REMOTE_CREATE_OPTIONS_INIT;
  options.repository = &repository_;
  // Rewriting of addresses is not wanted, and looking for it leaks 20 kB for each configuration
  // entry in libgit2 1.5 (match data of a pattern that does not match): 100 kB at every poll.
  options.flags = GIT_REMOTE_CREATE_SKIP_INSTEADOF | GIT_REMOTE_CREATE_SKIP_DEFAULT_FETCHSPEC;
  if (const int code = git_remote_create_with_opts(&raw, settings_.url.c_str(), &options);
      code != 0) {
    return git_error(code, settings_.url);
  }
  remote_.reset(raw);
  const git_remote_callbacks with = callbacks();
  if (const int code =
          git_remote_connect(remote_.get(), GIT_DIRECTION_FETCH, &with, nullptr, nullptr);
      code != 0) {
    base::Error error = explain(code, settings_.url);
    // Nothing of ours was touched yet: it is the other side, also where that is a folder.
    if (error.code == base::ErrorCode::Io) error.code = base::ErrorCode::Unavailable;
    return error;
  }
  const git_remote_head** heads = nullptr;
  std::size_t count = 0;
  if (const int code = git_remote_ls(&heads, &count, remote_.get()); code != 0) {
    return explain(code, settings_.url);
  }
  const std::string wanted = "refs/heads/" + settings_.branch;
  std::vector<std::string> branches;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string_view name = heads[i]->name;
    if (name == wanted) return heads[i]->oid;
    if (name.starts_with("refs/heads/")) branches.emplace_back(name.substr(11));
  }
  const auto near = base::closest(settings_.branch, branches);
  if (branches.size() > kBranchesNamedMax) branches.resize(kBranchesNamedMax);
  return base::error(
      base::ErrorCode::NotFound,
      fmt::format("{} has no branch '{}'{}", settings_.url, settings_.branch,
                  branches.empty() ? "; it has no branch at all"
                  : near           ? fmt::format("; did you mean '{}'?", *near)
                         : "; it has " + base::escape_control(base::join(branches, ", "))));
}

base::Result<void> Remote::download(const std::string& tracking_ref) {
  std::string spec = fmt::format("+refs/heads/{}:{}", settings_.branch, tracking_ref);
  char* texts[] = {spec.data()};
  const git_strarray specs{texts, 1};
  git_fetch_options options = GIT_FETCH_OPTIONS_INIT;
  options.callbacks = callbacks();
  options.prune = GIT_FETCH_NO_PRUNE;
  options.update_fetchhead = 0;
  options.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;
  if (const int code = git_remote_download(remote_.get(), &specs, &options); code != 0) {
    return explain(code, settings_.url);
  }
  if (const int code = git_remote_update_tips(remote_.get(), &options.callbacks, 0,
                                              GIT_REMOTE_DOWNLOAD_TAGS_NONE, "follow");
      code != 0) {
    return explain(code, settings_.url);
  }
  return base::ok();
}

}  // namespace tocsin::rulegit

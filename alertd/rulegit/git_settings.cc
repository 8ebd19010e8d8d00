#include "alertd/rulegit/git_settings.h"

#include <fmt/core.h>

#include <algorithm>

#include "common/base/strings.h"

namespace tocsin::rulegit {
namespace {

bool is_ssh(std::string_view url) {
  if (url.starts_with("ssh://")) return true;
  // user@host:path, the form that people copy.
  const std::size_t at = url.find('@');
  const std::size_t colon = url.find(':');
  return url.find("://") == std::string_view::npos && at != std::string_view::npos &&
         colon != std::string_view::npos && at < colon;
}

bool has_password(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return false;
  const std::string_view rest = url.substr(scheme + 3);
  const std::string_view host = rest.substr(0, rest.find('/'));
  const std::size_t at = host.rfind('@');
  if (at == std::string_view::npos) return false;
  // ssh://git@host names a user, which is no secret; over http it is mostly the token itself.
  return !url.starts_with("ssh://") || host.substr(0, at).find(':') != std::string_view::npos;
}

void read_url(config::Table& table, GitSettings& settings) {
  settings.url = table.required_string("url");
  if (settings.url.empty()) return;
  if (has_password(settings.url)) {
    table.error("url", "the url holds a user or password, which would show in logs",
                "take it out, and give user and token_file");
  } else if (settings.url.starts_with("http://") || settings.url.starts_with("https://")) {
    settings.transport = Transport::Http;
    while (settings.url.ends_with('/')) settings.url.pop_back();
  } else if (is_ssh(settings.url)) {
    settings.transport = Transport::Ssh;
  } else if (settings.url.starts_with("file:///") || settings.url.starts_with('/')) {
    settings.transport = Transport::File;
  } else {
    table.error("url", "url is none of https://, ssh://, user@host:path, file:///",
                "for example url = \"https://git.example.org/ops/rules.git\"");
  }
}

void read_branch_and_path(config::Table& table, GitSettings& settings) {
  settings.branch = table.string("branch", settings.branch);
  const bool odd = std::any_of(settings.branch.begin(), settings.branch.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte <= 0x20 || byte == 0x7f || std::string_view("~^:?*[\\").find(c) < 7;
  });
  if (settings.branch.empty() || odd || settings.branch.find("..") != std::string::npos ||
      settings.branch.starts_with('/') || settings.branch.starts_with("refs/")) {
    table.error("branch", fmt::format("'{}' is no name of a branch", settings.branch),
                "for example branch = \"main\"");
  }
  settings.path = table.string("path", "");
  while (settings.path.ends_with('/')) settings.path.pop_back();
  if (settings.path == ".") settings.path.clear();
  for (const std::string_view part : base::split(settings.path, '/')) {
    if (part == ".." || part == "." || (part.empty() && !settings.path.empty())) {
      table.error("path",
                  fmt::format("path '{}' must be a folder inside the repository", settings.path),
                  "for example path = \"rules\"");
      break;
    }
  }
}

void read_credentials(config::Table& table, GitSettings& settings) {
  settings.user = table.string("user", settings.transport == Transport::Ssh ? "git" : "oauth2");
  if (auto token = table.secret("token")) settings.token = *token;
  settings.tls.ca_file = table.string("ca_file", "");
  settings.ssh_key_file = table.string("ssh_key_file", "");
  settings.ssh_host_key_sha256 = table.string("ssh_host_key_sha256", "");
  if (settings.ssh_host_key_sha256.starts_with("SHA256:")) {
    settings.ssh_host_key_sha256.erase(0, 7);
  }
  if (!settings.token.empty() && settings.transport != Transport::Http) {
    table.error("url", "a token goes with https:// only");
  }
  if (!settings.token.empty() && settings.url.starts_with("http://") &&
      !settings.url.starts_with("http://127.") && !settings.url.starts_with("http://localhost") &&
      !settings.url.starts_with("http://[::1]")) {
    table.error("url", "the token would travel in clear", "use https://");
  }
  if (settings.transport != Transport::Ssh) return;
  if (settings.ssh_key_file.empty()) {
    table.error("url", "ssh needs a key", "add ssh_key_file = \"/etc/tocsin/git.key\"");
  } else if (!table.context().files.exists(settings.ssh_key_file)) {
    table.error("ssh_key_file", fmt::format("there is no file {}", settings.ssh_key_file));
  }
  if (settings.ssh_host_key_sha256.empty()) {
    table.error(
        "url", "ssh needs the server's key, so that nobody else can answer for it",
        "ssh-keyscan HOST | ssh-keygen -lf -   then   ssh_host_key_sha256 = \"SHA256:...\"");
  }
}

}  // namespace

std::optional<GitSettings> read_git_settings(config::Table& rules) {
  if (!rules.has("git")) return std::nullopt;
  config::Table table = rules.table("git");
  const std::size_t before = table.context().diagnostics.size();
  GitSettings settings;
  read_url(table, settings);
  read_branch_and_path(table, settings);
  read_credentials(table, settings);
  settings.poll = table.duration("poll", settings.poll);
  if (settings.poll < base::Duration{1000}) table.error("poll", "poll must be at least 1s");
  settings.timeout = table.duration("timeout", settings.timeout);
  if (settings.timeout < base::Duration{1000} || settings.timeout > base::Duration{600'000}) {
    table.error("timeout", "timeout must be 1s to 10m");
  }
  Limits& limits = settings.limits;
  limits.repository_bytes_max = table.bytes("repository_limit", limits.repository_bytes_max);
  limits.file_bytes_max = table.bytes("file_limit", limits.file_bytes_max);
  limits.total_bytes_max = table.bytes("total_limit", limits.total_bytes_max);
  limits.files_max = static_cast<std::size_t>(
      table.integer("files_max", static_cast<std::int64_t>(limits.files_max), 1, 100'000));
  table.finish();
  const auto& diagnostics = table.context().diagnostics;
  const bool bad =
      std::any_of(diagnostics.begin() + static_cast<std::ptrdiff_t>(before), diagnostics.end(),
                  [](const auto& d) { return d.severity == base::DiagnosticSeverity::Error; });
  if (bad) return std::nullopt;
  return settings;
}

}  // namespace tocsin::rulegit

// `[rules.git]` of alertd.toml: which branch of which repository the rules come from.
//
//   [rules.git]
//   url = "https://git.example.org/ops/rules.git"
//   branch = "main"
//   path = "rules"
//   token_file = "/etc/tocsin/git.token"
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/base/secret.h"
#include "common/base/time.h"
#include "common/config/table.h"
#include "common/net/http_client.h"

namespace tocsin::rulegit {

enum class Transport { File, Http, Ssh };

/// What a repository may hold at most; beyond it a commit is refused, whole.
struct Limits {
  std::uint64_t repository_bytes_max = 256ULL << 20;  ///< Of one transfer, and on disk.
  std::uint64_t file_bytes_max = 4ULL << 20;
  std::uint64_t total_bytes_max = 64ULL << 20;  ///< Of the files of one commit under `path`.
  std::size_t files_max = 5'000;
  std::size_t depth_max = 16;  ///< Of folders.
};

struct GitSettings {
  std::string url;
  Transport transport = Transport::File;
  std::string branch = "main";
  std::string path;  ///< Folder inside the repository; empty: the whole.
  base::Duration poll{60'000};
  base::Duration timeout{30'000};  ///< Of one exchange with the server.
  std::string user;                ///< Of http: beside the token; of ssh: before the '@'.
  base::Secret token;              ///< http only.
  net::TlsOptions tls;             ///< http only.
  std::string ssh_key_file;
  std::string ssh_host_key_sha256;  ///< Base64 without padding, as ssh-keygen -l prints it.
  Limits limits;
};

/// Reads the table; nullopt if it is not there or has errors. Mistakes go to the diagnostics.
std::optional<GitSettings> read_git_settings(config::Table& rules);

}  // namespace tocsin::rulegit

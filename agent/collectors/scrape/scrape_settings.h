// What `[[scrape]]` in the agent's configuration says.
#pragma once

#include <string>
#include <vector>

#include "common/base/time.h"
#include "common/model/labels.h"
#include "common/net/http_client.h"
#include "common/relabel/relabel.h"

namespace tocsin::agent {

/// One target.
struct ScrapeSettings {
  std::string job;
  std::string url;
  std::string instance;  ///< The label: "host:port" of the URL.
  base::Duration timeout{10'000};
  net::Headers headers;  ///< With the Authorization of basic authentication, if configured.
  base::Secret bearer_token;
  net::TlsOptions tls;
  model::Labels labels;  ///< Further target labels.
  bool honor_labels = false;
  bool honor_timestamps = true;
  std::size_t sample_limit = 20'000;  ///< After relabelling; more fail the scrape.
  std::size_t label_limit = 64;
  std::size_t label_name_bytes_max = 256;
  std::size_t label_value_bytes_max = 4096;
  std::uint64_t body_bytes_max = 10 << 20;
  std::vector<relabel::Rule> metric_relabel;

  /// Names the target over reloads.
  std::string key() const { return job + " " + url; }
};

/// Reads every `[[scrape]]` table of the root. `interval` is the round's: a time-out must be
/// shorter.
///
/// Mistakes (two tables with the same job and URL among them) go to the diagnostics.
std::vector<ScrapeSettings> read_scrape_settings(config::Table& root, base::Duration interval);

/// Returns "host:port" of an http:// or https:// URL, with the scheme's port if it has none; "" if
/// it is no such URL.
std::string instance_of(std::string_view url);

/// Base64 with padding. Source: RFC 4648, 4.
std::string base64(std::string_view bytes);

}  // namespace tocsin::agent

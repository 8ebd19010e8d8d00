// What `[domains]` and `[[contract]]` in the agent's configuration say.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/time.h"
#include "common/net/http_client.h"

namespace tocsin::config {
class Table;
}

namespace tocsin::agent {

/// Domains whose registration is watched.
struct DomainsSettings {
  std::vector<std::string> names;  ///< "example.org", lower case, without a dot at the end.
  std::map<std::string, std::string> servers;   ///< RDAP by zone, before the bootstrap.
  std::map<std::string, base::WallTime> dates;  ///< Known ends, for zones without RDAP.
  std::string bootstrap_file;                   ///< Empty: `bootstrap_url`.
  std::string bootstrap_url = "https://data.iana.org/rdap/dns.json";
  net::TlsOptions tls;
  base::Duration interval{43'200'000};  ///< Between two questions about one domain.
  base::Duration retry{3'600'000};      ///< After a question that failed.
  base::Duration look{10'000};          ///< Between two looks at what is due.
  base::Duration ask_timeout{10'000};   ///< Of one question.
  base::Duration timeout{10'000};       ///< Of a round.
};

/// An agreement with a third party.
struct ContractSettings {
  std::string name;                        ///< The label `contract`.
  std::optional<base::WallTime> ends;      ///< When it ends, or renews by itself.
  base::Duration notice{};                 ///< So long before the end it must be decided.
  std::optional<base::WallTime> reviewed;  ///< When somebody last looked at it.
  base::Duration review_every{};
};

struct PartiesSettings {
  std::optional<DomainsSettings> domains;
  std::vector<ContractSettings> contracts;

  bool any() const { return domains || !contracts.empty(); }
};

/// Reads both of the root. `interval` is the round's. Mistakes go to the diagnostics.
PartiesSettings read_parties_settings(config::Table& root, base::Duration interval);

}  // namespace tocsin::agent

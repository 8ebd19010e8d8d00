// `[[forward]]` of alertd.toml: receivers of everything that comes in.
#pragma once

#include <string>
#include <vector>

#include "common/config/table.h"
#include "common/endpoint/endpoint.h"
#include "common/model/labels.h"
#include "common/model/matcher.h"
#include "common/relabel/relabel.h"

namespace tocsin::forward {

struct ForwardSettings {
  std::string name;  ///< The label `receiver`, and the queue's folder: letters, digits, - and _.
  endpoint::Endpoint endpoint;  ///< url: the whole address of the remote-write endpoint.
  /// A series goes if it satisfies one of these; empty: all go.
  std::vector<std::vector<model::Matcher>> match;
  std::vector<relabel::Rule> relabel;
  model::Labels external_labels;  ///< Added where a series has no such label, before relabelling.
  bool only_v1 = false;           ///< Remote write 1.0 from the start.
  std::size_t samples_per_request = 10'000;
  double samples_per_second = 200'000;  ///< Of a backlog.
  std::uint64_t queue_bytes = 1ULL << 30;
  base::Duration queue_age{24LL * 3600 * 1000};
};

/// Reads every `[[forward]]`; mistakes go to the diagnostics.
std::vector<ForwardSettings> read_forwards(config::Table& root);

}  // namespace tocsin::forward

// `[[datasource]]` of alertd.toml: engines that evaluate rule groups in our place.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/config/table.h"
#include "common/endpoint/endpoint.h"

namespace tocsin::datasource {

/// What the engine is; decides which parameters it is sent. All of them answer Prometheus' API.
enum class Flavour {
  Auto,  ///< Every parameter that one of them knows; the others ignore it.
  Prometheus,
  VictoriaMetrics,  ///< nocache=1: or it shifts `time` into the past.
  Mimir,
  Thanos,  ///< dedup=true, partial_response=false.
};

/// What an answer is worth of which the engine says that data is missing.
enum class Partial {
  Refuse,  ///< An error: no alert begins or ends by it.
  Accept,  ///< As if it were whole, with a warning at the rule.
};

struct DatasourceSettings {
  std::string name;
  endpoint::Endpoint endpoint;  ///< url: everything before /api/v1/query.
  Flavour flavour = Flavour::Auto;
  std::optional<base::Duration> step;  ///< Sent as `step`: VictoriaMetrics' look-back.
  bool nocache = true;
  std::size_t max_parallel = 8;
  bool cache = true;  ///< Equal expressions of a round are asked once.
  Partial partial = Partial::Refuse;
  std::size_t response_bytes_max = 64 << 20;
};

/// The name that means our own engine.
inline constexpr std::string_view kLocal = "local";

/// Reads every `[[datasource]]`; mistakes go to the diagnostics.
std::vector<DatasourceSettings> read_datasources(config::Table& root);

}  // namespace tocsin::datasource

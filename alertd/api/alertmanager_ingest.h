// POST /api/v2/alerts: from a body to alerts, as Alertmanager takes them.
//
// A shop's Prometheus posts 64 alerts a request, a storm thousands: the body is parsed into one
// arena, and each alert costs its label set, its annotations and two strings.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/model/alert.h"

namespace tocsin::api {

/// Bounds of one post; what is over them is refused, and said.
struct AlertLimits {
  std::size_t alerts_max = 100'000;  ///< Of one request.
  std::size_t labels_max = 128;      ///< Of one alert; of annotations too.
  std::size_t name_bytes_max = 1024;
  std::size_t value_bytes_max = 64 << 10;
  std::size_t alert_bytes_max = 256 << 10;  ///< Labels and annotations of one alert together.
};

struct IngestOptions {
  base::WallTime now;
  base::Duration resolve_timeout{300'000};
  model::Severity severity_default = model::Severity::Medium;
  AlertLimits limits;
};

/// What a body says: the alerts that are good, and what is wrong with the others.
struct PostedAlerts {
  std::vector<model::Alert> alerts;
  std::vector<std::string> errors;  ///< In order; at most 100, then one that counts the rest.
};

/// Parses a JSON array of postable alerts.
///
/// No startsAt: now, or endsAt if that is given. No endsAt: valid for resolve_timeout. Labels with
/// an empty value are left out; unknown fields are ignored; the severity comes from the label
/// `severity`, mapped by model::import_severity.
/// Errors: InvalidArgument (not JSON, no array, more than alerts_max): nothing is taken then.
/// Source: shared/reference/routing.md, section 1, "Ingest".
base::Result<PostedAlerts> parse_posted_alerts(std::string_view body, const IngestOptions& options);

}  // namespace tocsin::api

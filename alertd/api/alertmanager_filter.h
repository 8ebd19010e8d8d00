// The filters of GET /api/v2/alerts, alerts/groups, silences and receivers. Internal to alertd/api.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "alertd/api/alertmanager_views.h"
#include "common/base/result.h"
#include "common/model/matcher.h"
#include "common/net/http_server.h"

namespace tocsin::api {

/// Which alerts are asked for.
class AlertFilter {
 public:
  /// Reads active, silenced, inhibited, unprocessed, muted (all true unless given), filter (any
  /// number), receiver (a regular expression that must match the whole name) and
  /// receiver_matchers (matchers on the label `receiver` or `name`).
  /// Errors: InvalidArgument.
  static base::Result<AlertFilter> read(const net::ServerRequest& request);

  /// Whether the alert is shown at `now`; resolved ones never are.
  bool takes(const AlertmanagerAlert& one, base::WallTime now) const;
  bool takes_receiver(const std::string& receiver) const;
  bool takes_any_receiver(const std::vector<std::string>& receivers) const;
  bool muted() const { return muted_; }

 private:
  bool active_ = true;
  bool silenced_ = true;
  bool inhibited_ = true;
  bool unprocessed_ = true;
  bool muted_ = true;
  std::vector<model::Matcher> matchers_;
  std::optional<model::Matcher> receiver_;
  std::vector<model::Matcher> receiver_matchers_;
};

/// Which silences are asked for: filter, and active, pending, expired (all true unless given).
class SilenceFilter {
 public:
  /// Errors: InvalidArgument.
  static base::Result<SilenceFilter> read(const net::ServerRequest& request);
  bool takes(const AlertmanagerSilence& silence) const;

 private:
  bool active_ = true;
  bool pending_ = true;
  bool expired_ = true;
  std::vector<model::Matcher> matchers_;
};

/// Sorts as Alertmanager shows them: active ones that end soonest first, then pending ones by
/// start, then expired ones, the last first.
void sort_silences(std::vector<AlertmanagerSilence>& silences);

/// Parses every value of a repeated parameter as matchers.
/// Errors: InvalidArgument ("bad matcher format: ...").
base::Result<std::vector<model::Matcher>> matchers_parameter(const net::ServerRequest& request,
                                                             const std::string& name);

}  // namespace tocsin::api

// An alert as it leaves the ruler (or arrives by the API) and enters routing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/base/shared_text.h"
#include "common/base/time.h"
#include "common/model/labels.h"
#include "common/model/severity.h"

namespace tocsin::model {

/// One firing or resolved alert. Identity is the fingerprint of `labels`.
///
/// Level-triggered: the ruler sends its whole firing set again and again (resend delay), so that a
/// lost post is repaired by the next one.
struct Alert {
  Labels labels;       ///< With alertname and severity.
  Labels annotations;  ///< summary, description, runbook_url, ... already expanded.
  Severity severity = Severity::Medium;
  base::WallTime starts_at;               ///< When it began to fire.
  std::optional<base::WallTime> ends_at;  ///< Set once resolved.
  base::WallTime valid_until;             ///< Taken as resolved then, unless sent again.
  base::WallTime updated_at;              ///< The evaluation that this tells of.
  std::optional<double> value;            ///< Of the expression, at updated_at.
  base::SharedText generator_url;         ///< Where to look at the expression.
  base::SharedText rule_source;           ///< file:line of the rule; empty if posted by the API.

  std::uint64_t fingerprint() const { return labels.fingerprint(); }
  std::string_view name() const { return labels.get(kAlertName); }
  bool resolved(base::WallTime now) const {
    return (ends_at && *ends_at <= now) || (!ends_at && valid_until <= now);
  }
};

/// Where the ruler and the API hand alerts over. Implementation: incident::Dispatcher's queue.
class AlertSink {
 public:
  virtual ~AlertSink() = default;
  /// Hands over a set of alerts. Thread: any; never blocks; a full queue refuses and counts, which
  /// loses nothing because alerts are sent again.
  virtual void post(std::vector<Alert> alerts) = 0;
};

}  // namespace tocsin::model

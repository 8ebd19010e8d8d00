// Puts a message together: what the alerts have in common, in which order they stand, how many fit.
#pragma once

#include "alertd/incident/incident.h"

namespace tocsin::incident {

/// The alerts of a message.
struct AlertSet {
  std::vector<model::Alert> firing;
  std::vector<model::Alert> resolved;
};

/// Returns the title of an incident that these alerts open.
std::string make_title(const std::vector<model::Alert>& firing, const model::Labels& group_labels);

/// Returns " (rule of commit 1a2b3c4d5e by Ann: subject)" if that is the same for all alerts and
/// their rules come from a repository, else "".
std::string rule_origin(const std::vector<model::Alert>& firing);

/// Returns the message for one receiver, without channel and key: those are added for each channel.
Notification make_notification(const Incident& incident, NotificationKind kind, Reason reason,
                               AlertSet alerts, std::size_t alerts_max);

/// Returns the line of a digest, or of a hand-over, about one incident.
NotifiedAlert digest_line(const Incident& incident);

}  // namespace tocsin::incident

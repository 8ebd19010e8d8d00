#include "alertd/notify/storm_summary.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <map>

#include "common/base/strings.h"

namespace tocsin::notify {
namespace {

using incident::IncidentState;
using incident::IncidentSummary;
using incident::Notification;
using incident::NotificationKind;

constexpr std::size_t kMembersMax = 50;  ///< More are only counted.

std::string count_text(std::uint64_t all, const std::map<model::Severity, std::uint64_t>& open,
                       std::uint64_t resolved) {
  std::vector<std::string> parts;
  for (auto each = open.rbegin(); each != open.rend(); ++each) {
    parts.push_back(fmt::format("{} {}", each->second, model::to_string(each->first)));
  }
  if (resolved > 0) parts.push_back(fmt::format("{} resolved", resolved));
  return fmt::format("{} more incident{}: {}", all, all == 1 ? "" : "s", base::join(parts, ", "));
}

}  // namespace

Notification make_summary(const std::vector<DeliveryPtr>& told, base::WallTime now) {
  std::vector<IncidentSummary> members;
  Notification summary;
  for (const DeliveryPtr& delivery : told) {
    const Notification& message = delivery->message();
    summary.sequence = std::max(summary.sequence, static_cast<std::uint64_t>(delivery->row_id));
    summary.truncated_members += message.truncated_members;
    if (message.kind == NotificationKind::Summary) {
      members.insert(members.end(), message.members.begin(), message.members.end());
    } else {
      members.push_back(message.incident);
      if (message.kind == NotificationKind::Resolved) {
        members.back().state = IncidentState::Resolved;
      }
    }
  }
  std::map<model::Severity, std::uint64_t> open;
  std::uint64_t resolved = 0;
  model::Severity worst = model::Severity::Low;
  for (const IncidentSummary& member : members) {
    if (member.state == IncidentState::Resolved) {
      ++resolved;
    } else {
      ++open[member.severity];
      worst = std::max(worst, member.severity);
    }
  }
  std::stable_sort(members.begin(), members.end(), [](const auto& a, const auto& b) {
    const bool a_over = a.state == IncidentState::Resolved;
    const bool b_over = b.state == IncidentState::Resolved;
    if (a_over != b_over) return b_over;
    return a.severity > b.severity;
  });
  const std::uint64_t all = members.size() + summary.truncated_members;
  std::string title = count_text(all, open, resolved);
  if (summary.truncated_members > 0) {
    title += fmt::format(", {} others", summary.truncated_members);
  }
  if (members.size() > kMembersMax) {
    summary.truncated_members += members.size() - kMembersMax;
    members.resize(kMembersMax);
  }
  const Notification& first = told.front()->message();
  summary.kind = NotificationKind::Summary;
  summary.reason = first.reason;
  summary.created_at = now;
  summary.receiver = first.receiver;
  summary.channel = first.channel;
  summary.members = std::move(members);
  summary.incident.title = std::move(title);
  summary.incident.severity = worst;
  summary.incident.peak_severity = worst;
  summary.incident.opened_at = now;
  summary.incident.url_path = "/incidents";
  summary.key =
      incident::delivery_key("", summary.receiver, summary.channel, summary.kind, summary.sequence);
  summary.thread_key = summary.key.substr(0, 16);
  return summary;
}

}  // namespace tocsin::notify

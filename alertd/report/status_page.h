// The public status page: what outsiders may know, as HTML, JSON and RSS.
//
// Pure: from incidents, news and maintenance to three texts. It names services by their titles
// only; no host, label, alert or person is on it. An incident is on it if it concerns a declared
// service that is shown and was Critical or High. Needs no script; readable on a phone.
// Source: shared/reference/routing.md, section 6; RSS 2.0 (rssboard.org/rss-specification).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "alertd/incident/snapshot.h"
#include "common/config/table.h"

namespace tocsin::report {

/// `[status_page]`.
struct StatusPageSettings {
  bool enabled = false;
  std::string path;  ///< Folder that the files are written to; empty: only served.
  bool serve = true;
  std::string title = "Status of our services";
  std::string url;  ///< Where people find it; also told with news. Empty: unknown.
  std::string language = "en";
  timezone::Zone zone;
  friend bool operator==(const StatusPageSettings&, const StatusPageSettings&) = default;
};

/// Reads `[status_page]`.
StatusPageSettings read_status_page(config::Table& root);

struct StatusInput {
  std::vector<incident::Incident> incidents;  ///< Open and past ones, in any order.
  incident::Reviews reviews;
  std::vector<routing::Maintenance> maintenances;
  base::WallTime watched_since;  ///< Nothing is claimed about the time before.
  base::WallTime now;
};

enum class ServiceState { Works, Maintenance, Degraded, Down };

/// Returns "works", "maintenance", "degraded" or "down".
std::string_view to_string(ServiceState state);

struct StatusService {
  std::string name;
  std::string title;
  ServiceState state = ServiceState::Works;
  /// Share of the business hours of the last 30 and 90 days without trouble, 0 to 1; nullopt: there
  /// were none.
  std::optional<double> availability_30;
  std::optional<double> availability_90;
};

struct StatusUpdate {
  base::WallTime at;
  std::string state;  ///< "identified"
  std::string title;
  std::string text;
};

struct StatusIncident {
  std::string id;  ///< Opaque to readers; stable.
  std::string title;
  ServiceState impact = ServiceState::Degraded;
  base::WallTime began;
  std::optional<base::WallTime> ended;
  std::vector<StatusUpdate> updates;  ///< Newest first.
};

struct StatusMaintenance {
  std::string title;
  base::WallTime begin;
  base::WallTime end;
  bool open = false;
};

struct StatusPage {
  StatusPageSettings settings;
  ServiceState state = ServiceState::Works;    ///< The worst of all services.
  std::vector<StatusService> services;         ///< By title.
  std::vector<StatusIncident> current;         ///< Newest first; so is the next.
  std::vector<StatusIncident> past;            ///< Of the last 90 days.
  std::vector<StatusMaintenance> maintenance;  ///< Open, or within two weeks; by begin.
  base::WallTime watched_since;
  base::WallTime updated_at;
};

StatusPage make_status_page(const StatusInput& input, const incident::Communication& communication,
                            const StatusPageSettings& settings);

std::string status_html(const StatusPage& page);
std::string status_json(const StatusPage& page);
std::string status_rss(const StatusPage& page);

/// Returns the share of the business hours within [from, to) that no outage (begin, end) covers, 0
/// to 1; nullopt: there are no business hours. Outages may overlap.
std::optional<double> availability(const std::vector<timezone::Hours>& hours,
                                   const timezone::Zone& zone, base::WallTime from,
                                   base::WallTime to,
                                   std::vector<std::pair<base::WallTime, base::WallTime>> outages);

}  // namespace tocsin::report

// Stakeholders: who outside of the team hears of an incident, of which ones, and how often.
//
//   [[service]]                      [[audience]]
//   name = "registration"            name = "dean"
//   title = "Course registration"    receivers = ["dean-mail"]
//
// An audience is told in the plain words of news_text.h: titles of services and times, never hosts
// or labels. It hears of incidents of declared services only, because nothing else has a title.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "alertd/incident/dependency.h"
#include "alertd/incident/escalation.h"
#include "common/gotemplate/template.h"
#include "common/model/severity.h"
#include "common/timezone/hours.h"

namespace tocsin::incident {

/// `[[service]]`: what outsiders know by a name of its own.
struct Service {
  std::string name;                           ///< As in the label service, app or job.
  std::string title;                          ///< Plain words; default: the name.
  std::map<std::string, std::string> titles;  ///< By language, where they differ.
  std::vector<model::Matcher> matchers;       ///< Its alerts, instead of those labels.
  std::vector<timezone::Hours> hours;         ///< Business hours; empty: always.
  timezone::Zone zone;
  bool shown = true;  ///< On the status page.

  const std::string& title_in(const std::string& language) const;
};

/// `[[audience]]`.
struct Audience {
  std::string name;
  Addresses addresses;                   ///< Of its receivers; pagers are left out.
  std::set<std::string> services;        ///< Empty: all declared ones.
  std::vector<model::Matcher> matchers;  ///< Of the group's labels; all must match.
  /// By Severity: whether it hears of it, and how often an update is promised.
  std::array<bool, 4> severities{false, false, true, true};
  std::array<std::optional<base::Duration>, 4> cadence{
      std::nullopt, std::nullopt, std::chrono::minutes(60), std::chrono::minutes(30)};
  std::string language = "en";
  timezone::Zone zone;
  bool automatic = false;  ///< The first words and the last ones leave by themselves.
  /// Maintenance of its services is announced so long before; nullopt: never told of.
  std::optional<base::Duration> maintenance;
  std::optional<gotemplate::Template> title;  ///< Instead of the built-in words.
  std::optional<gotemplate::Template> text;
};

/// What `[[service]]`, `[[audience]]` and `[status_page] url` say.
struct Communication {
  std::map<std::string, Service> services;
  std::vector<Audience> audiences;  ///< In the order written.
  std::string status_url;           ///< Put below the words; empty: none.

  const Audience* find(std::string_view name) const;
};

/// Whether the audience hears of an incident of these services, at its worst as bad as `worst`.
bool concerns(const Audience& audience, const Communication& communication,
              const std::set<std::string>& services, const model::Labels& group_labels,
              model::Severity worst);

/// Reads `[[service]]` and `[[audience]]`; declares the services to `dependencies`, so that
/// incidents know theirs.
///
/// `quiet` are the channels of each receiver that are no pagers; `receivers` all of them.
Communication read_communication(config::Table& root,
                                 const std::map<std::string, std::vector<std::string>>& receivers,
                                 const std::map<std::string, std::vector<std::string>>& quiet,
                                 Dependencies& dependencies);

}  // namespace tocsin::incident

// The words that stakeholders read: one title and a few plain sentences in their language.
//
//   Course registration: being looked into
//   Course registration has not been working since 10:05. We are looking into it.
//   Next update: 10:35.
//
// English and Khmer are built in. A template of the configuration gets the same facts (.Service,
// .Since, .State, .Text ...) and nothing else, so that no host name and no label can slip in. Pure.
#pragma once

#include <string>
#include <vector>

#include "alertd/incident/audience.h"
#include "alertd/incident/review.h"
#include "alertd/routing/maintenance.h"

namespace tocsin::incident {

/// What there is to tell of an incident.
struct NewsFacts {
  std::vector<const Service*> services;
  NewsState state = NewsState::Investigating;
  model::Severity severity = model::Severity::High;  ///< The worst so far.
  base::WallTime since;
  base::WallTime now;
  std::optional<base::WallTime> next_update;
  std::string text;  ///< Of a person; may be empty.
  std::string status_url;
};

struct NewsWords {
  std::string title;  ///< One line.
  std::string text;
};

/// Languages that are built in.
bool is_news_language(std::string_view language);

/// Returns the words; a template that fails is replaced by the built-in ones.
NewsWords news_words(const Audience& audience, const NewsFacts& facts);

/// Where a maintenance stands, as it is told.
enum class MaintenanceStage { Announced, Started, Ended };

/// Returns "announced", "started" or "ended".
std::string_view to_string(MaintenanceStage stage);
std::optional<MaintenanceStage> parse_maintenance_stage(std::string_view text);

/// Whether a maintenance window is about the service: one of its matchers names it by the label
/// service, app or job.
bool is_about(const routing::Maintenance& maintenance, const std::string& service);

/// What stakeholders were told last of a maintenance.
struct MaintenanceTold {
  MaintenanceStage stage = MaintenanceStage::Announced;
  routing::Window window;
};

inline constexpr std::string_view kMaintenanceNewsKind = "maintenance_news";
/// Errors: Corruption (names the field).
base::Result<MaintenanceTold> maintenance_told_from_record(const KeptRecord& record);

NewsWords maintenance_words(const Audience& audience, const std::vector<const Service*>& services,
                            MaintenanceStage stage, base::WallTime begin, base::WallTime end,
                            const std::string& status_url);

/// Runs a template over sample facts. Errors: InvalidArgument ("line:column: message").
base::Result<void> check_news_template(const gotemplate::Template& parsed);

}  // namespace tocsin::incident

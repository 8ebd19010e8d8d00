#include "alertd/bulletin/bulletin.h"

#include <array>

#include "alertd/bulletin/sections.h"

namespace tocsin::bulletin {
namespace {

struct KindWords {
  Kind kind;
  std::string_view name;
  std::string_view title;
};

constexpr std::array<KindWords, 5> kKinds{{
    {Kind::Daily, "daily", "Daily report"},
    {Kind::Weekly, "weekly", "Weekly report"},
    {Kind::Monthly, "monthly", "Monthly report"},
    {Kind::Compliance, "compliance", "Compliance evidence"},
    {Kind::Capacity, "capacity", "Capacity report"},
}};

const KindWords& words_of(Kind kind) {
  return kKinds[static_cast<std::size_t>(kind)];
}

timezone::LocalTime month_of(timezone::LocalTime local) {
  const auto day = std::chrono::floor<std::chrono::days>(local);
  const std::chrono::year_month_day date{day};
  return std::chrono::local_days{date.year() / date.month() / 1};
}

using MakeSection = Section (*)(const Builder&);

std::vector<MakeSection> sections_of(Kind kind) {
  switch (kind) {
    case Kind::Daily:
      return {incidents_section,    firing_section,     watching_section, backups_section,
              certificates_section, tasks_section,      agents_section,   disks_section,
              resources_section,    log_errors_section, queues_section};
    case Kind::Weekly:
      return {incidents_section,      noise_section, comparison_section, slow_statements_section,
              unused_indexes_section, disks_section, backups_section,    tasks_section};
    case Kind::Monthly:
      return {availability_section, response_section, backups_section,      restore_section,
              patches_section,      tasks_section,    certificates_section, incidents_section};
    case Kind::Compliance:
      return {controls_section};
    case Kind::Capacity:
      return {filesystem_growth_section, database_growth_section, connections_growth_section,
              memory_growth_section};
  }
  return {};
}

}  // namespace

std::string_view to_string(Kind kind) {
  return words_of(kind).name;
}

std::optional<Kind> parse_kind(std::string_view text) {
  for (const KindWords& words : kKinds) {
    if (words.name == text) return words.kind;
  }
  return std::nullopt;
}

std::pair<base::WallTime, base::WallTime> default_period(Kind kind, base::WallTime now,
                                                         const timezone::Zone& zone) {
  switch (kind) {
    case Kind::Daily:
      return {now - kDay, now};
    case Kind::Weekly:
      return {now - 7 * kDay, now};
    case Kind::Capacity:
      return {now - 30 * kDay, now};
    case Kind::Monthly:
    case Kind::Compliance:
      break;
  }
  const timezone::LocalTime this_month = month_of(zone.to_local(now));
  return {zone.to_wall(month_of(this_month - kDay)), zone.to_wall(this_month)};
}

base::Result<void> check_period(base::WallTime from, base::WallTime to) {
  if (to - from < std::chrono::hours(1) || to - from > 400 * kDay) {
    return base::error(base::ErrorCode::InvalidArgument,
                       "'from' must be before 'to', by 1h at least and 400 days at most");
  }
  return base::ok();
}

Document make_bulletin(const Input& input) {
  const Request& request = input.request;
  Document document;
  document.kind = to_string(request.kind);
  document.title = words_of(request.kind).title;
  document.from = request.from;
  document.to = request.to;
  document.zone = request.zone;
  const Builder builder(input);
  for (const MakeSection make : sections_of(request.kind)) {
    document.sections.push_back(make(builder));
  }
  return document;
}

}  // namespace tocsin::bulletin

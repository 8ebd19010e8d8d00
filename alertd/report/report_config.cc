#include "alertd/oncall/directory_config.h"
#include "alertd/report/report.h"

namespace tocsin::report {

ReportSettings read_report_settings(config::Table& table) {
  ReportSettings settings;
  settings.zone = oncall::read_zone(table, timezone::Zone());
  settings.hours = oncall::read_hours(table);
  const std::string severity =
      table.one_of("action_severity", "low", {"critical", "high", "medium", "low"});
  settings.action_severity = model::parse_severity(severity).value_or(model::Severity::Low);
  return settings;
}

}  // namespace tocsin::report

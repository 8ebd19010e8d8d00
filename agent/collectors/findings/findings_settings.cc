#include "agent/collectors/findings/findings_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "agent/collectors/kept/slow_settings.h"
#include "common/config/table.h"

namespace tocsin::agent {
namespace {

FindingsTool read_one(config::Table& table) {
  FindingsTool tool;
  tool.format = table.one_of("format", "", scan_formats());
  if (!table.has("format")) table.error("format", "format is missing", "format = \"trivy\"");
  tool.name = table.string("name", tool.format);
  tool.files = read_patterns(table, "files", {});
  if (tool.files.empty()) {
    table.error("files", "no file is named", "files = \"/var/lib/scans/trivy.json\"");
  }
  tool.all = table.boolean("all_files", tool.all);
  std::vector<std::string> severities;
  for (const FindingSeverity severity : kFindingSeverities) {
    severities.emplace_back(to_string(severity));
  }
  const std::string unrated =
      table.one_of("unrated", std::string(to_string(tool.unrated)), severities);
  const auto it = std::find(severities.begin(), severities.end(), unrated);
  tool.unrated = kFindingSeverities[static_cast<std::size_t>(it - severities.begin())];
  tool.bytes_max = table.bytes("bytes_max", tool.bytes_max);
  table.finish();
  return tool;
}

}  // namespace

FindingsSettings read_findings_settings(config::Table& root, base::Duration interval,
                                        const std::string& state_folder) {
  FindingsSettings settings;
  settings.timeout = round_timeout(interval);
  settings.state.path = state_folder + "/findings.json";
  std::set<std::string> names;
  for (config::Table& table : root.tables("findings")) {
    settings.tools.push_back(read_one(table));
    const std::string& name = settings.tools.back().name;
    if (!names.insert(name).second) {
      table.error("name", fmt::format("two scanners are called '{}'", name),
                  "the name is the label `tool` of their findings");
    }
  }
  return settings;
}

}  // namespace tocsin::agent

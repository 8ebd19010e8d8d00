// What `[[check]]` in the agent's configuration says.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/base/time.h"

namespace tocsin::config {
class Table;
}

namespace tocsin::agent {

/// One plugin of Nagios, run now and then.
struct NagiosCheckSettings {
  std::string name;                  ///< The label `check`.
  std::vector<std::string> command;  ///< The first is an absolute path; no shell reads any.
  std::map<std::string, std::string> environment{{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"},
                                                 {"LC_ALL", "C"}};
  base::Duration every{60'000};
  base::Duration timeout{10'000};
  std::size_t numbers_max = 50;

  std::string key() const { return "check " + name; }
};

/// Mistakes go to the diagnostics. `interval` is the round's: nothing runs more often.
std::vector<NagiosCheckSettings> read_nagios_settings(config::Table& root, base::Duration interval);

}  // namespace tocsin::agent

#include "agent/backup/environment.h"

#include <algorithm>

#include "common/base/strings.h"

namespace tocsin::agent {

using base::Result;

namespace {

constexpr const char* kSelf =
    "SELECT pg_catalog.current_setting('server_version_num')::int / 10000,"
    " pg_catalog.pg_encoding_to_char(encoding), datcollate"
    " FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()";

constexpr const char* kExtensions =
    "SELECT extname, extversion FROM pg_catalog.pg_extension ORDER BY 1 LIMIT 1000";

// initdb takes all locales of the system over.
constexpr const char* kLocales =
    "SELECT DISTINCT collcollate FROM pg_catalog.pg_collation WHERE collcollate <> ''";

Result<DatabaseEnvironment> read_environment(postgres::Connection& connection) {
  DatabaseEnvironment environment;
  TC_TRY(const auto self, ask(connection, kSelf));
  if (self.size() != 1) return base::error(base::ErrorCode::Corruption, "no row for the database");
  environment.major_version = static_cast<int>(self.integer(0, 0));
  environment.encoding = self.text(0, 1);
  environment.locale = self.text(0, 2);
  TC_TRY(const auto extensions, ask(connection, kExtensions));
  for (std::size_t i = 0; i < extensions.size(); ++i) {
    environment.extensions[extensions.text(i, 0)] = extensions.text(i, 1);
  }
  TC_TRY(const auto locales, ask(connection, kLocales));
  for (std::size_t i = 0; i < locales.size(); ++i) {
    environment.known_locales.insert(locale_key(locales.text(i, 0)));
  }
  return environment;
}

}  // namespace

std::string locale_key(const std::string& name) {
  std::string key = base::to_lower(name);
  std::erase(key, '-');
  return key == "posix" ? "c" : key;
}

std::map<std::string, bool> differences(const DatabaseEnvironment& live,
                                        const DatabaseEnvironment& restored) {
  const std::string wanted = locale_key(live.locale);
  return {
      {"version", live.major_version != restored.major_version},
      {"encoding", live.encoding != restored.encoding},
      {"locale", wanted != locale_key(restored.locale) && !restored.known_locales.contains(wanted)},
      {"extensions", live.extensions != restored.extensions}};
}

Result<std::map<std::string, bool>> compare_environments(const ScratchCluster& cluster,
                                                         const DrillSettings& drill,
                                                         const RestoredData& data) {
  std::map<std::string, bool> parts;
  if (drill.live_dsn.empty()) return parts;
  TC_TRY(const auto live, connect_live(drill));
  TC_TRY(const DatabaseEnvironment of_live, read_environment(*live));
  TC_TRY(const auto restored, connect_restored(cluster, main_database(drill, data)));
  TC_TRY(const DatabaseEnvironment of_restored, read_environment(*restored));
  return differences(of_live, of_restored);
}

}  // namespace tocsin::agent

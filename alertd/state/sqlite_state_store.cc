#include "alertd/state/sqlite_state_store.h"

#include "alertd/state/schema.h"
#include "alertd/state/state_tables.h"

namespace tocsin::state {

using base::Result;

namespace {

/// The tables and the connection they use, in the order in which they go.
class SqliteStore final : public StateTables {
 public:
  explicit SqliteStore(std::unique_ptr<Database> database)
      : StateTables(*database), owned_(std::move(database)) {}

 private:
  std::unique_ptr<Database> owned_;
};

}  // namespace

Result<std::unique_ptr<incident::StateStore>> open_sqlite_state_store(SqliteOptions options,
                                                                      const base::Clock& clock) {
  TC_TRY(auto database, Database::open(options.path, options.busy_timeout_ms));
  if (auto migrated = migrate(*database, newest_schema_version(), clock.wall()); !migrated) {
    return with_context(migrated.error(), options.path);
  }
  return make_async_state_store(std::make_unique<SqliteStore>(std::move(database)),
                                {options.queue_max, options.worker}, clock);
}

}  // namespace tocsin::state

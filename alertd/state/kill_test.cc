// kill -9 while the store writes: what was acknowledged is there, and never half of a change.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alertd/state/schema.h"
#include "alertd/state/state_tables.h"
#include "common/sim/test_folder.h"
#include "tests/sim/state/asked_store.h"

namespace tocsin::state {
namespace {

/// What an earlier round delivered is not delivered again.
bool deliver(StateTables& tables, std::int64_t row_id) {
  const base::WallTime now = base::wall_time(1'000);
  const auto started = tables.attempt_started(row_id, 1, now);
  if (!started) return started.error().code == base::ErrorCode::InvalidArgument;
  return tables
      .attempt_finished({row_id, 1, incident::DeliveryState::Delivered, {}, now, {}, "ok", ""})
      .has_value();
}

}  // namespace

TEST_CASE("kill -9 between commits: what was acknowledged is there") {
  const sim::TestFolder folder;
  const std::string path = folder.file("state.db");
  const base::SimClock clock;
  for (int round = 0; round < 5; ++round) {
    int channel[2];
    REQUIRE(::pipe(channel) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      auto database = Database::open(path, 1000);
      if (!database || !migrate(**database, newest_schema_version(), clock.wall())) ::_exit(1);
      StateTables tables(**database);
      for (std::int64_t number = 1;; ++number) {
        incident::StateChange change;
        change.incidents_upsert = {incident::suite_incident(number, incident::IncidentState::Open)};
        change.outbox = {incident::suite_notification("T-" + std::to_string(number), 1)};
        if (!tables.commit(change) || !deliver(tables, number)) ::_exit(1);
        if (::write(channel[1], &number, sizeof number) != sizeof number) ::_exit(1);
      }
    }
    ::close(channel[1]);
    std::int64_t acknowledged = 0;
    const std::int64_t enough = 20 + 7 * round;
    while (acknowledged < enough &&
           ::read(channel[0], &acknowledged, sizeof acknowledged) == sizeof acknowledged) {
    }
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    while (::read(channel[0], &acknowledged, sizeof acknowledged) == sizeof acknowledged) {
    }
    ::close(channel[0]);
    CHECK(WIFSIGNALED(status));
    CHECK(acknowledged >= enough);

    auto database = Database::open(path, 1000);
    REQUIRE_MESSAGE(database, database);
    StateTables tables(**database);
    const auto state = tables.load(base::wall_time(0));
    const auto rows = tables.pending_after(0, 10);
    REQUIRE(state);
    REQUIRE(rows);
    CHECK(static_cast<std::int64_t>(state->incidents.size()) >= acknowledged);
    Statement sent = (*database)->statement("SELECT count(*) FROM outbox WHERE text = 'ok'");
    REQUIRE(sent.next().value());
    CHECK(sent.integer_at(0) >= acknowledged);  // none of them is sent again
    CHECK(sent.integer_at(0) + static_cast<std::int64_t>(rows->size()) ==
          static_cast<std::int64_t>(state->incidents.size()));  // both or none
  }
}

}  // namespace tocsin::state

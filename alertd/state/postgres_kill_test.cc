// kill -9 of the daemon and of PostgreSQL while the store writes: what was acknowledged is there,
// and never half of a change. Skipped with a message where PostgreSQL is not installed.
#include <doctest/doctest.h>

#include "alertd/state/postgres_tables.h"
#include "common/base/clock.h"
#include "tests/sim/postgres_server.h"
#include "tests/sim/state/asked_store.h"

namespace tocsin::state {
namespace {

constexpr base::Duration kTerm{1'000};

/// Takes the lease as soon as the last holder's has run out.
void take_lease(PostgresTables& tables, const std::string& holder) {
  for (int i = 0; i < 200; ++i) {
    if (tables.prepare()) {
      const auto lease = tables.acquire_lease(holder, kTerm);
      if (lease && lease->held) return;
    }
    ::usleep(20'000);
  }
  FAIL("the lease was not to be had in 4 s and more");
}

/// Another process that commits one incident with one message after the other and says which are
/// acknowledged; it goes on over connections that break.
class Writer {
 public:
  Writer(const postgres::Settings& settings, std::int64_t first, const std::string& holder) {
    REQUIRE(::pipe(channel_) == 0);
    child_ = ::fork();
    REQUIRE(child_ >= 0);
    if (child_ > 0) {
      ::close(channel_[1]);
      return;
    }
    base::set_log_level(base::LogLevel::Error);
    const base::RealClock clock;
    PostgresTables tables(settings, clock);
    take_lease(tables, holder);
    for (std::int64_t number = first;; ++number) {
      incident::StateChange change;
      change.incidents_upsert = {incident::suite_incident(number, incident::IncidentState::Open)};
      change.outbox = {incident::suite_notification("T-" + std::to_string(number), 1)};
      while (!(tables.prepare() && tables.commit(change))) ::usleep(10'000);
      if (::write(channel_[1], &number, sizeof number) != sizeof number) ::_exit(1);
    }
  }
  ~Writer() {
    kill();
    ::close(channel_[0]);
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  /// Waits until number `number` is acknowledged, or until the pipe ends.
  void until(std::int64_t number) {
    while (acknowledged_ < number &&
           ::read(channel_[0], &acknowledged_, sizeof acknowledged_) == sizeof acknowledged_) {
    }
  }

  /// Returns the last acknowledged number.
  std::int64_t kill() {
    if (child_ > 0) {
      ::kill(child_, SIGKILL);
      ::waitpid(child_, nullptr, 0);
      child_ = 0;
    }
    until(INT64_MAX);
    return acknowledged_;
  }

 private:
  int channel_[2] = {-1, -1};
  pid_t child_ = 0;
  std::int64_t acknowledged_ = 0;
};

/// Everything up to `acknowledged` is there, incident and message alike. Returns the last number.
std::int64_t check_whole(const postgres::Settings& settings, std::int64_t acknowledged) {
  const base::RealClock clock;
  PostgresTables tables(settings, clock);
  take_lease(tables, "checker");
  const auto state = tables.load(base::wall_time(0));
  const auto rows = tables.pending_after(0, 1'000'000);
  REQUIRE_MESSAGE(state, state);
  REQUIRE_MESSAGE(rows, rows);
  CHECK(state->last_incident_number >= acknowledged);
  CHECK(static_cast<std::int64_t>(state->incidents.size()) == state->last_incident_number);
  CHECK(rows->size() == state->incidents.size());  // both or none
  REQUIRE(tables.release_lease());
  return state->last_incident_number;
}

}  // namespace

TEST_CASE("postgres store: kill -9 of the daemon: what was acknowledged is there") {
  sim::PostgresServer* server = sim::PostgresServer::shared();
  if (!server) return;
  postgres::Settings settings;
  settings.dsn = server->new_database();
  std::int64_t last = 0;
  for (int round = 0; round < 3; ++round) {
    Writer writer(settings, last + 1, "writer " + std::to_string(round));
    writer.until(last + 20 + 7 * round);
    const std::int64_t acknowledged = writer.kill();
    CHECK(acknowledged >= last + 20 + 7 * round);
    last = check_whole(settings, acknowledged);
  }
}

TEST_CASE("postgres store: kill -9 of PostgreSQL: the daemon goes on where it was") {
  const auto server = sim::PostgresServer::make();  // of its own: others would notice
  if (!server) {
    MESSAGE("skipped: PostgreSQL is not installed (packaging/install-deps --tests)");
    return;
  }
  postgres::Settings settings;
  settings.dsn = server->new_database();
  Writer writer(settings, 1, "writer");
  std::int64_t enough = 20;
  for (int round = 0; round < 2; ++round) {
    writer.until(enough);
    server->crash();
    server->start();
    enough += 40;  // with the lease it had: nobody else took it
  }
  writer.until(enough);
  CHECK(check_whole(settings, writer.kill()) >= enough);
}

}  // namespace tocsin::state

#include "alertd/state/postgres_group_store.h"

#include <algorithm>

#include "alertd/state/columns.h"
#include "alertd/state/postgres_schema.h"

namespace tocsin::state {

using base::Result;
using sharing::Board;
using sharing::GroupSave;
using sharing::Taken;

namespace {

constexpr base::Duration kGroupPauseMin{250};
constexpr base::Duration kGroupPauseMax{2'000};

postgres::Array array_of(std::span<const std::string> texts) {
  postgres::Array array;
  for (const std::string& text : texts) array.text(text);
  return array;
}

class PostgresGroupStore final : public sharing::GroupStore {
 public:
  PostgresGroupStore(postgres::Settings settings, const base::Clock& clock)
      : settings_(std::move(settings)), clock_(clock) {}

  Result<Board> tend(const sharing::Member& me, base::Duration term) override;
  Result<void> know(std::span<const std::string> keys) override;
  Result<std::vector<Taken>> take(const std::string& session,
                                  std::span<const std::string> keys) override;
  Result<void> give(const std::map<std::string, std::uint64_t>& groups) override;
  Result<std::set<std::string>> save(std::span<const GroupSave> saves) override;
  Result<void> say(const std::string& session, const std::string& text) override;
  Result<std::vector<sharing::ChangedGroup>> changes(sharing::ChangesCursor& cursor) override;
  Result<std::vector<sharing::Holding>> holdings() override;
  Result<void> leave(const std::string& session) override;

 private:
  /// Errors: those of the connection; Unavailable (too early to try again).
  Result<void> prepare();

  postgres::Settings settings_;
  const base::Clock& clock_;
  std::unique_ptr<postgres::Connection> connection_;
  base::Duration pause_{0};
  base::MonotonicTime next_try_{};
};

Result<void> PostgresGroupStore::prepare() {
  if (connection_ && !connection_->broken()) return base::ok();
  connection_.reset();
  if (pause_.count() > 0 && clock_.monotonic() < next_try_) {
    return base::error(base::ErrorCode::Unavailable,
                       "shared groups: no connection to PostgreSQL; it is tried again soon");
  }
  auto connection = postgres::Connection::connect(settings_);
  Result<void> ready =
      connection ? migrate_postgres(**connection, clock_.wall()) : Result<void>(connection.error());
  if (!ready) {
    pause_ = std::clamp(pause_ * 2, kGroupPauseMin, kGroupPauseMax);
    next_try_ = clock_.monotonic() + pause_;
    return base::with_context(ready.error(), "shared groups");
  }
  pause_ = base::Duration{0};
  connection_ = std::move(*connection);
  return ready;
}

Result<Board> PostgresGroupStore::tend(const sharing::Member& me, base::Duration term) {
  TC_TRY(prepare());
  postgres::Transaction transaction(*connection_);
  TC_TRY(transaction.begin());
  // A session that is forgotten holds nothing any more: so free groups are found by session.
  TC_TRY(
      transaction.run("WITH gone AS (DELETE FROM members WHERE (name = $1 AND session <> $2)"
                      " OR until < clock_timestamp() - interval '1 day' RETURNING session)"
                      " UPDATE group_leases SET session = '', since = clock_timestamp()"
                      " FROM gone WHERE group_leases.session = gone.session",
                      postgres::Values().text(me.name).text(me.session)));
  TC_TRY(transaction.run(
      "INSERT INTO members (session, name, rules, until)"
      " VALUES ($1, $2, $3, clock_timestamp() + $4::bigint * interval '1 millisecond')"
      " ON CONFLICT (session) DO UPDATE SET rules = excluded.rules, until = excluded.until",
      postgres::Values().text(me.session).text(me.name).text(me.rules).integer(term.count())));
  TC_TRY(const postgres::Rows members,
         transaction.run("SELECT session, name, rules, (until >= clock_timestamp())::int,"
                         " coalesce(groups, 0) FROM members LEFT JOIN (SELECT session,"
                         " count(*) AS groups FROM group_leases GROUP BY session) AS held"
                         " USING (session) ORDER BY session COLLATE \"C\""));
  TC_TRY(const postgres::Rows held,
         transaction.run("SELECT key, epoch FROM group_leases WHERE session = $1",
                         postgres::Values().text(me.session)));
  TC_TRY(const postgres::Rows free,
         transaction.run("SELECT key, (extract(epoch FROM clock_timestamp() - free_since) * 1000)"
                         "::bigint FROM (SELECT key, until AS free_since FROM members"
                         " JOIN group_leases USING (session) WHERE until < clock_timestamp()"
                         " UNION ALL SELECT key, since FROM group_leases WHERE session = '')"
                         " AS free ORDER BY key COLLATE \"C\" LIMIT $1",
                         postgres::Values().integer(static_cast<std::int64_t>(sharing::kFreeMax))));
  TC_TRY(const postgres::Rows words,
         transaction.run("SELECT id, text FROM group_words WHERE session <> $1"
                         " AND said > clock_timestamp() - interval '2 minutes' ORDER BY id",
                         postgres::Values().text(me.session)));
  TC_TRY(transaction.commit());
  Board board;
  for (std::size_t i = 0; i < members.size(); ++i) {
    board.members.push_back({members.text(i, 0), members.text(i, 1), members.text(i, 2),
                             static_cast<std::size_t>(members.integer(i, 4)),
                             members.integer(i, 3) != 0});
  }
  for (std::size_t i = 0; i < held.size(); ++i) {
    board.held[held.text(i, 0)] = static_cast<std::uint64_t>(held.integer(i, 1));
  }
  for (std::size_t i = 0; i < free.size(); ++i) {
    board.free.push_back({free.text(i, 0), base::Duration{free.integer(i, 1)}});
  }
  for (std::size_t i = 0; i < words.size(); ++i) {
    board.words.push_back({words.integer(i, 0), words.bytes(i, 1)});
  }
  return board;
}

Result<void> PostgresGroupStore::know(std::span<const std::string> keys) {
  TC_TRY(prepare());
  postgres::Transaction transaction(*connection_);
  TC_TRY(transaction.begin());
  const postgres::Values values = postgres::Values().array(array_of(keys));
  TC_TRY(
      transaction.run("INSERT INTO group_leases (key) SELECT DISTINCT unnest($1::text[])"
                      " ON CONFLICT (key) DO NOTHING",
                      values));
  TC_TRY(
      transaction.run("DELETE FROM group_leases WHERE session = '' AND since < clock_timestamp()"
                      " - interval '7 days' AND NOT key = ANY($1::text[])",
                      values));
  TC_TRY(
      transaction.run("DELETE FROM group_states WHERE NOT EXISTS"
                      " (SELECT 1 FROM group_leases WHERE group_leases.key = group_states.key)"));
  return transaction.commit();
}

Result<std::vector<Taken>> PostgresGroupStore::take(const std::string& session,
                                                    std::span<const std::string> keys) {
  TC_TRY(prepare());
  postgres::Transaction transaction(*connection_);
  TC_TRY(transaction.begin());
  // Locked rows are being taken, or kept, by somebody: they are looked at again the next time.
  TC_TRY(const postgres::Rows rows,
         transaction.run(
             "WITH free AS (SELECT key FROM group_leases WHERE key = ANY($2::text[])"
             " AND NOT EXISTS (SELECT 1 FROM members WHERE members.session = group_leases.session"
             " AND until >= clock_timestamp()) ORDER BY key FOR UPDATE SKIP LOCKED),"
             " taken AS (UPDATE group_leases SET session = $1, epoch = nextval('group_epochs'),"
             " since = clock_timestamp() FROM free WHERE group_leases.key = free.key"
             " RETURNING group_leases.key, group_leases.epoch)"
             " SELECT taken.key, taken.epoch, coalesce(evaluated_ms, 0), coalesce(state, ''),"
             " coalesce(alerts, '') FROM taken LEFT JOIN group_states USING (key)",
             postgres::Values().text(session).array(array_of(keys))));
  TC_TRY(transaction.commit());
  std::vector<Taken> taken;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    taken.push_back({rows.text(i, 0),
                     static_cast<std::uint64_t>(rows.integer(i, 1)),
                     {base::wall_time(rows.integer(i, 2)), rows.bytes(i, 3), rows.bytes(i, 4)}});
  }
  return taken;
}

Result<void> PostgresGroupStore::give(const std::map<std::string, std::uint64_t>& groups) {
  TC_TRY(prepare());
  postgres::Array keys, epochs;
  for (const auto& [key, epoch] : groups) {
    keys.text(key);
    epochs.integer(static_cast<std::int64_t>(epoch));
  }
  postgres::Transaction transaction(*connection_);
  TC_TRY(transaction.begin());
  TC_TRY(
      transaction.run("UPDATE group_leases SET session = '', since = clock_timestamp()"
                      " FROM unnest($1::text[], $2::bigint[]) AS given(key, epoch)"
                      " WHERE group_leases.key = given.key AND group_leases.epoch = given.epoch",
                      postgres::Values().array(keys).array(epochs)));
  return transaction.commit();
}

Result<std::set<std::string>> PostgresGroupStore::save(std::span<const GroupSave> saves) {
  TC_TRY(prepare());
  postgres::Array all;
  for (const GroupSave& save : saves) all.text(save.key);
  postgres::Transaction transaction(*connection_);
  TC_TRY(transaction.begin());
  TC_TRY(const postgres::Rows rows,
         transaction.run("SELECT key, epoch FROM group_leases WHERE session <> ''"
                         " AND key = ANY($1::text[]) ORDER BY key FOR SHARE",
                         postgres::Values().array(all)));
  std::map<std::string, std::uint64_t> epochs;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    epochs[rows.text(i, 0)] = static_cast<std::uint64_t>(rows.integer(i, 1));
  }
  std::set<std::string> refused;
  postgres::Array keys, evaluated, states, alerts;
  for (const GroupSave& save : saves) {
    const auto epoch = epochs.find(save.key);
    if (epoch == epochs.end() || epoch->second != save.epoch) {
      refused.insert(save.key);
      continue;
    }
    keys.text(save.key);
    evaluated.integer(base::to_ms(save.now.evaluated_at));
    states.bytes(save.now.state);
    alerts.bytes(save.now.alerts);
  }
  if (refused.size() == saves.size()) return refused;
  TC_TRY(transaction.run(
      "INSERT INTO group_states AS old (key, evaluated_ms, state, alerts, version, written)"
      " SELECT key, evaluated_ms, state, alerts, (alerts <> '')::int,"
      " pg_current_xact_id()::text::bigint"
      " FROM unnest($1::text[], $2::bigint[], $3::bytea[], $4::bytea[])"
      " AS new(key, evaluated_ms, state, alerts)"
      " ON CONFLICT (key) DO UPDATE SET evaluated_ms = excluded.evaluated_ms,"
      " state = CASE WHEN excluded.state = '' THEN old.state ELSE excluded.state END,"
      " alerts = CASE WHEN excluded.alerts = '' THEN old.alerts ELSE excluded.alerts END,"
      " version = old.version + excluded.version,"
      " written = CASE WHEN excluded.alerts = '' THEN old.written ELSE excluded.written END",
      postgres::Values().array(keys).array(evaluated).array(states).array(alerts)));
  TC_TRY(transaction.commit());
  return refused;
}

Result<void> PostgresGroupStore::say(const std::string& session, const std::string& text) {
  TC_TRY(prepare());
  postgres::Transaction transaction(*connection_);
  TC_TRY(transaction.begin());
  TC_TRY(
      transaction.run("DELETE FROM group_words WHERE said < clock_timestamp()"
                      " - interval '10 minutes'"));
  TC_TRY(transaction.run("INSERT INTO group_words (session, text) VALUES ($1, $2::bytea)",
                         postgres::Values().text(session).bytes(text)));
  return transaction.commit();
}

// Whatever a transaction wrote that is not visible yet has a number of at least the snapshot's
// xmin: reading from there the next time misses nothing, in whatever order they commit.
Result<std::vector<sharing::ChangedGroup>> PostgresGroupStore::changes(
    sharing::ChangesCursor& cursor) {
  TC_TRY(prepare());
  postgres::Transaction transaction(*connection_);
  TC_TRY(transaction.begin());
  TC_TRY(transaction.script("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"));
  TC_TRY(
      const postgres::Rows rows,
      transaction.run("SELECT key, version, pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
                      " FROM group_states WHERE written >= $1 AND version > 0",
                      postgres::Values().integer(cursor.written_from)));
  std::vector<sharing::ChangedGroup> changed;
  std::int64_t written_from = cursor.written_from;
  postgres::Array wanted;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    written_from = rows.integer(i, 2);
    const auto known = cursor.versions.find(rows.text(i, 0));
    const auto version = static_cast<std::uint64_t>(rows.integer(i, 1));
    if (known != cursor.versions.end() && known->second == version) continue;
    wanted.text(rows.text(i, 0));
    changed.push_back({rows.text(i, 0), version, ""});
  }
  if (!changed.empty()) {
    TC_TRY(const postgres::Rows bodies,
           transaction.run("SELECT key, version, alerts FROM group_states"
                           " WHERE key = ANY($1::text[])",
                           postgres::Values().array(wanted)));
    changed.clear();
    for (std::size_t i = 0; i < bodies.size(); ++i) {
      changed.push_back({bodies.text(i, 0), static_cast<std::uint64_t>(bodies.integer(i, 1)),
                         bodies.bytes(i, 2)});
    }
  }
  TC_TRY(transaction.commit());
  cursor.written_from = written_from;
  for (const sharing::ChangedGroup& group : changed) cursor.versions[group.key] = group.version;
  return changed;
}

Result<std::vector<sharing::Holding>> PostgresGroupStore::holdings() {
  TC_TRY(prepare());
  postgres::Transaction transaction(*connection_);
  TC_TRY(transaction.begin());
  TC_TRY(const postgres::Rows rows,
         transaction.run("SELECT key, CASE WHEN until >= clock_timestamp() THEN name ELSE '' END,"
                         " epoch FROM group_leases LEFT JOIN members USING (session)"
                         " ORDER BY key COLLATE \"C\""));
  std::vector<sharing::Holding> holdings;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    holdings.push_back(
        {rows.text(i, 0), rows.text(i, 1), static_cast<std::uint64_t>(rows.integer(i, 2))});
  }
  return holdings;
}

Result<void> PostgresGroupStore::leave(const std::string& session) {
  TC_TRY(prepare());
  postgres::Transaction transaction(*connection_);
  TC_TRY(transaction.begin());
  const postgres::Values values = postgres::Values().text(session);
  TC_TRY(
      transaction.run("UPDATE group_leases SET session = '', since = clock_timestamp()"
                      " WHERE session = $1",
                      values));
  TC_TRY(transaction.run("DELETE FROM members WHERE session = $1", values));
  return transaction.commit();
}

}  // namespace

std::unique_ptr<sharing::GroupStore> make_postgres_group_store(postgres::Settings settings,
                                                               const base::Clock& clock) {
  return std::make_unique<PostgresGroupStore>(std::move(settings), clock);
}

}  // namespace tocsin::state

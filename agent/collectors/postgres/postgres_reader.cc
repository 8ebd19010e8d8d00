#include "agent/collectors/postgres/postgres_reader.h"

#include <fmt/format.h>

#include <algorithm>

namespace tocsin::agent {

using base::ErrorCode;
using base::Result;

namespace {

constexpr base::Duration kDatabasesEvery{60'000};

std::string version_text(int version) {
  return version >= 100'000
             ? fmt::format("{}.{}", version / 10'000, version % 10'000)
             : fmt::format("{}.{}.{}", version / 10'000, version / 100 % 100, version % 100);
}

bool contains(const std::vector<std::string>& list, const std::string& text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

std::shared_ptr<const std::vector<Check>> all_checks(const PostgresSettings& settings) {
  auto checks = std::make_shared<std::vector<Check>>(standard_checks());
  checks->insert(checks->end(), settings.queries.begin(), settings.queries.end());
  return checks;
}

}  // namespace

PostgresReader::PostgresReader(PostgresSettings settings, const base::Clock& clock)
    : settings_(std::move(settings)), clock_(clock), checks_(all_checks(settings_)) {}

PostgresRound PostgresReader::read() {
  const base::MonotonicTime now = clock_.monotonic();
  deadline_ = now + settings_.timeout;
  PostgresRound round;
  round.checks = checks_;
  if (auto connected = connect(); !connected) {
    answers_.clear();
    asked_at_.clear();
    round.down = connected.error();
    return round;
  }
  auto names = databases();
  if (!names) {
    round.down = names.error();
    return round;
  }
  std::map<std::string, std::vector<Due>> elsewhere;
  for (Due& each : due(*names, now)) {
    if (each.database.empty()) {
      ask(*connection_, each);
    } else {
      elsewhere[each.database].push_back(std::move(each));
    }
  }
  for (const auto& [database, checks] : elsewhere) ask_database(database, checks);
  if (connection_->broken()) {
    round.down = base::error(ErrorCode::Unavailable, "the connection broke");
    return round;
  }
  round.version = version_text(connection_->server_version());
  round.answers = answers_;
  return round;
}

Result<void> PostgresReader::connect() {
  if (connection_ && !connection_->broken()) return base::ok();
  connection_.reset();
  TC_TRY(connection_, postgres::Connection::connect(settings_.session));
  return base::ok();
}

/// The databases to look into. A list that cannot be had now stays what it was.
Result<std::vector<std::string>> PostgresReader::databases() {
  const base::MonotonicTime now = clock_.monotonic();
  if (databases_at_ && now - *databases_at_ < kDatabasesEvery) return databases_;
  TC_TRY(const auto rows,
         connection_->run("SELECT datname FROM pg_catalog.pg_database"
                          " WHERE datallowconn AND NOT datistemplate ORDER BY datname"));
  databases_at_ = now;
  databases_.clear();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::string& name = rows.text(i, 0);
    const bool wanted = settings_.databases.empty() || contains(settings_.databases, name);
    if (!wanted || contains(settings_.databases_exclude, name)) continue;
    if (databases_.size() < settings_.databases_max) databases_.push_back(name);
  }
  // What is gone is not told of any more.
  std::erase_if(answers_, [this](const auto& answer) {
    const std::size_t slash = answer.first.find('/');
    return slash != std::string::npos && !contains(databases_, answer.first.substr(slash + 1));
  });
  return databases_;
}

std::vector<PostgresReader::Due> PostgresReader::due(const std::vector<std::string>& databases,
                                                     base::MonotonicTime now) const {
  std::vector<Due> all;
  const int version = connection_->server_version();
  for (const Check& check : *checks_) {
    if (!check.is_for(version)) continue;
    const auto add = [&](const std::string& database) {
      const std::string key = database.empty() ? check.name : check.name + "/" + database;
      const auto asked = asked_at_.find(key);
      if (asked != asked_at_.end() && now - asked->second < check.every) return;
      all.push_back({&check, database, key});
    };
    if (check.scope == Check::Scope::Server) {
      add({});
    } else if (!check.database.empty()) {
      add(check.database);
    } else {
      for (const std::string& database : databases) add(database);
    }
  }
  // What waits longest is asked first: a round that runs out of time begins with it next time.
  std::stable_sort(all.begin(), all.end(), [this](const Due& a, const Due& b) {
    const auto when = [this](const Due& each) {
      const auto asked = asked_at_.find(each.key);
      return asked == asked_at_.end() ? base::MonotonicTime{} : asked->second;
    };
    return when(a) < when(b);
  });
  return all;
}

void PostgresReader::ask(postgres::Connection& connection, const Due& due) {
  const base::MonotonicTime began = clock_.monotonic();
  if (began >= deadline_) return out_of_time(due);
  CheckAnswer answer;
  const auto rows = connection.run(due.check->sql.c_str());
  if (!rows) {
    const bool absent =
        !due.check->optional_extension.empty() && rows.error().code == ErrorCode::NotFound;
    if (!absent) answer.failed = rows.error();
    if (answer.failed && answer.failed->code == ErrorCode::PermissionDenied &&
        !due.check->needs.empty()) {
      answer.failed->message += "; needs: " + due.check->needs;
    }
  } else {
    auto readings = readings_of(*due.check, *rows, due.database);
    if (readings) {
      answer.readings = std::move(*readings);
    } else {
      answer.failed = readings.error();
    }
  }
  answer.seconds = std::chrono::duration<double>(clock_.monotonic() - began).count();
  keep(due, std::move(answer));
}

void PostgresReader::ask_database(const std::string& database, const std::vector<Due>& due) {
  if (clock_.monotonic() >= deadline_) {
    for (const Due& each : due) out_of_time(each);
    return;
  }
  postgres::Settings session = settings_.session;
  session.database = database;
  const auto connection = postgres::Connection::connect(session);
  for (const Due& each : due) {
    if (connection) {
      ask(**connection, each);
    } else {
      CheckAnswer answer;
      answer.failed = with_context(connection.error(), "database " + database);
      keep(each, std::move(answer));
    }
  }
}

/// It keeps its last answer, and is asked first in the next round, not when its turn comes again.
void PostgresReader::out_of_time(const Due& due) {
  if (answers_.contains(due.key)) return;
  CheckAnswer answer;
  answer.failed = base::error(ErrorCode::Timeout, "no time was left in this round");
  keep(due, std::move(answer));
  asked_at_.erase(due.key);
}

void PostgresReader::keep(const Due& due, CheckAnswer answer) {
  asked_at_[due.key] = clock_.monotonic();
  answers_[due.key] = std::make_shared<const CheckAnswer>(std::move(answer));
}

}  // namespace tocsin::agent

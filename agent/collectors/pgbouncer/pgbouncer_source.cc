#include "agent/collectors/pgbouncer/pgbouncer_source.h"

#include <optional>

#include "agent/collectors/pgbouncer/pgbouncer_show.h"

namespace tocsin::agent {

using base::Result;

namespace {

constexpr MetricInfo kUp{"pgbouncer_up", "1 if PgBouncer's console answered."};
constexpr const char* kGrant =
    "; the user needs to stand in auth_file and in stats_users of pgbouncer.ini";

/// A round: the answer or the error of each command, in the order of kPgbouncerShows.
struct PgbouncerRound {
  std::optional<base::Error> down;
  std::vector<Result<postgres::Rows>> answers;
};

/// Thread: one at a time.
class PgbouncerReader {
 public:
  PgbouncerReader(const PgbouncerSettings& settings, const base::Clock& clock)
      : settings_(settings), clock_(clock) {}

  PgbouncerRound read() {
    PgbouncerRound round;
    if (auto done = read_into(round); !done) {
      round.down = done.error();
      if (round.down->code == base::ErrorCode::PermissionDenied) round.down->message += kGrant;
    }
    if (console_ && console_->broken()) console_.reset();
    return round;
  }

 private:
  Result<void> read_into(PgbouncerRound& round) {
    if (!console_) {
      TC_TRY(console_, postgres::Console::connect(settings_.console, clock_));
    }
    for (const PgbouncerShow& show : kPgbouncerShows) {
      round.answers.push_back(console_->run(show.command));
      // One command may be refused; without a connection there is nothing.
      if (console_->broken()) return round.answers.back().error();
    }
    return base::ok();
  }

  PgbouncerSettings settings_;
  const base::Clock& clock_;
  std::unique_ptr<postgres::Console> console_;
};

void report(const std::string& key, const PgbouncerRound& round, base::FailureLog& failures) {
  if (round.down) {
    failures.report(key, round.down->message);
    return;
  }
  failures.clear(key);
  for (std::size_t i = 0; i < round.answers.size(); ++i) {
    const std::string subject = key + ", " + kPgbouncerShows[i].name;
    if (round.answers[i]) {
      failures.clear(subject);
    } else {
      failures.report(subject, round.answers[i].error().message);
    }
  }
}

void fill(RoundSink& sink, const std::string& name, const PgbouncerRound& round) {
  sink.add(kUp, {{"server", name}}, round.down ? 0 : 1);
  if (round.down) {
    add_check_failed(sink, name, "connection", *round.down);
    return;
  }
  for (std::size_t i = 0; i < round.answers.size(); ++i) {
    if (round.answers[i]) {
      kPgbouncerShows[i].add(*round.answers[i], name, sink);
    } else {
      add_check_failed(sink, name, kPgbouncerShows[i].name, round.answers[i].error());
    }
  }
}

}  // namespace

std::unique_ptr<AsyncSource> make_pgbouncer_source(const PgbouncerSettings& settings,
                                                   BlockingSource::World world,
                                                   base::FailureLog& failures) {
  const auto filled = [key = settings.key(), name = settings.name,
                       &failures](PgbouncerRound round) -> Fill {
    report(key, round, failures);
    const auto shared = std::make_shared<const PgbouncerRound>(std::move(round));
    return [name, shared](RoundSink& sink) { fill(sink, name, *shared); };
  };
  BlockingSource::Reading reading;
  reading.timeout = settings.timeout;
  reading.read = [filled, reader = std::make_shared<PgbouncerReader>(settings, world.clock)] {
    return filled(reader->read());
  };
  reading.down = [filled](const base::Error& why) {
    PgbouncerRound round;
    round.down = why;
    return filled(std::move(round));
  };
  return std::make_unique<BlockingSource>(settings.key(), "pgbouncer", std::move(reading), world);
}

}  // namespace tocsin::agent

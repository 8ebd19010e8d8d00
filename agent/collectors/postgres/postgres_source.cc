#include "agent/collectors/postgres/postgres_source.h"

namespace tocsin::agent {

using base::ErrorCode;

namespace {

constexpr MetricInfo kUp{"pg_up", "1 if the PostgreSQL server answered."};
constexpr MetricInfo kStatic{"pg_static", "The version, as a label."};
constexpr MetricInfo kSuccess{"pg_scrape_collector_success", "1 if this check was answered."};
constexpr MetricInfo kCheckSeconds{"pg_scrape_collector_duration_seconds",
                                   "Time the check took when it was asked last."};
constexpr MetricInfo kSeconds{"pg_exporter_last_scrape_duration_seconds",
                              "Time of the round, all checks together."};
constexpr MetricInfo kFailed{"tocsin_agent_check_failed",
                             "1 for a check that fails; the log says why and what it needs."};

/// The thread may need a moment beyond the round's own deadline.
constexpr base::Duration kMargin{500};

}  // namespace

PostgresSource::PostgresSource(PostgresSettings settings, World world)
    : settings_(std::move(settings)),
      world_(world),
      key_(settings_.key()),
      reader_(std::make_shared<PostgresReader>(settings_, world.clock)),
      worker_(world.clock, "postgres", std::make_shared<CallSignal>()) {}

void PostgresSource::start(base::WallTime /*timestamp*/, std::function<void(const Fill&)> done) {
  const std::uint64_t number = ++number_;
  waiting_.done = std::move(done);
  if (worker_.busy()) {
    give_up(number, "the server does not answer: a call of an earlier round is still out");
    return;
  }
  waiting_.timer = world_.executor.post_after(settings_.timeout + kMargin,
                                              [this, number, alive = std::weak_ptr<int>(alive_)] {
                                                if (!alive.expired())
                                                  give_up(number, "no answer within the timeout");
                                              });
  worker_.start([this, number, reader = reader_, alive = std::weak_ptr<int>(alive_),
                 &executor = world_.executor, &clock = world_.clock] {
    const base::MonotonicTime began = clock.monotonic();
    auto round = std::make_shared<const PostgresRound>(reader->read());
    const double seconds = std::chrono::duration<double>(clock.monotonic() - began).count();
    executor.post([this, number, round, seconds, alive] {
      if (!alive.expired()) answered(number, *round, seconds);
    });
  });
}

void PostgresSource::answered(std::uint64_t number, const PostgresRound& round, double seconds) {
  if (number != number_ || !waiting_.done) return;  // given up before
  world_.executor.cancel(std::exchange(waiting_.timer, 0));
  report(round);
  std::exchange(waiting_.done, nullptr)([&](RoundSink& sink) { fill(sink, round, seconds); });
}

void PostgresSource::give_up(std::uint64_t number, const std::string& why) {
  if (number != number_ || !waiting_.done) return;
  waiting_.timer = 0;
  PostgresRound round;
  round.down = base::error(ErrorCode::Timeout, why);
  report(round);
  std::exchange(waiting_.done, nullptr)([&](RoundSink& sink) { fill(sink, round, 0); });
}

void PostgresSource::report(const PostgresRound& round) {
  if (round.down) {
    world_.failures.report(key_, round.down->message);
    return;
  }
  world_.failures.clear(key_);
  for (const auto& [name, answer] : round.answers) {
    const std::string subject = key_ + ", check " + name;
    if (answer->failed) {
      world_.failures.report(subject, answer->failed->message);
    } else {
      world_.failures.clear(subject);
    }
  }
}

void PostgresSource::fill(RoundSink& sink, const PostgresRound& round, double seconds) const {
  const model::LabelView server{"server", settings_.name};
  sink.add(kUp, {server}, round.down ? 0 : 1);
  sink.add(kSeconds, {server}, seconds);
  if (round.down) {
    sink.add(kFailed,
             {server, {"check", "connection"}, {"reason", base::to_string(round.down->code)}}, 1);
    return;
  }
  sink.add(kStatic, {server, {"short_version", round.version}}, 1);
  std::vector<model::LabelView> labels;
  for (const auto& [name, answer] : round.answers) {
    sink.add(kSuccess, {server, {"collector", name}}, answer->failed ? 0 : 1);
    sink.add(kCheckSeconds, {server, {"collector", name}}, answer->seconds);
    if (answer->failed) {
      sink.add(kFailed,
               {server, {"check", name}, {"reason", base::to_string(answer->failed->code)}}, 1);
    }
    for (const Reading& reading : answer->readings) {
      labels.assign(1, server);
      for (const auto& [label, value] : reading.labels) labels.push_back({label, value});
      sink.add(reading.metric->info(), labels, reading.value);
    }
  }
}

}  // namespace tocsin::agent

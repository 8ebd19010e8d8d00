#include "agent/collectors/postgres/postgres_source.h"

#include "agent/collectors/postgres/postgres_reader.h"

namespace tocsin::agent {

namespace {

constexpr MetricInfo kUp{"pg_up", "1 if the PostgreSQL server answered."};
constexpr MetricInfo kStatic{"pg_static", "The version, as a label."};
constexpr MetricInfo kSuccess{"pg_scrape_collector_success", "1 if this check was answered."};
constexpr MetricInfo kCheckSeconds{"pg_scrape_collector_duration_seconds",
                                   "Time the check took when it was asked last."};
constexpr MetricInfo kSeconds{"pg_exporter_last_scrape_duration_seconds",
                              "Time of the round, all checks together."};

void report(const PostgresSettings& settings, const PostgresRound& round,
            base::FailureLog& failures) {
  if (round.down) {
    failures.report(settings.key(), round.down->message);
    return;
  }
  failures.clear(settings.key());
  for (const auto& [name, answer] : round.answers) {
    const std::string subject = settings.key() + ", check " + name;
    if (answer->failed) {
      failures.report(subject, answer->failed->message);
    } else {
      failures.clear(subject);
    }
  }
}

void fill(RoundSink& sink, const PostgresSettings& settings, const PostgresRound& round,
          double seconds) {
  const model::LabelView server{"server", settings.name};
  sink.add(kUp, {server}, round.down ? 0 : 1);
  sink.add(kSeconds, {server}, seconds);
  if (round.down) {
    add_check_failed(sink, settings.name, "connection", *round.down);
    return;
  }
  sink.add(kStatic, {server, {"short_version", round.version}}, 1);
  std::vector<model::LabelView> labels;
  for (const auto& [name, answer] : round.answers) {
    sink.add(kSuccess, {server, {"collector", name}}, answer->failed ? 0 : 1);
    sink.add(kCheckSeconds, {server, {"collector", name}}, answer->seconds);
    if (answer->failed) {
      add_check_failed(sink, settings.name, name, *answer->failed);
    }
    for (const Reading& reading : answer->readings) {
      labels.assign(1, server);
      for (const auto& [label, value] : reading.labels) labels.push_back({label, value});
      sink.add(reading.metric->info(), labels, reading.value);
    }
  }
}

}  // namespace

std::unique_ptr<AsyncSource> make_postgres_source(const PostgresSettings& settings,
                                                  BlockingSource::World world,
                                                  base::FailureLog& failures) {
  const auto shared = std::make_shared<const PostgresSettings>(settings);
  const auto filled = [shared, &failures](PostgresRound round, double seconds) -> Fill {
    report(*shared, round, failures);
    return [shared, round = std::move(round), seconds](RoundSink& sink) {
      fill(sink, *shared, round, seconds);
    };
  };
  BlockingSource::Reading reading;
  reading.timeout = settings.timeout;
  reading.read = [filled, reader = std::make_shared<PostgresReader>(settings, world.clock),
                  &clock = world.clock] {
    const base::MonotonicTime began = clock.monotonic();
    PostgresRound round = reader->read();
    return filled(std::move(round),
                  std::chrono::duration<double>(clock.monotonic() - began).count());
  };
  reading.down = [filled](const base::Error& why) {
    PostgresRound round;
    round.down = why;
    return filled(std::move(round), 0);
  };
  return std::make_unique<BlockingSource>(settings.key(), "postgres", std::move(reading), world);
}

}  // namespace tocsin::agent

#include "agent/collectors/logs/logs_source.h"

#include <set>
#include <utility>

#include "agent/collectors/logs/logs_reader.h"

namespace tocsin::agent {

namespace {

constexpr const char* kLogsKey = "logs";

std::string subject_of(const LogsRound::Failure& failure) {
  return "log '" + failure.server + "', " + failure.subject;
}

/// What was said, and is to be taken back when it is over. Thread: the logs'.
class LogsFailures {
 public:
  explicit LogsFailures(base::FailureLog& failures) : failures_(failures) {}

  void report(const LogsRound& round) {
    std::set<std::string> now;
    for (const LogsRound::Failure& failure : round.failures) {
      const std::string subject = subject_of(failure);
      failures_.report(subject, failure.error.message);
      now.insert(subject);
    }
    for (const std::string& subject : said_) {
      if (!now.contains(subject)) failures_.clear(subject);
    }
    said_ = std::move(now);
    failures_.clear(kLogsKey);
  }

 private:
  base::FailureLog& failures_;
  std::set<std::string> said_;
};

void fill_logs(RoundSink& sink, const LogsRound& round) {
  round.samples.replay(sink);
  // One series a check: that further files fail is for the log.
  std::set<std::pair<std::string, std::string>> told;
  for (const LogsRound::Failure& failure : round.failures) {
    if (told.emplace(failure.server, failure.check).second) {
      add_check_failed(sink, failure.server, failure.check, failure.error);
    }
  }
}

}  // namespace

std::unique_ptr<AsyncSource> make_logs_source(const LogsSettings& settings,
                                              BlockingSource::World world, base::FileSystem& files,
                                              base::FailureLog& failures) {
  BlockingSource::Reading reading;
  reading.timeout = settings.timeout;
  reading.read = [reader =
                      std::make_shared<LogsReader>(settings, LogsReader::World{files, world.clock}),
                  said = std::make_shared<LogsFailures>(failures)]() -> Fill {
    auto round = std::make_shared<LogsRound>(reader->read());
    said->report(*round);
    return [round](RoundSink& sink) { fill_logs(sink, *round); };
  };
  reading.down = [&failures](const base::Error& why) -> Fill {
    failures.report(kLogsKey, why.message);
    return [why](RoundSink& sink) { add_check_failed(sink, "logs", "round", why); };
  };
  return std::make_unique<BlockingSource>(kLogsKey, "logs", std::move(reading), world);
}

}  // namespace tocsin::agent

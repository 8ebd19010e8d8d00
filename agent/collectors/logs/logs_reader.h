// All logs of this host, read one after the other on one thread, and what is kept of them.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/collectors/logs/log_line.h"
#include "agent/collectors/logs/log_state.h"
#include "agent/collectors/logs/logs_settings.h"
#include "agent/collectors/logs/sample_buffer.h"
#include "common/base/clock.h"
#include "common/base/file_system.h"

namespace tocsin::agent {

/// What a round gave: samples, and the parts that failed.
struct LogsRound {
  struct Failure {
    std::string server;   ///< The log's name.
    std::string check;    ///< "file", "journal", "deleted_files", "logrotate", "state".
    std::string subject;  ///< For the log: which file.
    base::Error error;
  };
  SampleBuffer samples;
  std::vector<Failure> failures;
};

/// Reads the state file at its first round, so that one made for new settings finds what the one
/// before it left. Writes it when positions moved, every few seconds at most, and at the end.
/// Owner: the logs' thread.
class LogsReader {
 public:
  struct World {
    base::FileSystem& files;
    const base::Clock& clock;
  };

  LogsReader(LogsSettings settings, World world);
  ~LogsReader();
  LogsReader(const LogsReader&) = delete;
  LogsReader& operator=(const LogsReader&) = delete;

  LogsRound read();

 private:
  struct Job {
    std::string key;   ///< Of the state: "log shop".
    std::string name;  ///< The label `log`.
    std::unique_ptr<Tail> tail;
    std::unique_ptr<JournalReader> journal;
    std::unique_ptr<LogConsumer> consumer;
    std::optional<base::Duration> silent_after;
  };

  void add_job(std::string_view kind, const LogInputSettings& input,
               std::unique_ptr<LogConsumer> consumer);
  void load(LogsRound& round);
  void save(LogsRound* round);
  void read_job(Job& job, base::MonotonicTime deadline, LogsRound& round);
  void tell_job(Job& job, bool readable, LogsRound& round) const;
  void tell_tail(const Job& job, SampleBuffer& samples) const;
  void read_logrotate(LogsRound& round);

  LogsSettings settings_;
  World world_;
  std::vector<Job> jobs_;
  std::optional<DeletedFiles> deleted_;
  bool loaded_ = false;
  std::size_t first_job_ = 0;  ///< Begins the round, so that none always comes last.
  std::string saved_;          ///< What the state file holds.
  base::MonotonicTime save_next_{};
};

}  // namespace tocsin::agent

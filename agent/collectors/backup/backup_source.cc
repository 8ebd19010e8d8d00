#include "agent/collectors/backup/backup_source.h"

#include <fmt/format.h>

#include <atomic>

#include "agent/backup/command_call.h"
#include "agent/collectors/backup/backup_watch.h"

namespace tocsin::agent {

using base::Result;

namespace {

/// A verification looks at the stop flag between two parts of a file.
constexpr base::Duration kStopMax{500};

/// A set as it is told: copies, because the sampler writes them on its own thread.
struct ToldSet {
  const BackupSet* set = nullptr;
  BackupStatus status{};
  VerifyState verified{};
  DrillState drill{};
};

/// One verification, on its own thread; read by its owner when the thread says that it is done.
struct Verification {
  std::string set{};
  VerifyState state{};
  std::optional<Result<BackupVerdict>> verdict{};
};

/// Thread: one at a time.
class BackupReader {
 public:
  BackupReader(const BackupSettings& settings, base::FileSystem& files, const base::Clock& clock,
               base::FailureLog& failures, VerifyNew verify)
      : settings_(settings),
        files_(files),
        clock_(clock),
        failures_(failures),
        verify_(verify),
        states_(files, settings.state_folder) {
    BackupWatch::World world{files, clock, [this](base::Command command) {
                               if (!runner_) runner_ = base::make_command_runner(clock_, 1, 4);
                               return call_command(*runner_, clock_, std::move(command));
                             }};
    for (const BackupSet& set : *settings_.sets) {
      watches_.push_back(std::make_unique<BackupWatch>(set, world));
    }
  }
  ~BackupReader() {
    *stop_ = true;
    if (worker_) worker_->wait(kStopMax);
  }
  BackupReader(const BackupReader&) = delete;
  BackupReader& operator=(const BackupReader&) = delete;

  std::vector<ToldSet> read() {
    take_verdict();
    std::vector<ToldSet> told;
    for (const auto& watch : watches_) {
      ToldSet one;
      one.set = &watch->set();
      one.status = watch->look();
      one.verified = states_.load_verify(one.set->name);
      one.drill = states_.load_drill(one.set->name);
      report(one);
      verify_if_new(one);
      told.push_back(std::move(one));
    }
    return told;
  }

 private:
  void take_verdict() {
    if (!running_ || worker_->busy()) return;
    const std::shared_ptr<Verification> done = std::exchange(running_, nullptr);
    if (!done->verdict || !*done->verdict) return;  // given up; it is begun again
    const Found& found = (*done->verdict)->found;
    if (found && found->reason == "missing" && !files_.exists(done->state.path)) return;  // rotated
    record_verdict(done->state, **done->verdict, clock_.wall());
    const std::string subject = "backup " + done->set + ", verification";
    if (const auto saved = states_.save(done->set, done->state); !saved) {
      failures_.report(subject, saved.error().message);
      unsaved_[done->set] = done->state;
    } else {
      unsaved_.erase(done->set);
    }
  }

  void verify_if_new(ToldSet& told) {
    const auto unsaved = unsaved_.find(told.set->name);
    if (unsaved != unsaved_.end()) told.verified = unsaved->second;
    const std::optional<BackupItem>& newest = told.status.newest;
    if (!newest || told.status.quick || told.set->verify < VerifyLevel::Structure) return;
    VerifyState state = told.verified;
    const std::int64_t modified = base::to_ms(newest->modified);
    const bool known = state.path == newest->path && state.modified_ms == modified &&
                       state.size == newest->size_bytes && state.at_ms != 0;
    if (known || running_ || verify_ == VerifyNew::No) return;
    state.path = newest->path;
    state.modified_ms = modified;
    state.size = newest->size_bytes;
    begin(*told.set, std::move(state));
  }

  void begin(const BackupSet& set, VerifyState state) {
    if (!worker_) {
      worker_ = std::make_unique<HangingCallWorker>(clock_, "backup-verify",
                                                    std::make_shared<CallSignal>());
    }
    if (worker_->busy()) return;
    running_ = std::make_shared<Verification>();
    running_->set = set.name;
    VerifyRequest request = verify_request(set, state.path, set.verify);
    running_->state = std::move(state);
    worker_->start([running = running_, request = std::move(request), stop = stop_, &files = files_,
                    &clock = clock_] {
      const VerifyWorld world{files, clock, [stop]() -> Result<void> {
                                if (!*stop) return base::ok();
                                return base::error(base::ErrorCode::Cancelled, "the agent stops");
                              }};
      running->verdict = verify_backup(request, world);
    });
  }

  void report(const ToldSet& told) {
    const std::string key = "backup " + told.set->name;
    for (const char* check : {"files", "wal", "report"}) {
      const auto failed = told.status.failed.find(check);
      const std::string subject = fmt::format("{}, {}", key, check);
      if (failed == told.status.failed.end()) {
        failures_.clear(subject);
      } else if (failed->second.code == base::ErrorCode::PermissionDenied) {
        failures_.report(subject, failed->second.message +
                                      "; needs: read permission on it, and search permission on "
                                      "the folders above, for the agent's user");
      } else {
        failures_.report(subject, failed->second.message);
      }
    }
    const std::string newest = key + ", newest";
    Found found = told.status.quick;
    for (const auto& [level, known] : told.verified.levels) {
      if (!found && !known.ok) found = finding(known.reason, known.text);
    }
    if (found) {
      const std::string path = told.status.newest ? told.status.newest->path : std::string();
      failures_.report(newest, fmt::format("{}: {} ({})", path, found->text, found->reason));
    } else {
      failures_.clear(newest);
    }
  }

  BackupSettings settings_;
  base::FileSystem& files_;
  const base::Clock& clock_;
  base::FailureLog& failures_;
  VerifyNew verify_;
  BackupStates states_;
  std::unique_ptr<base::CommandRunner> runner_;
  std::vector<std::unique_ptr<BackupWatch>> watches_;
  std::map<std::string, VerifyState> unsaved_;
  std::shared_ptr<std::atomic<bool>> stop_ = std::make_shared<std::atomic<bool>>(false);
  std::shared_ptr<Verification> running_;
  std::unique_ptr<HangingCallWorker> worker_;
};

}  // namespace

std::unique_ptr<AsyncSource> make_backup_source(const BackupSettings& settings,
                                                base::FileSystem& files,
                                                BlockingSource::World world,
                                                base::FailureLog& failures, VerifyNew verify) {
  BlockingSource::Reading reading;
  reading.timeout = settings.timeout;
  // The sets live as long as what points into them.
  reading.read = [sets = settings.sets, &clock = world.clock,
                  reader = std::make_shared<BackupReader>(settings, files, world.clock, failures,
                                                          verify)]() -> Fill {
    return [sets, &clock, told = reader->read()](RoundSink& sink) {
      for (const ToldSet& one : told) {
        add_backup_status(*one.set, one.status, clock.wall(), sink);
        add_verify_state(*one.set, one.verified, one.status, sink);
        add_drill_state(*one.set, one.drill, sink);
      }
    };
  };
  reading.down = [sets = settings.sets, &failures](const base::Error& why) -> Fill {
    failures.report("backup", why.message);
    return [sets, why](RoundSink& sink) {
      for (const BackupSet& set : *sets) {
        add_check_failed(sink, "backup " + set.name, "files", why);
      }
    };
  };
  return std::make_unique<BlockingSource>("backup", "backup", std::move(reading), world);
}

}  // namespace tocsin::agent

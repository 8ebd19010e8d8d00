#include "agent/collectors/logs/logs_reader.h"

#include <utility>

#include "common/base/check.h"
#include "common/base/strings.h"

namespace tocsin::agent {

using base::ErrorCode;

namespace {

constexpr std::size_t kStateBytesMax = 16U << 20U;
constexpr base::Duration kSaveEvery{5'000};

constexpr model::MetricType kCounterType = model::MetricType::Counter;
constexpr MetricInfo kReadable{"log_readable",
                               "1 if every file of the log, or the journal, was read."};
constexpr MetricInfo kFiles{"log_files", "Files of the log."};
constexpr MetricInfo kFileSize{"log_file_size_bytes", "Size of a file."};
constexpr MetricInfo kRotationAge{"log_last_rotation_age_seconds",
                                  "Since a file was rotated; since it began, if it never was."};
constexpr MetricInfo kArchives{"log_archive_files", "Older parts of a file that are kept."};
constexpr MetricInfo kArchiveBytes{"log_archive_bytes", "Their size, compressed as they are."};
constexpr MetricInfo kLag{"log_lag_bytes", "Bytes that are written and not read yet."};
constexpr MetricInfo kRead{"log_read_bytes_total", "Bytes that were read.", kCounterType};
constexpr MetricInfo kReadLines{"log_read_lines_total", "Lines that were read.", kCounterType};
constexpr MetricInfo kTooLong{"log_lines_too_long_total", "Lines that were passed over.",
                              kCounterType};
constexpr MetricInfo kRotations{"log_rotations_total", "Rotations that were seen.", kCounterType};
constexpr MetricInfo kTruncations{"log_truncations_total",
                                  "Times a file got shorter without being rotated.", kCounterType};
constexpr MetricInfo kGaps{"log_gaps_total", "Rotations after which lines may be missing.",
                           kCounterType};
constexpr MetricInfo kLastLine{"log_last_line_timestamp_seconds",
                               "When the last line was written."};
constexpr MetricInfo kSilentAfter{"log_silent_after_seconds",
                                  "After how long without a line something is wrong."};
constexpr MetricInfo kBehind{"log_journal_behind", "1 if entries of the journal are left to read."};
constexpr MetricInfo kLogrotate{"logrotate_last_run_timestamp_seconds",
                                "When logrotate wrote its state last."};

double seconds_of(base::Duration duration) {
  return static_cast<double>(duration.count()) / 1000;
}

}  // namespace

LogsReader::LogsReader(LogsSettings settings, World world)
    : settings_(std::move(settings)), world_(world) {
  // Patterns were checked when the configuration was read.
  for (const AppLogSettings& one : settings_.apps) {
    auto made = AppLog::make(one.options, world_.clock);
    TC_CHECK(made.has_value(), "unchecked settings of a log");
    add_job("log", one, std::move(*made));
  }
  for (const AccessLogSettings& one : settings_.accesses) {
    auto made = AccessLog::make(one.options);
    TC_CHECK(made.has_value(), "unchecked settings of an access log");
    add_job("access_log", one, std::move(*made));
  }
  for (const AuthLogSettings& one : settings_.auths) {
    auto made = AuthLog::make(one.options, world_.clock);
    TC_CHECK(made.has_value(), "unchecked settings of an auth log");
    add_job("auth_log", one, std::move(*made));
  }
  if (settings_.deleted) deleted_.emplace(*settings_.deleted, world_.files, world_.clock);
}

LogsReader::~LogsReader() {
  if (loaded_) save(nullptr);
}

void LogsReader::add_job(std::string_view kind, const LogInputSettings& input,
                         std::unique_ptr<LogConsumer> consumer) {
  Job job;
  job.key = std::string(kind) + " " + input.name;
  job.name = input.name;
  if (input.journal) {
    job.journal = std::make_unique<JournalReader>(*input.journal, world_.clock);
  } else {
    job.tail = std::make_unique<Tail>(input.tail, world_.files, world_.clock);
  }
  job.consumer = std::move(consumer);
  job.silent_after = input.silent_after;
  jobs_.push_back(std::move(job));
}

void LogsReader::load(LogsRound& round) {
  loaded_ = true;
  if (settings_.state_file.empty()) return;
  const auto text = world_.files.read(settings_.state_file, kStateBytesMax);
  if (!text) {
    if (text.error().code != ErrorCode::NotFound) {
      round.failures.push_back({"logs", "state", settings_.state_file, text.error()});
    }
    return;
  }
  auto states = parse_log_states(*text);
  if (!states) {
    round.failures.push_back({"logs", "state", settings_.state_file, states.error()});
    return;
  }
  base::WallTime saved_at = world_.clock.wall();
  if (const auto ns = world_.files.modified_ns(settings_.state_file)) {
    saved_at = base::wall_time(*ns / 1'000'000);
  }
  for (Job& job : jobs_) {
    const auto found = states->find(job.key);
    if (found == states->end()) continue;
    if (job.tail) job.tail->restore(std::move(found->second.positions), saved_at);
    if (job.journal) job.journal->restore(std::move(found->second.cursor));
    for (const std::vector<std::string>& fields : found->second.data) {
      job.consumer->load({fields.begin(), fields.end()});
    }
  }
}

void LogsReader::save(LogsRound* round) {
  if (settings_.state_file.empty()) return;
  LogStates states;
  for (const Job& job : jobs_) {
    LogState& state = states[job.key];
    if (job.tail) state.positions = job.tail->positions();
    if (job.journal) state.cursor = job.journal->cursor();
    state.data = job.consumer->save();
  }
  std::string text = format_log_states(states);
  if (text == saved_) return;
  const auto done = world_.files.write_atomic(settings_.state_file, text, 0600);
  if (done) {
    saved_ = std::move(text);
  } else if (round != nullptr) {
    round->failures.push_back({"logs", "state", settings_.state_file, done.error()});
  }
}

LogsRound LogsReader::read() {
  LogsRound round;
  if (!loaded_) {
    round.samples = SampleBuffer(SampleBuffer::Counters::FromZero);
    load(round);
  }
  const base::MonotonicTime begin = world_.clock.monotonic();
  const base::MonotonicTime deadline = begin + settings_.timeout * 7 / 10;
  for (std::size_t i = 0; i < jobs_.size(); ++i) {
    read_job(jobs_[(first_job_ + i) % jobs_.size()], deadline, round);
  }
  if (!jobs_.empty()) first_job_ = (first_job_ + 1) % jobs_.size();
  if (deleted_) {
    if (const auto done = deleted_->step(deadline); !done) {
      round.failures.push_back({"host", "deleted_files", "deleted files", done.error()});
    }
    deleted_->tell(round.samples);
  }
  if (!settings_.logrotate_status.empty()) read_logrotate(round);
  if (begin >= save_next_) {
    save_next_ = begin + kSaveEvery;
    save(&round);
  }
  return round;
}

void LogsReader::read_job(Job& job, base::MonotonicTime deadline, LogsRound& round) {
  bool readable = true;
  if (job.tail) {
    job.tail->read(
        [&](std::string_view text) {
          LogLine line;
          line.text = text;
          job.consumer->take(line);
        },
        deadline);
    for (const auto& [subject, error] : job.tail->errors()) {
      round.failures.push_back({job.name, "file", subject, error});
    }
    readable = job.tail->errors().empty();
  } else {
    const auto done =
        job.journal->read([&](const LogLine& line) { job.consumer->take(line); }, deadline);
    if (!done) {
      round.failures.push_back({job.name, "journal", "journal", done.error()});
      readable = false;
    }
  }
  tell_job(job, readable, round);
}

void LogsReader::tell_job(Job& job, bool readable, LogsRound& round) const {
  SampleBuffer& samples = round.samples;
  const model::LabelView log{"log", job.name};
  samples.add(kReadable, {log}, readable ? 1 : 0);
  if (job.silent_after) samples.add(kSilentAfter, {log}, seconds_of(*job.silent_after));
  if (job.tail) {
    tell_tail(job, samples);
  } else {
    samples.add(kReadLines, {log}, job.journal->entries());
    samples.add(kBehind, {log}, job.journal->behind() ? 1 : 0);
    if (const auto last = job.journal->last_entry()) {
      samples.add(kLastLine, {log}, base::to_seconds(*last));
    }
  }
  job.consumer->tell(samples);
}

void LogsReader::tell_tail(const Job& job, SampleBuffer& samples) const {
  const model::LabelView log{"log", job.name};
  const TailStats& stats = job.tail->stats();
  samples.add(kFiles, {log}, static_cast<double>(stats.files.size()));
  samples.add(kLag, {log}, static_cast<double>(stats.lag_bytes));
  samples.add(kRead, {log}, stats.bytes);
  samples.add(kReadLines, {log}, stats.lines);
  samples.add(kTooLong, {log}, stats.lines_too_long);
  samples.add(kRotations, {log}, stats.rotations);
  samples.add(kTruncations, {log}, stats.truncations);
  samples.add(kGaps, {log}, stats.gaps);
  if (stats.last_line) samples.add(kLastLine, {log}, base::to_seconds(*stats.last_line));
  const base::WallTime now = world_.clock.wall();
  for (const auto& [path, file] : stats.files) {
    if (!base::is_utf8(path)) continue;  // no label's value
    const model::LabelView label{"path", path};
    samples.add(kFileSize, {log, label}, static_cast<double>(file.size));
    samples.add(kArchives, {log, label}, static_cast<double>(file.archives));
    samples.add(kArchiveBytes, {log, label}, static_cast<double>(file.archive_bytes));
    if (file.rotated) samples.add(kRotationAge, {log, label}, seconds_of(now - *file.rotated));
  }
}

void LogsReader::read_logrotate(LogsRound& round) {
  const auto ns = world_.files.modified_ns(settings_.logrotate_status);
  if (ns) {
    round.samples.add(kLogrotate, static_cast<double>(*ns) / 1e9);
  } else if (ns.error().code != ErrorCode::NotFound) {
    round.failures.push_back({"host", "logrotate", settings_.logrotate_status, ns.error()});
  }
}

}  // namespace tocsin::agent

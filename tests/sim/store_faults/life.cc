#include "tests/sim/store_faults/life.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace tocsin::store_faults {
namespace {

using base::Duration;

constexpr std::int64_t kRound = 15'000;
constexpr Duration kUntilItWorks{30'000};
/// Samples ahead of the clock are taken up to ten minutes.
constexpr std::int64_t kAheadMax = 300'000;

std::string name_of(const std::string& host) {
  return model::Labels{{"__name__", "up"}, {"host", host}}.to_string();
}

/// Some hundred samples are to fill several files of each kind.
void use_small_files(tsdb::StoreOptions& options, base::Random& dice) {
  options.log_file_bytes = 500 + dice.below(4'000);
  options.chunk_samples = static_cast<unsigned>(10 + dice.below(111));
  options.flush_bytes = 300 + dice.below(4'000);
  options.flush_age = Duration{static_cast<std::int64_t>(5 + dice.below(120)) * 60'000};
  options.merged_bytes_max = 2'000 + dice.below(20'000);
  options.merged_span_max = Duration{static_cast<std::int64_t>(30 + dice.below(240)) * 60'000};
}

std::string host_of(const std::string& series) {
  const std::size_t begin = series.find("host=\"") + 6;
  return series.substr(begin, series.find('"', begin) - begin);
}

}  // namespace

Life::Life(const LifeOptions& options, Tell tell)
    : options_(options),
      tell_(std::move(tell)),
      dice_(base::make_seeded_random(options.seed * 2 + 1)),
      store_(options.seed),
      ledger_(store_.options.out_of_order_window) {
  tsdb::StoreOptions& store = store_.options;
  use_small_files(store, *dice_);
  store.checkpoint_wal_bytes = 1'000 + below(20'000);
  store.retention = Duration{static_cast<std::int64_t>(2 + below(10)) * 3'600'000};
  store.fsync = below(4) == 0 && !options.always ? tsdb::Fsync::Interval : tsdb::Fsync::Always;
}

std::int64_t Life::horizon_ms() const {
  return base::to_ms(store_.clock.wall()) - store_.options.retention.count();
}

void Life::breach(const std::string& what) {
  breaches_.push_back(fmt::format("seed {} step {}, operation {} on the disk: {}", options_.seed,
                                  step_, store_.files.operations(), what));
}

void Life::run() {
  for (int i = 0; i < 3; ++i) hosts_.push_back(fmt::format("h{}", hosts_made_++));
  ++step_;
  start(true);
  while (breaches_.empty() && step_ < static_cast<std::uint64_t>(options_.steps)) {
    ++step_;
    step_times_.emplace_back(store_.clock.monotonic(), step_);
    act();
    if (broken_for_ > 0 && --broken_for_ == 0) heal();
  }
}

void Life::start(bool faults_allowed) {
  if (const auto opened = store_.open(); !opened) {
    const bool faulty = store_.files.faulty();
    if (tell_) tell_(fmt::format("{}: start refused: {}", step_, opened.error().message));
    if (!faulty && !faults_allowed) return breach("start: " + opened.error().message);
    store_.files.heal();
    store_.files.set_capacity(std::numeric_limits<std::uint64_t>::max());
    broken_for_ = 0;
    if (const auto again = store_.open(); !again) return breach("start: " + again.error().message);
  }
}

void Life::act() {
  const std::uint64_t kind = below(100);
  const auto tell = [&](const char* what) {
    if (tell_) tell_(fmt::format("{}: {} ({})", step_, what, store_.files.operations()));
  };
  if (kind < 40) {
    tell("round");
    send_round();
  } else if (kind < 55) {
    tell("burst");
    send_burst();
  } else if (kind < 62) {
    tell("late");
    send_late();
  } else if (kind < 66) {
    tell("again");
    send_again();
  } else if (kind < 70) {
    tell("new series");
    hosts_.push_back(fmt::format("h{}", hosts_made_++));
    if (hosts_.size() > 8) hosts_.erase(hosts_.begin());
    send_round();
  } else if (kind < 75) {
    tell("checkpoint");
    store_.store->request_checkpoint();
    store_.executor.run_for(Duration{static_cast<std::int64_t>(below(3)) * 5});
  } else if (kind < 79) {
    tell("minutes pass");
    let_pass(Duration{static_cast<std::int64_t>(1 + below(20)) * 60'000});
  } else if (kind < 81) {
    tell("hours pass");
    let_pass(Duration{static_cast<std::int64_t>(1 + below(6)) * 1'800'000});
  } else if (kind < 86) {
    if (options_.looks) look_at_parts();
  } else if (kind < 92) {
    if (!options_.restarts) return;
    const bool killed = below(2) == 0;
    tell(killed ? "kill -9" : "restart");
    find_safe();
    store_.store.reset();
    if (killed) store_.files.crash(sim::Unsynced::Kept, sim::UnsyncedNames::Kept);
    if (killed) broken_for_ = 0;
    start(false);
    if (options_.looks) look();
  } else if (options_.faults && kind < 96 && broken_for_ == 0) {
    tell("disk breaks");
    break_disk();
  } else if (options_.faults) {
    tell("power loss");
    lose_power(static_cast<sim::Unsynced>(below(3)), static_cast<sim::UnsyncedNames>(below(3)));
  } else {
    tell("round");
    send_round();
  }
}

SentSample Life::sample_of(const std::string& host, std::int64_t timestamp_ms, double value) {
  const std::string name = name_of(host);
  const std::int64_t now = base::to_ms(store_.clock.wall());
  const bool certain = timestamp_ms > horizon_ms() + 1 && timestamp_ms <= now + kAheadMax;
  return {name, {timestamp_ms, value}, certain};
}

void Life::send_round() {
  store_.executor.run_for(Duration{static_cast<std::int64_t>(1 + below(2 * kRound))});
  const std::int64_t now = base::to_ms(store_.clock.wall());
  std::vector<SentSample> batch;
  for (const std::string& host : hosts_) {
    if (below(10) == 0) continue;
    const double value = below(20) == 0 ? model::stale_marker() : ++value_;
    batch.push_back(sample_of(host, now, value));
  }
  send(std::move(batch));
}

// Some hundred samples of one series: whole chunks.
void Life::send_burst() {
  const std::string host = hosts_[below(hosts_.size())];
  const auto count = static_cast<std::int64_t>(20 + below(220));
  const auto step = static_cast<std::int64_t>(1 + below(3) * below(kRound));
  const std::int64_t first = base::to_ms(store_.clock.wall());
  store_.executor.run_for(Duration{count * step});
  std::vector<SentSample> batch;
  for (std::int64_t i = 0; i < count; ++i) {
    value_ += below(3) == 0 ? 0.1 : 0;
    batch.push_back(sample_of(host, first + i * step, value_));
  }
  send(std::move(batch));
}

void Life::send_late() {
  const std::int64_t now = base::to_ms(store_.clock.wall());
  std::vector<SentSample> batch;
  for (std::uint64_t i = 0; i < 1 + below(40); ++i) {
    // Some are too late.
    const auto late = static_cast<std::int64_t>(below(900'000));
    batch.push_back(sample_of(hosts_[below(hosts_.size())], now - late, ++value_));
  }
  send(std::move(batch));
}

// The same times once more, some with another value.
void Life::send_again() {
  std::vector<SentSample> batch;
  for (const SentSample& one : last_sent_) {
    batch.push_back(sample_of(host_of(one.series), one.sample.timestamp_ms,
                              below(2) == 0 ? one.sample.value : ++value_));
  }
  send(std::move(batch));
}

void Life::send(std::vector<SentSample> batch) {
  model::WriteBatch bytes;
  for (const SentSample& one : batch) {
    bytes.add(model::Labels{{"__name__", "up"}, {"host", host_of(one.series)}}, one.sample);
  }
  ledger_.sent(batch);
  const auto answer = store_.append_batch(std::move(bytes));
  if (answer && *answer) ledger_.acknowledged(batch, step_);
  if (tell_ && answer && !*answer) tell_("   refused: " + answer->error().message);
  if (!store_.files.faulty() && broken_for_ == 0 && !store_.store->status().read_only &&
      (!answer || !*answer)) {
    breach("refused though the disk works: " +
           (answer ? answer->error().message : std::string("no answer")));
  }
  last_sent_ = std::move(batch);
}

void Life::let_pass(Duration time) {
  store_.executor.run_for(time);
}

void Life::break_disk() {
  broken_for_ = static_cast<int>(1 + below(6));
  const auto kind = below(2) == 0 ? sim::Fault::Io : sim::Fault::NoSpace;
  switch (below(3)) {
    case 0:
      store_.files.set_capacity(store_.files.used_bytes() + below(2'000));
      break;
    case 1:
      store_.files.fail_at(1 + below(12), true, kind);
      break;
    default:
      store_.files.fail_at(1 + below(12), false, kind);
  }
}

void Life::heal() {
  store_.files.heal();
  store_.files.set_capacity(std::numeric_limits<std::uint64_t>::max());
  broken_for_ = 0;
  store_.executor.run_for(kUntilItWorks);
  if (store_.store->status().read_only) {
    breach("the disk works again, the store does not: " + store_.store->status().last_error);
  }
}

// An interval of a second, and all since the disk broke, may be gone where that was asked for.
void Life::find_safe() {
  if (store_.options.fsync == tsdb::Fsync::Always) return;
  const base::MonotonicTime safe =
      store_.clock.monotonic() - store_.options.fsync_interval - kUntilItWorks;
  std::uint64_t last_safe = 0;
  for (const auto& [time, step] : step_times_) {
    if (time < safe && (broken_for_ == 0 || step + 8 < step_)) last_safe = step - 1;
  }
  safe_until_ = std::min(safe_until_, last_safe);
}

void Life::lose_power(sim::Unsynced unsynced, sim::UnsyncedNames names) {
  find_safe();
  ledger_.forgive_after(std::exchange(safe_until_, std::numeric_limits<std::uint64_t>::max()));
  store_.store.reset();
  store_.files.crash(unsynced, names);
  store_.files.set_capacity(std::numeric_limits<std::uint64_t>::max());
  broken_for_ = 0;
  start(false);
  look();
}

void Life::look() {
  if (!breaches_.empty()) return;
  for (const std::string& what : ledger_.breaches(store_.contents(), horizon_ms())) breach(what);
  look_at_held();
}

// A series, a range: as in the whole.
void Life::look_at_parts() {
  look();
  const tsdb::Contents whole = store_.contents();
  if (whole.empty() || !breaches_.empty()) return;
  auto series = whole.begin();
  std::advance(series, static_cast<std::ptrdiff_t>(below(whole.size())));
  const std::int64_t first = series->second.front().timestamp_ms;
  const std::int64_t span = series->second.back().timestamp_ms - first + 1;
  const std::int64_t begin =
      first + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(span)));
  const std::int64_t end =
      begin + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(span)));
  const auto matcher = model::Matcher::make(model::MatchOp::Equal, "host", host_of(series->first));
  if (!matcher) return breach(matcher.error().message);
  const tsdb::Contents part = store_.contents({*matcher}, begin, end);
  std::vector<model::Sample> wanted;
  std::copy_if(
      series->second.begin(), series->second.end(), std::back_inserter(wanted),
      [&](const model::Sample& s) { return s.timestamp_ms >= begin && s.timestamp_ms <= end; });
  const std::size_t got = part.empty() ? 0 : part.begin()->second.size();
  if (got != wanted.size()) {
    breach(fmt::format("{} from {} to {} has {} samples, the whole series has {} there",
                       series->first, begin, end, got, wanted.size()));
  }
  hold();
}

// A snapshot may outlive what retention and restarts do to the store.
void Life::hold() {
  if (held_.size() >= 3) held_.erase(held_.begin());
  auto set = store_.store->select({}, std::numeric_limits<std::int64_t>::min(),
                                  std::numeric_limits<std::int64_t>::max(), {});
  if (!set) return breach(set.error().message);
  Held held{std::move(*set), {}};
  for (std::size_t i = 0; i < held.set->size(); ++i) {
    auto& samples = held.seen[held.set->labels(i).to_string()];
    if (const auto read =
            held.set->samples(i, 0, std::numeric_limits<std::int64_t>::max(), samples);
        !read) {
      breach(read.error().message);
    }
  }
  held_.push_back(std::move(held));
}

void Life::look_at_held() {
  for (const Held& held : held_) {
    for (std::size_t i = 0; i < held.set->size(); ++i) {
      std::vector<model::Sample> samples;
      const auto read = held.set->samples(i, 0, std::numeric_limits<std::int64_t>::max(), samples);
      const auto& seen = held.seen.at(held.set->labels(i).to_string());
      if (!read || samples.size() != seen.size()) {
        breach("a snapshot changed: " + held.set->labels(i).to_string());
      }
    }
  }
}

}  // namespace tocsin::store_faults

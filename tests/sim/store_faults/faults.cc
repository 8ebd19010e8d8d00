#include "tests/sim/store_faults/faults.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "tests/sim/store_faults/life.h"

namespace tocsin::store_faults {
namespace {

using Found = std::vector<std::string>;

constexpr base::Duration kUntilNoticed{15 * 60'000};

/// A disk as it was left, to be copied as often as wanted.
struct Remains {
  std::map<std::string, std::string> files;
  base::WallTime at;
  tsdb::StoreOptions options;
};

Remains remains_of(Life& life) {
  Remains remains{{}, life.store().clock.wall(), life.store().options};
  life.store().store.reset();
  const auto names = life.store().files.list("/data");
  for (const std::string& name : *names) {
    remains.files[name] = life.store().files.content("/data/" + name);
  }
  return remains;
}

std::unique_ptr<tsdb::TestStore> put(const Remains& remains) {
  auto store = std::make_unique<tsdb::TestStore>();
  store->options = remains.options;
  store->clock.step_wall(remains.at - store->clock.wall());
  (void)store->files.create_folders("/data");
  for (const auto& [name, bytes] : remains.files) store->files.set_content("/data/" + name, bytes);
  return store;
}

/// A life without faults, which leaves files of every kind.
std::unique_ptr<Life> good_life(std::uint64_t seed, const Extent& extent, Found& found) {
  auto life = std::make_unique<Life>(
      LifeOptions{.seed = seed, .steps = extent.steps, .looks = false, .always = true});
  life->run();
  life->look();
  found = life->breaches();
  return life;
}

/// Whether what is missing is what one record held: the samples of one batch, or of one series a
/// chunk. A record of labels takes no samples along: there is another one.
bool one_record(const std::vector<Ledger::Missing>& missing) {
  std::set<std::uint64_t> steps;
  std::set<std::string> series;
  for (const Ledger::Missing& one : missing) {
    steps.insert(one.step);
    series.insert(one.series);
  }
  return steps.size() <= 1 || series.size() <= 1;
}

/// Starts on damaged files and says what is wrong with that.
enum class Harm { Flipped, Cut };
Found start_on(const Remains& remains, const Life& life, const std::string& what, Harm harm,
               bool checkpoint) {
  Found found;
  const auto tell = [&](const std::string& text) { found.push_back(what + ": " + text); };
  const auto store = put(remains);
  if (const auto opened = store->open(); !opened) {
    tell("start refused: " + opened.error().message);
    return found;
  }
  const tsdb::Contents first = store->contents();
  // Nothing is demanded to be there; what is there must be right.
  for (const std::string& text : life.ledger().breaches(
           first, std::numeric_limits<std::int64_t>::max(), Ledger::Values::Any)) {
    tell(text);
  }
  const auto missing = life.ledger().missing(first, life.horizon_ms());
  // All records after a cut are gone.
  if (harm == Harm::Flipped && !checkpoint && !one_record(missing)) {
    tell(fmt::format("{} samples lost, of more than one record; such as {} of step {} at {}",
                     missing.size(), missing.front().series, missing.front().step,
                     missing.front().timestamp_ms));
  }
  // What is read seldom is checked by the store itself, some time later.
  if (!missing.empty()) store->executor.run_for(kUntilNoticed);
  double noticed = 0;
  for (const char* name : {"damaged_files", "damaged_records", "torn_bytes"}) {
    noticed += std::max(0.0, store->metric(fmt::format("tocsin_alertd_store_{}_total", name)));
  }
  // A cut between two records cannot be seen.
  if (harm == Harm::Flipped && !missing.empty() && noticed == 0) {
    tell("samples are lost and nothing says so");
  }
  const std::int64_t now = base::to_ms(store->clock.wall());
  if (!store->appended(model::Labels{{"__name__", "after"}}, now, 1)) tell("no samples are taken");
  if (const auto again = store->open(); !again) {
    tell("second start refused: " + again.error().message);
    return found;
  }
  tsdb::Contents second = store->contents();
  if (second.erase("after") != 1) tell("what was acknowledged after the damage is lost");
  const std::int64_t later = life.horizon_ms() + kUntilNoticed.count();
  if (life.ledger().missing(second, later).size() > missing.size()) {
    tell("the second start shows less than the first");
  }
  return found;
}

void add(Found& all, Found more) {
  all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

}  // namespace

Found live(std::uint64_t seed, const Extent& extent) {
  Life life({.seed = seed, .steps = extent.steps, .faults = true}, extent.tell);
  life.run();
  if (life.breaches().empty()) {
    life.lose_power(sim::Unsynced::Torn, sim::UnsyncedNames::Some);
  }
  return life.breaches();
}

Found sweep(std::uint64_t seed, const Extent& extent) {
  struct Way {
    bool for_ever;
    sim::Fault fault;
    const char* name;
  };
  Found all;
  for (const Way& way :
       {Way{false, sim::Fault::Io, "EIO once"}, Way{false, sim::Fault::NoSpace, "ENOSPC once"},
        Way{true, sim::Fault::Io, "EIO for ever"}}) {
    for (std::uint64_t n = 1 + seed % extent.every; all.empty(); n += extent.every) {
      Life life({.seed = seed, .steps = extent.steps, .looks = false, .always = true});
      life.store().files.fail_at(n, way.for_ever, way.fault);
      life.run();
      const bool failed = life.store().files.operations() >= n;
      if (life.breaches().empty() && !way.for_ever) life.look();
      if (life.breaches().empty()) {
        life.lose_power(static_cast<sim::Unsynced>(n % 3),
                        static_cast<sim::UnsyncedNames>(n / 3 % 3));
      }
      for (const std::string& one : life.breaches()) {
        all.push_back(fmt::format("sweep, operation {} {}: {}", n, way.name, one));
      }
      if (!failed) break;
    }
  }
  return all;
}

Found sweep_reads(std::uint64_t seed, const Extent& extent) {
  Found found;
  const auto life = good_life(seed, extent, found);
  const Remains remains = remains_of(*life);
  for (std::uint64_t n = 1; found.empty(); ++n) {
    const auto store = put(remains);
    store->files.fail_reads_at(n, false);
    const bool opened = store->open().has_value();
    const bool failed = store->files.reads() >= n;
    store->store.reset();
    store->files.heal();
    const std::string what = fmt::format("seed {}: read {} of the start fails once, which {}", seed,
                                         n, opened ? "starts" : "is refused");
    if (const auto again = store->open(); !again) {
      found.push_back(what + "; next start: " + again.error().message);
    } else {
      for (const std::string& text :
           life->ledger().breaches(store->contents(), life->horizon_ms())) {
        found.push_back(what + "; next start: " + text);
      }
    }
    if (!failed) break;
  }
  return found;
}

Found damage(std::uint64_t seed, const Extent& extent) {
  Found found;
  const auto life = good_life(seed, extent, found);
  const Remains remains = remains_of(*life);
  const auto dice = base::make_seeded_random(seed);
  for (const auto& [name, bytes] : remains.files) {
    const bool checkpoint = name.starts_with("checkpoint");
    for (std::size_t at = dice->below(extent.every); at < bytes.size(); at += extent.every) {
      Remains flipped = remains;
      flipped.files[name][at] =
          static_cast<char>(flipped.files[name][at] ^ static_cast<char>(1 + dice->below(255)));
      add(found,
          start_on(flipped, *life, fmt::format("seed {}: byte {} of {} flipped", seed, at, name),
                   Harm::Flipped, checkpoint));
      if (found.size() > 10) return found;
    }
  }
  // The newest file of each kind is the one that a crash can cut.
  std::map<std::string, std::string> newest;
  for (const auto& [name, bytes] : remains.files) newest[name.substr(0, name.find('-'))] = name;
  for (const auto& [kind, name] : newest) {
    const std::string& bytes = remains.files.at(name);
    for (std::size_t at = dice->below(extent.every); at < bytes.size(); at += extent.every) {
      Remains cut = remains;
      cut.files[name].resize(at);
      add(found, start_on(cut, *life, fmt::format("seed {}: {} cut at {}", seed, name, at),
                          Harm::Cut, false));
      if (found.size() > 10) return found;
    }
  }
  return found;
}

}  // namespace tocsin::store_faults

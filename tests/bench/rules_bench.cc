// The rules' queries over a store in this process: with a plan and without, compared bit by bit.
//
// Usage: rules_bench RULES.yml HOSTS [PLANNED_EVALUATIONS [PLAIN_EVALUATIONS]]
//
// The series are those of the load generator (500 a host, 15 s apart, 41 samples before the first
// evaluation). After each further round of samples every rule's query is evaluated once. Printed
// are CPU seconds of an evaluation of all rules (user and system, of this process, ingest not
// counted), the memory that plans hold, and with --top the dearest rules. For profiling and for
// comparing changes without the noise of servers; rules_side_by_side.sh measures the real programs.
#include <fmt/core.h>
#include <malloc.h>

#include <algorithm>
#include <bit>
#include <cstdlib>

#include "alertd/promql/plan.h"
#include "alertd/ruler/rule_loader.h"
#include "alertd/tsdb/store.h"
#include "catalogue.h"
#include "common/base/process.h"
#include "common/base/sim_executor.h"

namespace tocsin {
namespace {

constexpr std::int64_t kStart = 1'770'000'000'000;
constexpr std::int64_t kStepMs = 15'000;
constexpr int kHistory = 41;
constexpr std::uint32_t kSeriesOfHost = 500;

struct Series {
  rwload::SeriesTemplate shape;
  std::uint64_t seed = 0;
  model::Labels labels;
};

class Fleet {
 public:
  explicit Fleet(std::uint32_t hosts) {
    const auto catalogue = rwload::HostCatalogue(kSeriesOfHost);
    for (std::uint32_t host = 0; host < hosts; ++host) {
      for (std::uint32_t i = 0; i < catalogue.size(); ++i) {
        Series one{
            rwload::ForHost(catalogue[i], host), rwload::Mix(std::uint64_t{host} << 20U | i), {}};
        model::LabelsBuilder labels;
        for (const auto& [name, value] : one.shape.labels) labels.set(name, value);
        labels.set("__name__", one.shape.name).set("job", "node");
        labels.set("instance", fmt::format("host-{:05}:9100", host));
        labels.set("dc", fmt::format("dc{}", host % 4));
        one.labels = labels.build();
        one.shape.name.clear();
        one.shape.labels.clear();
        series_.push_back(std::move(one));
      }
    }
  }

  void send(tsdb::Store& store, base::SimExecutor& executor, std::int64_t at_ms) const {
    for (std::size_t from = 0; from < series_.size(); from += kSeriesOfHost) {
      auto batch = std::make_shared<model::WriteBatch>();
      for (std::size_t i = from; i < from + kSeriesOfHost; ++i) {
        const Series& one = series_[i];
        batch->add(one.labels, {at_ms, rwload::ValueAt(one.shape, one.seed, at_ms, kStepMs)});
      }
      store.append(std::move(batch), {});
      if (from % (100 * kSeriesOfHost) == 0) executor.run_ready();
    }
    executor.run_ready();
  }
  std::size_t size() const { return series_.size(); }

 private:
  std::vector<Series> series_;
};

struct World {
  base::SimClock clock{base::wall_time(kStart)};
  base::SimExecutor executor{clock};
  base::Metrics metrics;
  std::unique_ptr<base::FileSystem> files = base::make_real_file_system();
  std::unique_ptr<tsdb::Store> store;
  std::string folder;
  std::int64_t now_ms = kStart;

  explicit World() {
    char path[] = "/tmp/rules_bench_XXXXXX";
    folder = ::mkdtemp(path);
    tsdb::StoreOptions options;
    options.folder = folder + "/data";
    options.fsync = tsdb::Fsync::Interval;
    options.series_max = 10'000'000;
    options.checkpoint_wal_bytes = 1ULL << 40;
    store = std::move(tsdb::Store::open(options, *files, executor, metrics).value());
  }
  ~World() {
    store.reset();
    if (const auto names = files->list(folder + "/data")) {
      for (const auto& name : *names) (void)files->remove(folder + "/data/" + name);
    }
    (void)files->remove(folder + "/data");
    (void)files->remove(folder);
  }
  void round(const Fleet& fleet) {
    now_ms += kStepMs;
    clock.advance(base::Duration{kStepMs});
    fleet.send(*store, executor, now_ms);
  }
};

struct Cost {
  double seconds = 0;
  std::string name;
};

bool same(const promql::QueryResult& a, const promql::QueryResult& b) {
  const auto& left = std::get<promql::Vector>(a.value);
  const auto& right = std::get<promql::Vector>(b.value);
  return std::ranges::equal(left, right, [](const auto& x, const auto& y) {
    return x.labels == y.labels && std::bit_cast<std::uint64_t>(x.sample.value) ==
                                       std::bit_cast<std::uint64_t>(y.sample.value);
  });
}

double mib(std::uint64_t bytes) {
  return static_cast<double>(bytes) / (1 << 20);
}

// Resident memory once the heap has given back what is free.
std::uint64_t held_bytes() {
  ::malloc_trim(0);
  return base::process_resident_bytes();
}

int run(const std::string& rules, std::uint32_t hosts, int planned, int plain) {
  World world;
  const ruler::RuleSet set = ruler::load_rules({rules}, {}, *world.files);
  if (base::has_errors(set.diagnostics)) {
    fmt::print("rules_bench: {} has errors; see tocsin check\n", rules);
    return 1;
  }
  const Fleet fleet(hosts);
  const std::uint64_t empty = held_bytes();
  for (int i = 0; i < kHistory; ++i) world.round(fleet);
  const std::uint64_t filled = held_bytes();
  const promql::Engine engine;
  promql::Plan plan(engine, *world.store);
  std::vector<const ruler::Rule*> all;
  for (const ruler::RuleGroup& group : set.groups) {
    for (const ruler::Rule& rule : group.rules) {
      all.push_back(&rule);
      plan.add(rule.expr);
    }
  }
  std::vector<Cost> costs(all.size());
  std::size_t results = 0;
  std::size_t different = 0;
  std::uint64_t with_plan = filled;
  for (int evaluation = 0; evaluation < planned; ++evaluation) {
    if (evaluation > 0) world.round(fleet);
    const base::WallTime at = base::wall_time(world.now_ms + 3'000);
    plan.begin_round();
    results = 0;
    const double before = base::process_cpu_seconds();
    for (std::size_t i = 0; i < all.size(); ++i) {
      const double began = base::process_cpu_seconds();
      const auto result = plan.instant(*all[i]->expr, at);
      costs[i] = {base::process_cpu_seconds() - began, all[i]->name};
      results += std::get<promql::Vector>(result.value().value).size();
    }
    plan.begin_round();
    fmt::print("planned {} cpu_s {:.4f} results {}\n", evaluation + 1,
               base::process_cpu_seconds() - before, results);
    if (evaluation == 0) with_plan = held_bytes();  // nothing came in between
  }
  for (int evaluation = 0; evaluation < plain; ++evaluation) {
    const base::WallTime at = base::wall_time(world.now_ms + 3'000);
    double seconds = 0;
    for (const ruler::Rule* rule : all) {
      const double began = base::process_cpu_seconds();
      const auto result = engine.instant(*world.store, *rule->expr, at);
      seconds += base::process_cpu_seconds() - began;
      if (!same(result.value(), plan.instant(*rule->expr, at).value())) ++different;
    }
    plan.begin_round();
    fmt::print("plain {} cpu_s {:.4f} different {}\n", evaluation + 1, seconds, different);
  }
  fmt::print("series {} rules {} store_mib {:.0f} plan_mib {:.1f} bytes_a_series {:.1f}\n",
             fleet.size(), all.size(), mib(filled - empty), mib(with_plan - filled),
             static_cast<double>(with_plan - filled) / static_cast<double>(fleet.size()));
  std::ranges::sort(costs, std::greater<>(), &Cost::seconds);
  for (std::size_t i = 0; i < std::min<std::size_t>(12, costs.size()); ++i) {
    fmt::print("  {:.4f} {}\n", costs[i].seconds, costs[i].name);
  }
  return different == 0 ? 0 : 1;
}

}  // namespace
}  // namespace tocsin

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print("usage: rules_bench RULES.yml HOSTS [PLANNED_EVALUATIONS [PLAIN_EVALUATIONS]]\n");
    return 2;
  }
  const int planned = argc > 3 ? std::atoi(argv[3]) : 6;
  const int plain = argc > 4 ? std::atoi(argv[4]) : 2;
  return tocsin::run(argv[1], static_cast<std::uint32_t>(std::atoi(argv[2])), planned, plain);
}

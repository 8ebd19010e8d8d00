#include "agent/app/app.h"

#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>

#include "agent/app/alertd_links.h"
#include "agent/app/instance_lock.h"
#include "agent/app/posture_sources.h"
#include "agent/app/service_sources.h"
#include "agent/app/text_page.h"
#include "agent/collectors/backup/backup_source.h"
#include "agent/collectors/host/host_collectors.h"
#include "agent/collectors/host/statfs_pool.h"
#include "agent/collectors/logs/logs_source.h"
#include "agent/collectors/postgres/postgres_source.h"
#include "agent/collectors/probe/probe_source.h"
#include "agent/collectors/redis/redis_source.h"
#include "agent/collectors/scrape/scrape_target.h"
#include "agent/emergency/emergency_caller.h"
#include "agent/sampler/sampler.h"
#include "agent/tasks/task_source.h"
#include "common/base/asio_executor.h"
#include "common/base/metrics.h"
#include "common/base/mutex.h"
#include "common/base/process.h"
#include "common/base/random.h"
#include "common/base/resident.h"
#include "common/base/strings.h"
#include "common/net/url.h"

namespace tocsin::agent {
namespace {

constexpr const char* kLog = "agent/app";
constexpr unsigned kScrapeThreads = 2;
constexpr std::size_t kHttpQueueMax = 256;
// Batches on their way from the sampler to the sender; more means that the disk hangs.
constexpr int kHandoffMax = 64;
constexpr base::Duration kStopSampler{500};
constexpr base::Duration kStopSender{1'300};
constexpr base::Duration kStopTask{1'000};
constexpr base::Duration kOnceMargin{15'000};
// By then every source was read a few times, and what only the start needs was needed.
constexpr base::Duration kSettled{60'000};

// Waits for something that another thread says once.
class Signal {
 public:
  void set() {
    const base::MutexLock lock(mutex_);
    set_ = true;
    condition_.notify_all();
  }
  bool wait_for(base::Duration limit) {
    const base::MutexLock lock(mutex_);
    return condition_.wait_for(mutex_, limit, [this] { return set_; });
  }

 private:
  base::Mutex mutex_;
  base::Condition condition_;
  bool set_ = false;
};

// Every collector and source there is. A new kind of collector is added here.
struct SourceWorld {
  base::Executor& executor;
  const base::Clock& clock;
  base::Metrics& metrics;
  net::HttpClient* http;
  base::FailureLog& scrape_failures;
  base::FailureLog& source_failures;
  base::FileSystem& files;
  std::shared_ptr<TaskWorker> task_worker;         ///< Null: nothing is run.
  bool look_only = false;                          ///< One round beside the agent that runs.
  const MailClients* mail = nullptr;               ///< Null: no canary is sent.
  std::shared_ptr<CallPool> probe_pool = nullptr;  ///< Null: the probes make one of their own.
  std::shared_ptr<StatfsPool> statfs = nullptr;    ///< Null: as above.
};

bool has_runs(const TasksSettings& settings) {
  return std::any_of(settings.tasks.begin(), settings.tasks.end(), [](const TaskSettings& task) {
    return task.mode == TaskMode::Run && task.enabled;
  });
}

Sampler::Sources make_sources(const AgentSettings& settings, const SourceWorld& world) {
  Sampler::Sources sources;
  sources.collectors =
      make_host_collectors(settings.host, {world.clock, world.metrics, world.statfs});
  for (const ScrapeSettings& scrape : settings.scrapes) {
    sources.async.push_back(std::make_unique<ScrapeTarget>(
        scrape, ScrapeTarget::World{world.executor, *world.http, world.scrape_failures}));
  }
  for (const PostgresSettings& server : settings.postgres) {
    sources.async.push_back(
        make_postgres_source(server, {world.executor, world.clock}, world.source_failures));
  }
  for (const RedisSettings& server : settings.redis) {
    sources.async.push_back(
        make_redis_source(server, {world.executor, world.clock}, world.source_failures));
  }
  if (settings.backup.any()) {
    sources.async.push_back(make_backup_source(settings.backup, world.files,
                                               {world.executor, world.clock}, world.source_failures,
                                               world.look_only ? VerifyNew::No : VerifyNew::Yes));
  }
  const ProbeWorld probe_world{world.executor, world.files, world.source_failures,
                               world.probe_pool};
  for (auto& source : make_probe_sources(settings.probes, settings.certificates, probe_world)) {
    sources.async.push_back(std::move(source));
  }
  add_service_sources(
      sources, settings.services,
      {{world.executor, world.clock}, world.files, world.source_failures, world.http, world.mail});
  if (settings.logs.any()) {
    sources.async.push_back(make_logs_source(settings.logs, {world.executor, world.clock},
                                             world.files, world.source_failures));
  }
  add_posture_sources(sources, settings.posture,
                      {world.executor, world.files, world.source_failures, world.look_only});
  if (settings.tasks.any()) {
    sources.async.push_back(make_task_source(
        settings.tasks,
        TaskSourceWorld{world.executor, world.clock, world.files, world.source_failures,
                        world.task_worker, world.look_only}));
  }
  return sources;
}

}  // namespace

// Everything there is. ~App takes it apart: first the threads stop, then what used them goes.
struct App::Parts {
  Parts(AgentSettings with, World in) : settings(std::move(with)), world(in) {}

  AgentSettings settings;
  World world;
  std::unique_ptr<InstanceLock> lock;
  base::Metrics metrics;
  base::FailureLog scrape_failures{"agent/scrape"};
  base::FailureLog source_failures{"agent/collectors"};
  std::unique_ptr<base::Random> random = base::make_real_random();
  std::atomic<int> handoff = 0;
  std::unique_ptr<EmergencyCaller> emergency;
  std::unique_ptr<AlertdLinks> links;
  std::unique_ptr<Sampler> sampler;
  base::AsioExecutor sender_thread{world.clock, "sender", 1};
  base::AsioExecutor sampler_thread{world.clock, "sampler", 1};
  std::shared_ptr<CallPool> probe_pool;  ///< Outlives reloads: calls that hang keep its threads.
  std::shared_ptr<StatfsPool> statfs =   ///< As above; owned by sampler_thread.
      std::make_shared<StatfsPool>(world.clock, real_statfs, settings.host.statfs_deadline);
  /// A request for each address, and an emergency call; none waits for another.
  std::unique_ptr<net::HttpClient> write_http =
      net::make_http_client(world.clock, kAddressesMax + 1, 4);
  unsigned scrape_threads = 0;
  /// The last is in use; an earlier one, too small after a reload, has threads that sleep.
  std::vector<std::unique_ptr<net::HttpClient>> scrape_http;
  MailClients mail_clients;
  std::shared_ptr<TaskWorker> task_worker;  ///< Outlives reloads; null: never needed so far.
  LocalSources local{{world.files, world.clock, metrics, source_failures},
                     LocalSources::Listen::Yes};
  bool stopped = false;

  void hand_over(model::WriteBatch batch);
  void configure_emergency();
  void configure_sampler();
  void feed_watchdog(base::Duration every);
  void shrink_when_settled();
};

void App::Parts::hand_over(model::WriteBatch batch) {
  if (handoff.load() >= kHandoffMax) {
    metrics
        .counter("tocsin_agent_samples_dropped_total", "Samples that will never reach alertd.",
                 {{"reason", "handoff_full"}})
        .increment(static_cast<double>(batch.sample_count()));
    return;
  }
  ++handoff;
  auto shared = std::make_shared<model::WriteBatch>(std::move(batch));
  sender_thread.post([this, shared] {
    --handoff;
    links->push(std::move(*shared));
  });
}

void App::Parts::configure_emergency() {
  std::vector<std::string> origins;
  for (const std::string& url : settings.links.all()) origins.push_back(net::url_origin(url));
  const EmergencyCaller::Host host{settings.sampler.identity.host, base::join(origins, ", ")};
  sender_thread.post([this, host, with = settings.emergency] { emergency->configure(with, host); });
}

void App::Parts::configure_sampler() {
  const auto targets =
      static_cast<unsigned>(settings.scrapes.size() + settings.services.rabbitmq.size());
  if (const unsigned threads = std::min(targets, kScrapeThreads); threads > scrape_threads) {
    scrape_threads = threads;
    scrape_http.push_back(net::make_http_client(world.clock, threads, kHttpQueueMax));
  }
  if (has_runs(settings.tasks) && !task_worker) {
    task_worker = std::make_shared<TaskWorker>(world.files, world.clock);
  }
  mail_clients.make_for(settings.services, world.clock);
  if ((!settings.probes.empty() || !settings.certificates.empty()) && !probe_pool) {
    probe_pool = make_probe_pool(sampler_thread);
  }
  net::HttpClient* const http = scrape_http.empty() ? nullptr : scrape_http.back().get();
  auto sources = std::make_shared<Sampler::Sources>(make_sources(
      settings, {sampler_thread, world.clock, metrics, http, scrape_failures, source_failures,
                 world.files, task_worker, false, &mail_clients, probe_pool, statfs}));
  local.add_to(*sources, settings.local, settings.host.paths, settings.sampler.interval,
               sampler_thread);
  sampler_thread.post([this, sources, options = settings.sampler] {
    sampler->configure(options, std::move(*sources));
  });
}

// Through both loops: the service manager hears from us only while both are alive.
void App::Parts::feed_watchdog(base::Duration every) {
  sampler_thread.post(
      [this] { sender_thread.post([] { base::notify_service_manager("WATCHDOG=1"); }); });
  sampler_thread.post_after(every, [this, every] { feed_watchdog(every); });
}

void App::Parts::shrink_when_settled() {
  sampler_thread.post_after(kSettled, [this] {
    if (const auto released = base::release_code_pages(world.files); !released) {
      base::log_debug(kLog, "memory is not given back: {}", released.error().message);
    }
  });
}

App::App(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

App::~App() {
  Parts& p = *parts_;
  if (!p.stopped) stop();
  p.sampler_thread.stop();
  p.sender_thread.stop();
  p.scrape_http.clear();
  p.mail_clients = {};
  p.write_http.reset();
  p.sampler.reset();
  p.links.reset();
  p.emergency.reset();
}

base::Result<std::unique_ptr<App>> App::start(AgentSettings settings, World world) {
  auto parts = std::make_unique<Parts>(std::move(settings), world);
  Parts& p = *parts;

  // ---- the disk queue, ours alone
  const std::string& folder = p.settings.links.spool.folder;
  if (auto made = world.files.create_folders(folder); made) {
    auto lock = InstanceLock::take(base::join_path(folder, "lock"));
    if (lock) {
      p.lock = std::make_unique<InstanceLock>(std::move(*lock));
    } else if (lock.error().code == base::ErrorCode::Unavailable) {
      return lock.error();
    } else {
      base::log_warning(kLog, "{}", lock.error().message);
    }
  }

  // ---- from the queue to alertd; and past it, when it is gone
  p.emergency = std::make_unique<EmergencyCaller>(
      EmergencyCaller::World{p.sender_thread, *p.write_http, p.metrics});
  p.links = std::make_unique<AlertdLinks>(
      p.settings.links, AlertdLinks::World{p.sender_thread, *p.write_http, world.files, *p.random,
                                           p.metrics, *p.emergency});
  p.configure_emergency();
  p.sender_thread.post([&p] { p.links->start(); });

  // ---- from the host to the queue
  p.sampler =
      std::make_unique<Sampler>(p.settings.sampler, Sampler::World{p.sampler_thread, p.metrics},
                                [&p](model::WriteBatch batch) { p.hand_over(std::move(batch)); });
  p.configure_sampler();
  p.sampler_thread.post([&p] { p.sampler->start(); });

  p.shrink_when_settled();

  // ---- tell the service manager
  if (const auto every = base::watchdog_interval()) p.feed_watchdog(*every);
  base::notify_service_manager("READY=1");
  base::log_info(kLog, "version {}, host '{}', every {}, {} scrapes, to {}, spool '{}'",
                 TOCSIN_VERSION, p.settings.sampler.identity.host,
                 base::format_duration(p.settings.sampler.interval), p.settings.scrapes.size(),
                 base::join(p.settings.links.all(), ", "), folder);
  return std::unique_ptr<App>(new App(std::move(parts)));
}

void App::reload(AgentSettings settings) {
  Parts& p = *parts_;
  const SpoolOptions& now = p.settings.links.spool;
  SpoolOptions& wanted = settings.links.spool;
  if (wanted.folder != now.folder || wanted.bytes_max != now.bytes_max ||
      wanted.age_max != now.age_max || wanted.sync_interval != now.sync_interval) {
    base::log_warning(kLog, "changes to [spool] take effect after a restart");
    wanted = now;
  }
  p.settings = std::move(settings);
  p.sender_thread.post([&p, links = p.settings.links] {
    if (p.links->configure(links)) return;
    base::log_warning(kLog, "other addresses in [alertd] take effect after a restart");
  });
  p.configure_emergency();
  p.configure_sampler();
  p.shrink_when_settled();
  base::log_info(kLog, "reloaded: host '{}', every {}, {} scrapes",
                 p.settings.sampler.identity.host,
                 base::format_duration(p.settings.sampler.interval), p.settings.scrapes.size());
}

bool App::stop() {
  Parts& p = *parts_;
  p.stopped = true;
  base::notify_service_manager("STOPPING=1");
  // The tasks may outlive this call if a thread hangs, so they own what they set.
  auto sampler_done = std::make_shared<Signal>();
  p.sampler_thread.post([&p, sampler_done] {
    p.sampler->stop();
    sampler_done->set();
  });
  const bool sampler_ended = sampler_done->wait_for(kStopSampler);
  auto sender_done = std::make_shared<Signal>();
  p.sender_thread.post([&p, sender_done] { p.links->stop([sender_done] { sender_done->set(); }); });
  bool sender_ended = sender_done->wait_for(kStopSender);
  if (!sender_ended) {
    // No answer to the request under way: it stays queued and is sent again at the next start.
    auto flushed = std::make_shared<Signal>();
    p.sender_thread.post([&p, flushed] {
      p.links->flush();
      flushed->set();
    });
    sender_ended = flushed->wait_for(base::Duration{150});
  }
  base::log_info(kLog, "stopped{}", sampler_ended && sender_ended ? "" : "; a thread hangs");
  const bool task_ended = !p.task_worker || p.task_worker->stop(kStopTask);
  return sampler_ended && sender_ended && task_ended;
}

std::string one_round(AgentSettings settings, App::World world) {
  settings.sampler.identity = {};
  // What is kept of logs is the running agent's.
  settings.logs.state_file.clear();
  base::Metrics metrics;
  base::FailureLog scrape_failures{"agent/scrape"};
  base::FailureLog source_failures{"agent/collectors"};
  const base::WallTime began = world.clock.wall();
  std::vector<model::WriteBatch> batches;
  Signal done;
  base::AsioExecutor thread(world.clock, "sampler", 1);
  const auto http = net::make_http_client(world.clock, kScrapeThreads, kHttpQueueMax);
  LocalSources local({world.files, world.clock, metrics, source_failures},
                     LocalSources::Listen::No);
  Sampler sampler(settings.sampler, {thread, metrics},
                  [&](model::WriteBatch batch) { batches.push_back(std::move(batch)); });
  thread.post([&] {
    Sampler::Sources sources =
        make_sources(settings, {thread, world.clock, metrics, http.get(), scrape_failures,
                                source_failures, world.files, nullptr, true});
    local.add_to(sources, settings.local, settings.host.paths, settings.sampler.interval, thread);
    sampler.configure(settings.sampler, std::move(sources));
    sampler.run_once([&] { done.set(); });
  });
  const bool ended = done.wait_for(settings.sampler.interval + kOnceMargin);
  if (!ended) {
    // A thread hangs in the kernel and cannot be joined; there is nothing to save.
    base::log_error(kLog, "the round begun at {} is not over", base::format_rfc3339(began));
    std::_Exit(1);
  }
  thread.stop();
  if (batches.empty()) return std::string();
  const model::WriteBatch& first = batches.front();
  TextPage page(first.samples(first.series().front()).front().timestamp_ms);
  for (const model::WriteBatch& batch : batches) page.add(batch);
  return page.text();
}

}  // namespace tocsin::agent

#include "alertd/app/task_keeper.h"

#include <fmt/core.h>

#include <boost/json.hpp>
#include <cmath>
#include <utility>

#include "alertd/api/json.h"
#include "alertd/tasks/book_codec.h"
#include "common/base/strings.h"
#include "common/model/write_batch.h"
#include "common/net/http_text.h"

namespace tocsin::alertd {
namespace {

namespace json = boost::json;
using base::ErrorCode;

constexpr std::string_view kComponent = "alertd/tasks";
constexpr std::string_view kPrefix = "task_";
constexpr std::string_view kHeartbeat = "tocsin_agent_heartbeat_timestamp_seconds";
constexpr std::size_t kFileBytesMax = 64 << 20;
constexpr std::size_t kHostsMax = 20'000;
constexpr std::size_t kNameMax = 128;
constexpr std::size_t kWaitingMax = 1'000;
constexpr mode_t kMode = 0600;
/// How long it may take until a start notices that the daemon was away.
constexpr base::Duration kSaveEvery{60'000};
constexpr base::Duration kAway = std::chrono::minutes(5);

std::string_view value_of(std::span<const model::LabelView> labels, std::string_view name) {
  for (const model::LabelView& label : labels) {
    if (label.name == name) return label.value;
  }
  return {};
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kNameMax && base::is_utf8(text) &&
         base::escape_control(text) == text;
}

base::Result<tasks::BeatTerms> read_terms(const net::ServerRequest& request) {
  tasks::BeatTerms terms;
  const auto duration = [&](const char* name) -> base::Result<std::optional<base::Duration>> {
    const std::string_view text = request.parameter(name);
    if (text.empty()) return std::optional<base::Duration>();
    auto parsed = base::parse_duration(text);
    if (!parsed) return base::with_context(parsed.error(), name);
    return std::optional(*parsed);
  };
  TC_TRY(terms.max_age, duration("expect_every"));
  TC_TRY(const auto grace, duration("grace"));
  if (terms.max_age && grace) *terms.max_age += *grace;
  TC_TRY(terms.max_duration, duration("max_duration"));
  if (const std::string_view text = request.parameter("severity"); !text.empty()) {
    terms.severity = model::parse_severity(base::to_lower(text));
    if (!terms.severity) {
      return base::error(ErrorCode::InvalidArgument,
                         "severity: expected critical, high, medium or low");
    }
  }
  terms.owner = std::string(request.parameter("owner"));
  if (!terms.owner.empty() && !is_name(terms.owner)) {
    return base::error(ErrorCode::InvalidArgument, "owner: at most 128 bytes of text");
  }
  return terms;
}

std::optional<tasks::Beat> beat_of(std::string_view word) {
  if (word == "start") return tasks::Beat::Start;
  if (word == "success") return tasks::Beat::Success;
  if (word == "failure") return tasks::Beat::Failure;
  return std::nullopt;
}

json::value time_json(std::int64_t time_ms) {
  return time_ms == 0 ? json::value(nullptr)
                      : json::value(base::format_rfc3339(base::wall_time(time_ms)));
}

json::object task_json(const tasks::TaskKey& key, const tasks::Task& task) {
  json::object evidence;
  for (const auto& [name, value] : task.evidence) evidence[api::clean(name)] = value;
  return {{"host", api::clean(key.host)},
          {"task", api::clean(key.task)},
          {"mode", task.info_ms == 0 ? "heartbeat" : api::clean(task.mode)},
          {"owner", api::clean(task.owner)},
          {"enabled", task.enabled},
          {"overdue", task.overdue},
          {"hung", task.hung},
          {"failed", task.failed},
          {"running", task.running || task.beat_since_ms != 0},
          {"registered", time_json(task.registered_ms)},
          {"lastSuccess", time_json(task.last_success_ms)},
          {"nextDue", time_json(tasks::due_ms(task))},
          {"lastHeard", time_json(task.told_ms)},
          {"maxAgeSeconds", static_cast<double>(task.max_age_ms) / 1000.0},
          {"evidence", std::move(evidence)}};
}

/// The series of a task; names that nobody else may write.
void add_series(model::WriteBatch& batch, const tasks::Verdict& verdict, std::int64_t now_ms) {
  const tasks::Task& task = *verdict.task;
  const auto add = [&](const char* name, double value) {
    batch.add(model::Labels{{"__name__", name},
                            {"host", verdict.key->host},
                            {"instance", verdict.key->host},
                            {"task", verdict.key->task},
                            {"owner", task.owner}},
              {now_ms, value});
  };
  const bool never = verdict.never_succeeded;
  if (task.max_age_ms > 0) {
    add("tocsin_task_overdue", tasks::level(task.overdue && !never, task.on_missed));
    add("tocsin_task_never_succeeded", tasks::level(task.overdue && never, task.on_missed));
    add("tocsin_task_max_age_seconds", static_cast<double>(task.max_age_ms) / 1000.0);
  }
  add("tocsin_task_age_seconds", verdict.age_seconds);
  if (task.max_duration_ms > 0) {
    add("tocsin_task_hung", tasks::level(task.hung, task.on_overrun));
  }
  add("tocsin_task_failed", tasks::level(task.failed, task.on_failed));
}

}  // namespace

TaskKeeper::TaskKeeper(TaskKeeperWorld world, tasks::ClockSettings settings, std::string path)
    : world_(std::move(world)),
      settings_(settings),
      path_(std::move(path)),
      known_(world_.metrics.gauge("tocsin_alertd_tasks", "Tasks whose clocks run.")),
      frozen_gauge_(world_.metrics.gauge("tocsin_alertd_tasks_frozen",
                                         "1 while no task becomes overdue, because the clock "
                                         "jumped or the daemon was away.")),
      last_jump_(world_.metrics.gauge("tocsin_alertd_last_clock_jump_timestamp_seconds",
                                      "When the wall clock of this host last jumped; 0: never.")),
      last_jump_seconds_(world_.metrics.gauge("tocsin_alertd_last_clock_jump_seconds",
                                              "How far; negative: back.")),
      untracked_(world_.metrics.counter("tocsin_alertd_tasks_untracked_total",
                                        "Samples of tasks beyond the number that is kept.")) {
  for (const char* direction : {"forward", "back"}) {
    world_.metrics.counter("tocsin_alertd_clock_jumps_total",
                           "Jumps of the wall clock of this host by more than five minutes.",
                           {{"direction", direction}});
  }
}

base::Result<void> TaskKeeper::load() {
  const base::WallTime now = world_.executor.clock().wall();
  if (!world_.files.exists(path_)) return base::ok();
  TC_TRY(const std::string text, world_.files.read(path_, kFileBytesMax));
  auto saved = tasks::decode_book(text);
  if (!saved) {
    base::log_error(kComponent, "{}: {}; it is put aside and every clock begins anew", path_,
                    saved.error().message);
    return world_.files.rename(path_, path_ + ".damaged");
  }
  const base::Duration away = now - base::wall_time(saved->saved_ms);
  if (away > kAway) {
    frozen_until_ = world_.executor.clock().monotonic() + settings_.freeze;
    base::log_info(kComponent, "away for {}: no task becomes overdue for {}",
                   base::format_duration(away), base::format_duration(settings_.freeze));
  }
  const base::MutexLock lock(mutex_);
  book_.restore(std::move(saved->tasks));
  return base::ok();
}

void TaskKeeper::start() {
  world_.executor.post([this] {
    if (!std::exchange(stopped_, false)) return;
    enrolled_ = world_.enrolled();
    round();
  });
}

void TaskKeeper::stop() {
  world_.executor.post([this] {
    if (std::exchange(stopped_, true)) return;
    world_.executor.cancel(timer_);
    save(true);
    answer_saved();
  });
}

void TaskKeeper::reload(const tasks::ClockSettings& settings) {
  world_.executor.post([this, settings] { settings_ = settings; });
}

bool TaskKeeper::frozen() const {
  return frozen_until_ && world_.executor.clock().monotonic() < *frozen_until_;
}

void TaskKeeper::hear(std::span<const model::LabelView> labels, model::Sample sample) {
  const std::string_view metric = value_of(labels, model::kMetricName);
  const bool heartbeat = metric == kHeartbeat;
  if (!heartbeat && !metric.starts_with(kPrefix)) return;
  const std::string_view host = value_of(labels, "host");
  if (host.empty()) return;
  const base::WallTime now = world_.executor.clock().wall();
  const base::MutexLock lock(mutex_);
  if (heartbeat) {
    const auto known = heard_.find(host);
    if (known == heard_.end()) {
      if (heard_.size() < kHostsMax) heard_.emplace(host, tasks::HeardHost{now, now});
      return;
    }
    if (now - known->second.last > tasks::kUnconfiguredAfter) known->second.since = now;
    known->second.last = now;
    return;
  }
  const std::string_view task = value_of(labels, "task");
  if (!is_name(task)) return;
  const bool kept = book_.take({.host = host,
                                .task = task,
                                .metric = metric,
                                .value = sample.value,
                                .timestamp_ms = sample.timestamp_ms,
                                .name = value_of(labels, "name"),
                                .mode = value_of(labels, "mode"),
                                .owner = value_of(labels, "owner"),
                                .on_missed = value_of(labels, "on_missed"),
                                .on_failed = value_of(labels, "on_failed"),
                                .on_overrun = value_of(labels, "on_overrun")},
                               now);
  if (!kept) untracked_.increment();
}

void TaskKeeper::watch_clock() {
  const base::Clock& clock = world_.executor.clock();
  const auto jump = clock_.look(clock.wall(), clock.monotonic());
  if (!jump) return;
  const bool forward = *jump > base::Duration::zero();
  last_jump_.set(base::to_seconds(clock.wall()));
  last_jump_seconds_.set(static_cast<double>(jump->count()) / 1000.0);
  world_.metrics
      .counter("tocsin_alertd_clock_jumps_total",
               "Jumps of the wall clock of this host by more than five minutes.",
               {{"direction", forward ? "forward" : "back"}})
      .increment();
  base::log_warning(kComponent, "the wall clock jumped {} by {}", forward ? "forward" : "back",
                    base::format_duration(forward ? *jump : -*jump));
  if (forward) frozen_until_ = clock.monotonic() + settings_.freeze;
}

void TaskKeeper::forget_gone() {
  std::set<std::string> now = world_.enrolled();
  const base::MutexLock lock(mutex_);
  for (const std::string& host : enrolled_) {
    if (!now.contains(host)) {
      book_.forget_host(host);
      heard_.erase(host);
    }
  }
  enrolled_ = std::move(now);
  const auto heard = [this](const std::string& host) REQUIRES(mutex_) {
    const auto found = heard_.find(host);
    return found == heard_.end() ? std::optional<tasks::HeardHost>() : std::optional(found->second);
  };
  for (const tasks::TaskKey& key : book_.forget_unconfigured(heard)) {
    base::log_info(kComponent, "task '{}' of {} is configured no more: forgotten", key.task,
                   key.host);
  }
}

void TaskKeeper::write_series() {
  const base::WallTime now = world_.executor.clock().wall();
  const bool freeze = frozen();
  frozen_gauge_.set(freeze ? 1 : 0);
  auto batch = std::make_shared<model::WriteBatch>();
  {
    const base::MutexLock lock(mutex_);
    known_.set(static_cast<double>(book_.tasks().size()));
    for (const tasks::Verdict& verdict : book_.judge(now, freeze)) {
      add_series(*batch, verdict, base::to_ms(now));
    }
  }
  if (batch->empty()) return;
  world_.appender.append(std::move(batch), [this](base::Result<model::AppendOutcome> outcome) {
    if (outcome) {
      failures_.clear("series");
    } else {
      failures_.report("series", outcome.error().message);
    }
  });
}

void TaskKeeper::save(bool always) {
  const base::Clock& clock = world_.executor.clock();
  std::uint64_t changes = 0;
  std::string text;
  {
    const base::MutexLock lock(mutex_);
    changes = book_.changes();
    // Without tasks nobody asks how long we were away.
    const bool due = !book_.tasks().empty() && clock.monotonic() - saved_at_ >= kSaveEvery;
    if (!(always && !book_.tasks().empty()) && !due && changes == saved_changes_) return;
    text = tasks::encode_book(book_.tasks(), clock.wall());
  }
  if (const auto written = world_.files.write_atomic(path_, text, kMode); !written) {
    failures_.report("book", written.error().message);
    return;
  }
  failures_.clear("book");
  saved_changes_ = changes;
  saved_at_ = clock.monotonic();
}

void TaskKeeper::round() {
  if (stopped_) return;
  watch_clock();
  forget_gone();
  write_series();
  save(false);
  timer_ = world_.executor.post_after(settings_.interval, [this] { round(); });
}

void TaskKeeper::answer_when_saved(net::Respond respond, net::ServerResponse response) {
  bool first = false;
  {
    const base::MutexLock lock(mutex_);
    if (waiting_.size() < kWaitingMax) {
      first = waiting_.empty();
      waiting_.emplace_back(std::move(respond), std::move(response));
      respond = nullptr;
    }
  }
  if (respond) {
    respond(net::error_response(503, "unavailable", "too many heartbeats wait for the disk"));
    return;
  }
  if (first) world_.executor.post([this] { answer_saved(); });
}

void TaskKeeper::answer_saved() {
  std::vector<std::pair<net::Respond, net::ServerResponse>> answers;
  std::uint64_t changes = 0;
  {
    const base::MutexLock lock(mutex_);
    answers = std::exchange(waiting_, {});
    changes = book_.changes();
  }
  if (answers.empty()) return;
  save(false);
  for (auto& [respond, response] : answers) {
    // Not on disk: the sender must try again.
    respond(saved_changes_ >= changes
                ? std::move(response)
                : net::error_response(503, "unavailable", "the book of tasks cannot be written"));
  }
}

void TaskKeeper::beat(api::ApiCall call) {
  const auto sender = world_.authenticate(call.request);
  if (!sender) {
    net::ServerResponse response = net::error_response(401, "unauthorized", sender.error().message);
    response.headers.emplace_back("WWW-Authenticate", "Bearer");
    return call.respond(std::move(response));
  }
  const std::string_view asked = call.request.parameter("host");
  if (!asked.empty() && !sender->may_send_for(asked)) {
    return call.respond(net::error_response(
        403, "forbidden",
        fmt::format("'{}' may not speak for host '{}'", sender->host, api::clean(asked))));
  }
  const tasks::TaskKey key{asked.empty() ? sender->host : std::string(asked), call.path[0]};
  const auto beat = beat_of(call.path[1]);
  const auto terms = read_terms(call.request);
  if (!beat || !is_name(key.task) || !is_name(key.host)) {
    return call.respond(
        net::error_response(beat ? 400 : 404, beat ? "bad_data" : "not_found",
                            "expected /api/v1/tasks/NAME/start, success or failure"));
  }
  if (!terms) return call.respond(api::failure(terms.error(), 400));
  base::Result<void> taken = base::ok();
  {
    const base::MutexLock lock(mutex_);
    taken = book_.beat(key, *beat, *terms, world_.executor.clock().wall());
  }
  if (!taken) return call.respond(api::failure(taken.error(), 400));
  answer_when_saved(std::move(call.respond),
                    api::success(json::object{{"host", key.host}, {"task", key.task}}));
}

void TaskKeeper::list(const api::ApiCall& call) {
  json::array array;
  {
    const base::MutexLock lock(mutex_);
    for (const auto& [key, task] : book_.tasks()) array.push_back(task_json(key, task));
  }
  call.respond(api::success(json::object{{"tasks", std::move(array)}}));
}

void TaskKeeper::forget(const api::ApiCall& call) {
  const tasks::TaskKey key{call.path[0], call.path[1]};
  bool there = false;
  {
    const base::MutexLock lock(mutex_);
    there = book_.forget(key);
  }
  if (!there) {
    return call.respond(net::error_response(404, "not_found", "no such task of that host"));
  }
  base::log_info("alertd/audit", "task {} of {} forgotten ({})", base::escape_control(key.task),
                 base::escape_control(key.host), call.source);
  answer_when_saved(call.respond, api::success(json::object{}));
}

std::vector<api::Route> TaskKeeper::routes() {
  return {
      {"POST", "/api/v1/tasks/<name>/<event>", api::Access::Ingest,
       [this](api::ApiCall call) { beat(std::move(call)); }},
      {"GET", "/api/v1/tasks", api::Access::Read, [this](const api::ApiCall& call) { list(call); }},
      {"DELETE", "/api/v1/tasks/<host>/<name>", api::Access::Write,
       [this](const api::ApiCall& call) { forget(call); }, "task.forget"}};
}

}  // namespace tocsin::alertd

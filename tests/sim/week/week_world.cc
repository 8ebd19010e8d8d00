#include "tests/sim/week/week_world.h"

#include <fmt/format.h>

#include <algorithm>

#include "alertd/incident/decision_keeper.h"
#include "common/base/check.h"
#include "common/base/log.h"
#include "common/config/source.h"
#include "common/sim/sim_file_system.h"

namespace tocsin::week {

using base::Duration;
using base::WallTime;
using incident::FakeStateStore;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

constexpr Duration kResend = minutes(1);
constexpr Duration kResolvedSentFor = minutes(15);
constexpr Duration kProbeEvery = minutes(5);
constexpr Duration kQuiet = hours(50);

alertd::Settings read(const Config& config) {
  sim::SimFileSystem files;
  files.set_content("/week.toml", to_toml(config));
  auto loaded = alertd::load_settings("/week.toml", files);
  TC_CHECK(loaded, loaded.error().message);
  const std::vector<config::Source> sources{loaded->source};
  TC_CHECK(!base::has_errors(loaded->diagnostics),
           config::render_all(loaded->diagnostics, sources) + to_toml(config));
  return std::move(loaded->settings);
}

}  // namespace

// Channels of this world send nothing themselves.
struct WeekWorld::NoHttp final : net::HttpClient {
  void send(net::HttpRequest, base::Executor&, net::HttpDone) override {}
};
struct WeekWorld::NoMail final : net::MailClient {
  void send(const net::SmtpServer&, net::Mail, base::Duration, base::Executor&,
            net::MailDone) override {}
};

class WeekWorld::Channel final : public notify::Channel {
 public:
  Channel(std::string name, WeekWorld& world) : name_(std::move(name)), world_(world) {}
  void send(const incident::Notification& message, const notify::DeliveryKey& key,
            notify::SendDone done) override {
    world_.send(name_, message, key, std::move(done));
  }

 private:
  std::string name_;
  WeekWorld& world_;
};

WeekWorld::WeekWorld(const Plan& plan, Sabotage sabotage)
    : plan_(plan),
      sabotage_(sabotage),
      clock_(plan.start),
      random_(base::make_seeded_random(plan.seed)),
      http_(std::make_unique<NoHttp>()),
      mail_(std::make_unique<NoMail>()),
      disk_(std::make_shared<FakeStateStore::Disk>()) {
  for (const Config& config : plan.configs) settings_.push_back(read(config));
  sabotage_settings();
}

void WeekWorld::sabotage_settings() {
  for (alertd::Settings& settings : settings_) {
    for (auto& [name, policy] : settings.incident.policies.by_name) {
      for (incident::PolicyStep& step : policy.steps) {
        if (sabotage_ == Sabotage::HurriesSteps) step.after /= 2;
        if (sabotage_ == Sabotage::DelaysSteps) step.after = step.after * 2 + minutes(5);
      }
    }
    if (sabotage_ != Sabotage::WrongPersons) continue;
    for (auto& [name, schedule] : settings.incident.directory.schedules) {
      for (oncall::Layer& layer : schedule.layers) {
        std::rotate(layer.rotation.turns.begin(), layer.rotation.turns.begin() + 1,
                    layer.rotation.turns.end());
      }
    }
  }
}

WeekWorld::~WeekWorld() = default;

void WeekWorld::at(WallTime at, base::Task task) {
  executor_.post_after(std::max(at - now(), Duration(0)), std::move(task));
}

void WeekWorld::note(std::string text) {
  journal_.log.push_back(base::format_rfc3339(now()) + " " + std::move(text));
}

Journal WeekWorld::run() {
  base::set_log_level(base::LogLevel::Error);
  journal_.configs.emplace_back(plan_.start, 0);
  boot();
  plan_alerts();
  for (const Event& event : plan_.events) {
    at(event.at, [this, &event] { act(event); });
  }
  at(plan_.end, [this] { close_what_is_left(); });
  for (WallTime each = plan_.start + kProbeEvery; each < plan_.end; each += kProbeEvery) {
    at(each, [this] { probe(); });
  }
  for (WallTime each = plan_.start + hours(3); each < plan_.end + kQuiet; each += hours(3)) {
    at(each, [this] { harvest(hours(2)); });
  }
  executor_.run_for(plan_.end + kQuiet - plan_.start);
  journal_.ended = now();
  dispatcher_.reset();
  notifier_.reset();
  harvest(Duration(0));
  for (auto& [id, row] : disk_->rows) archive_.emplace(id, std::move(row));
  for (auto& [id, row] : archive_) journal_.rows.push_back(std::move(row));
  for (const auto& [key, event] : disk_->events) journal_.timelines[key.first].push_back(event);
  for (const auto& [number, record] : disk_->incidents) journal_.states[record.id] = record.state;
  journal_.hash = fmt::format("{:016x}", hash_);
  return std::move(journal_);
}

// --- the process

void WeekWorld::boot() {
  ++boots_;
  metrics_ = std::make_unique<base::Metrics>();
  store_ = std::make_unique<FakeStateStore>(disk_);
  store_->fate = [this](std::uint64_t) { return fate(); };
  if (store_fails_) store_->broken = base::error(base::ErrorCode::Io, "the disk is full");
  incident::DispatcherOptions options;
  options.routing = settings_[config_].routing;
  options.settings = settings_[config_].incident;
  options.outbox_changed = [this] { notifier_->poke(); };
  options.commit_failing = [this](const std::vector<incident::Notification>& messages) {
    notifier_->send_uncommitted(messages);
  };
  dispatcher_ =
      std::make_unique<incident::Dispatcher>(std::move(options), executor_, *store_, *metrics_);
  notifier_ = std::make_unique<notify::Notifier>(
      notify::NotifierWorld{executor_, *store_, *http_, *mail_, *random_, *metrics_, "week"},
      settings_[config_].notify,
      [this](const incident::Notification& sent, std::uint32_t attempts,
             incident::DeliveryState state, const std::string& text) {
        if (sent.incident.id.empty()) return;
        dispatcher_->report(incident::report_of(sent, state, attempts, text));
      },
      [this](const notify::ChannelSettings& channel, const notify::NotifySettings&) {
        return std::make_shared<Channel>(channel.receiver + "/" + channel.name, *this);
      });
  notifier_->set_self_alerts(*dispatcher_);
  dispatcher_->start([this](base::Result<void> loaded) {
    TC_CHECK(loaded, "the fake store did not load");
    notifier_->start();
  });
}

void WeekWorld::crash(Duration down) {
  crash_at_.reset();
  if (!up()) return;
  ++journal_.crashes;
  note(fmt::format("crash, down for {}", base::format_duration(down)));
  dispatcher_.reset();
  notifier_.reset();
  store_.reset();
  journal_.down.push_back({now(), now() + down});
  at(now() + down, [this] {
    note("started");
    look_for_overrides();
    boot();
  });
}

void WeekWorld::reload(std::size_t number) {
  config_ = number;
  journal_.configs.emplace_back(now(), number);
  note(fmt::format("configuration {}", number));
  if (!up()) return;  // it reads the new one when it starts
  notifier_->reload(settings_[number].notify);
  dispatcher_->reload(settings_[number].routing, settings_[number].incident);
}

FakeStateStore::Fate WeekWorld::fate() {
  using Fate = FakeStateStore::Fate;
  if (crash_at_ && crash_at_->first != CrashMoment::DuringAttempt) {
    const auto [moment, down] = *crash_at_;
    crash_at_.reset();
    executor_.post([this, down] { crash(down); });
    return moment == CrashMoment::BeforeCommit ? Fate::DiesBefore : Fate::DiesAfter;
  }
  if (!store_fails_) return Fate::Works;
  return store_writes_ ? Fate::FailsAfter : Fate::FailsBefore;
}

// --- who sends alerts

void WeekWorld::plan_alerts() {
  // A rule is evaluated when something changes, and hands on what fires every minute.
  std::set<WallTime> moments;
  for (const Life& life : plan_.lives) {
    moments.insert(life.end);
    for (const auto& [from, severity] : life.severities) moments.insert(from);
    for (WallTime each = life.fire; each < life.end + kResolvedSentFor; each += kResend) {
      moments.insert(plan_.start + (each - plan_.start) / kResend * kResend + kResend);
    }
  }
  for (const WallTime each : moments) {
    at(each, [this] { send_alerts(); });
  }
}

void WeekWorld::send_alerts() {
  if (!up()) return;
  std::vector<model::Alert> alerts;
  std::set<LabelMap> firing;
  for (const Life& life : plan_.lives) {
    if (life.fire > now()) break;
    if (life.fires(now())) firing.insert(life.labels);
  }
  for (const Life& life : plan_.lives) {
    if (life.fire > now()) break;
    if (sabotage_ == Sabotage::IgnoresAlerts && life.labels.at("alertname") == "DiskFull") continue;
    const bool over = now() >= life.end;
    if (now() >= life.end + kResolvedSentFor || (over && firing.contains(life.labels))) continue;
    alerts.push_back(alert_of(life));
  }
  if (!alerts.empty() && !dispatcher_->offer(std::move(alerts))) ++journal_.alerts_refused;
}

model::Alert WeekWorld::alert_of(const Life& life) const {
  model::Alert alert;
  model::LabelsBuilder labels;
  for (const auto& [name, value] : life.labels) labels.set(name, value);
  alert.labels = labels.build();
  alert.severity = life.severity(now());
  alert.starts_at = life.fire;
  alert.updated_at = now();
  alert.valid_until = now() + 4 * kResend;
  if (now() >= life.end) alert.ends_at = life.end;
  return alert;
}

// --- looking

/// By group: what was decided about it or its alerts a moment ago, and what was decided about it
/// last, which is written when it changes only.
std::map<std::string, std::set<std::string>> WeekWorld::reasons_of_groups() const {
  std::map<std::string, std::set<std::string>> reasons;
  std::map<std::string, std::string> last;
  for (const incident::DecisionRecord& record : disk_->decisions) {
    std::string_view group = record.subject;
    if (group.starts_with(incident::kMemberSubject)) {
      group.remove_prefix(incident::kMemberSubject.size());
    } else {
      last[record.subject] = record.reason;
    }
    if (record.at + kProbeEvery >= now()) reasons[std::string(group)].insert(record.reason);
  }
  for (const auto& [group, reason] : last) reasons[group].insert(reason);
  return reasons;
}

void WeekWorld::probe() {
  if (!up() || sabotage_ == Sabotage::ForgetsReasons) return;
  const auto decided =
      std::make_shared<const std::map<std::string, std::set<std::string>>>(reasons_of_groups());
  for (std::size_t i = 0; i < plan_.lives.size(); ++i) {
    const Life& life = plan_.lives[i];
    if (life.fire > now()) break;
    if (!life.fires(now())) continue;
    dispatcher_->explain(alert_of(life), executor_, [this, i, decided](const auto& explanation) {
      Probe probe;
      probe.at = now();
      probe.life = i;
      if (const auto reason = explanation.suppression.reason()) {
        probe.reasons.insert(std::string(routing::to_string(*reason)));
      }
      for (const auto& group : explanation.groups) {
        if (group.mute.any()) probe.reasons.insert(std::string(to_string(group.mute.reason)));
        const auto known = decided->find(group.group_key);
        if (known == decided->end()) continue;
        probe.reasons.insert(known->second.begin(), known->second.end());
      }
      journal_.probes.push_back(std::move(probe));
    });
  }
}

void WeekWorld::harvest(Duration older) {
  for (auto row = disk_->rows.begin(); row != disk_->rows.end();) {
    const bool finished = row->second.state != incident::DeliveryState::Pending &&
                          row->second.notification.created_at + older <= now();
    if (!finished) {
      ++row;
      continue;
    }
    archive_.emplace(row->first, std::move(row->second));
    row = disk_->rows.erase(row);
  }
}

void WeekWorld::send(const std::string& channel, const incident::Notification& message,
                     const notify::DeliveryKey& key, notify::SendDone done) {
  Send send{now(),
            channel,
            key.value,
            message.incident.id,
            message.failover_for,
            message.kind,
            message.sequence,
            boots_,
            true,
            true,
            key.maybe_repeated};
  if (message.incident.id.empty()) journal_.others.push_back(message);
  notify::Outcome outcome{notify::Verdict::Delivered, "taken", {}, false};
  Duration delay(20);
  const auto fault = std::find_if(plan_.faults.begin(), plan_.faults.end(), [&](const Fault& each) {
    return each.channel == channel && now() >= each.from && now() < each.to;
  });
  if (fault != plan_.faults.end()) {
    const auto fails = [&](const char* text, notify::FailureReason reason) {
      outcome = {notify::Verdict::Retry, text, {}, false, reason};
      send.taken = false;
    };
    switch (fault->mode) {
      case Fault::Mode::Slow:
        delay = fault->delay;
        break;
      case Fault::Mode::Busy:
        fails("HTTP 429", notify::FailureReason::RateLimited);
        outcome.retry_after = fault->delay;
        break;
      case Fault::Mode::Broken:
        fails("HTTP 500", notify::FailureReason::Unreachable);
        break;
      case Fault::Mode::Dead:
        send.taken = false;
        send.answered = false;
        break;
      case Fault::Mode::LosesOk:
        fails("connection lost", notify::FailureReason::Unreachable);
        outcome.unknown = true;
        send.taken = true;
        send.answered = false;
        break;
      case Fault::Mode::Refuses:
        fails("HTTP 400", notify::FailureReason::Refused);
        outcome.verdict = notify::Verdict::Permanent;
        break;
    }
  }
  const bool silent = fault != plan_.faults.end() && fault->mode == Fault::Mode::Dead;
  for (const char c :
       fmt::format("{} {} {} {}", base::to_ms(send.at), channel, send.key, send.taken)) {
    hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 1'099'511'628'211U;
  }
  keep(std::move(send));
  if (crash_at_ && crash_at_->first == CrashMoment::DuringAttempt) {
    executor_.post([this, down = crash_at_->second] { crash(down); });
    crash_at_.reset();
  }
  if (silent) return;
  executor_.post_after(delay, [done = std::move(done), outcome] { done(outcome); });
}

void WeekWorld::keep(Send send) {
  const bool chosen = journal_.sends.size() % 7 == 0;
  if (sabotage_ == Sabotage::LosesMessages && chosen && random_->below(2) == 0) return;
  if (sabotage_ == Sabotage::DoublesMessages && chosen) journal_.sends.push_back(send);
  if (sabotage_ == Sabotage::SwapsMessages && !kept_back_ && chosen) {
    kept_back_ = std::move(send);
    return;
  }
  const bool follows =
      kept_back_ && kept_back_->channel == send.channel && kept_back_->incident == send.incident;
  journal_.sends.push_back(std::move(send));
  if (!follows) return;
  kept_back_->at = now();
  journal_.sends.push_back(*std::exchange(kept_back_, std::nullopt));
}

}  // namespace tocsin::week

// Random lives of incidents: whatever alerts, persons and channels do, the promises of escalation
// hold. The seed of a failure is in its message.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <map>
#include <set>

#include "alertd/incident/engine.h"
#include "alertd/incident/fake_state_store.h"
#include "alertd/routing/route_config.h"
#include "common/base/random.h"
#include "common/base/sim_executor.h"

namespace tocsin::incident {
namespace {

using base::Duration;
using base::WallTime;
using std::chrono::minutes;
using std::chrono::seconds;

const WallTime kStart = base::wall_time(1'767'000'000'000);
constexpr std::array<const char*, 5> kPersons{"ada", "ben", "cleo", "dora", "emil"};

class Life {
 public:
  explicit Life(std::uint64_t seed) : random_(base::make_seeded_random(seed)) {
    for (const char* name : kPersons) {
      settings_.receivers[name] = {"phone"};
      settings_.directory.persons[name] = {name, {}, name, ""};
    }
    settings_.receivers["chat"] = {"slack"};
    settings_.storm_incidents = 0;
    add_policies();
    routing_.root.receiver = "chat";
    routing_.root.group_by = {"alertname"};
    routing::complete_routes(routing_.root);
    boot();
  }

  void run(int events) {
    for (int i = 0; i < events; ++i) {
      advance(seconds(below(600)));
      act();
    }
    for (const auto& [name, severity] : firing_) post(name, severity, true);
    firing_.clear();
    advance(std::chrono::hours(3));
    for (const Incident& incident : engine_->incidents()) CHECK(incident.resolved());
    for (const auto& [key, kind] : last_kind_) {
      INFO("the last word to ", key.second, " about ", key.first);
      CHECK(kind == NotificationKind::Resolved);
    }
  }

 private:
  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(random_->next() % bound); }

  void add_policies() {
    for (const model::Severity severity : model::kSeverities) {
      Policy policy;
      policy.name = model::to_string(severity);
      std::size_t person = below(kPersons.size());
      const std::size_t steps = 1 + below(4);
      for (std::size_t i = 0; i < steps; ++i) {
        PolicyStep step;
        step.after = minutes(i == 0 ? 0 : below(20));
        step.notify = {{oncall::Target::Kind::Person, kPersons[person++ % kPersons.size()], ""}};
        policy.steps.push_back(std::move(step));
      }
      policy.loops = static_cast<std::uint32_t>(below(3));
      policy.loop_every = minutes(5 + below(30));
      settings_.policies.by_severity[static_cast<std::size_t>(severity)] = policy.name;
      settings_.policies.by_name.emplace(policy.name, std::move(policy));
    }
  }

  void boot() {
    engine_ = std::make_unique<Engine>(routing_, routing::PipelineLimits{}, settings_);
    store_.load(now_ - settings_.reopen_window, executor_, [this](base::Result<LoadedState> state) {
      REQUIRE(state);
      CHECK(engine_->restore(*state, now_).empty());
    });
    executor_.run_ready();
  }

  void advance(Duration by) {
    const WallTime to = now_ + by;
    while (true) {
      const auto due = engine_->next_due();
      if (!due || *due > to) break;
      now_ = std::max(now_, *due);
      step({});
    }
    now_ = to;
  }

  void act() {
    switch (below(8)) {
      case 0:
      case 1:
      case 2: {
        const std::string name = fmt::format("alert-{}", below(3));
        const auto severity = static_cast<model::Severity>(below(4));
        firing_[name] = severity;
        post(name, severity, false);
        return;
      }
      case 3:
        if (firing_.empty()) return;
        post(firing_.begin()->first, firing_.begin()->second, true);
        firing_.erase(firing_.begin());
        return;
      case 4:
      case 5:
        return command();
      case 6:
        return report();
      default:
        boot();
    }
  }

  void post(const std::string& name, model::Severity severity, bool over) {
    model::Alert alert;
    model::LabelsBuilder labels;
    labels.set("alertname", name);
    alert.labels = labels.build();
    alert.severity = severity;
    alert.starts_at = alert.updated_at = now_;
    alert.valid_until = now_ + std::chrono::hours(1000);
    if (over) alert.ends_at = now_;
    step({std::span(&alert, 1), {}, {}});
  }

  void command() {
    if (engine_->incidents().empty()) return;
    Command command;
    command.incident_id = engine_->incidents().rbegin()->id();
    command.actor = "ada";
    constexpr std::array kKinds{Command::Kind::Acknowledge, Command::Kind::Unacknowledge,
                                Command::Kind::Resolve,     Command::Kind::Snooze,
                                Command::Kind::Unsnooze,    Command::Kind::Comment};
    command.kind = kKinds[below(kKinds.size())];
    command.comment = "x";
    command.expires_in = minutes(1 + below(60));
    step({{}, std::span(&command, 1), {}});
  }

  void report() {
    if (sent_.empty()) return;
    const Notification& sent =
        sent_[sent_.size() - 1 - below(std::min<std::size_t>(3, sent_.size()))];
    const DeliveryReport report =
        report_of(sent, below(2) == 0 ? DeliveryState::Dead : DeliveryState::Delivered);
    step({{}, {}, std::span(&report, 1)});
  }

  void step(const StepInput& input) {
    std::map<std::string, std::optional<WallTime>> due;
    for (const Incident& incident : engine_->incidents()) {
      if (incident.escalation) due[incident.id()] = incident.escalation->due;
    }
    StepResult result = engine_->step(now_, input);
    std::set<std::pair<std::string, std::string>> told;
    for (const Notification& each : result.change.outbox) {
      check(each, due, !input.reports.empty());
      CHECK_MESSAGE(told.emplace(each.incident.id, each.receiver).second,
                    "told twice at once: ", each.incident.id, " ", each.receiver);
      sent_.push_back(each);
    }
    store_.commit(std::move(result.change), executor_, [](base::Result<void>) {});
    executor_.run_ready();
  }

  void check(const Notification& each, const std::map<std::string, std::optional<WallTime>>& due,
             bool reported) {
    INFO(each.incident.id, " ", each.receiver, " ", to_string(each.kind), " ",
         routing::to_string(each.reason));
    CHECK(keys_.insert(each.key).second);
    const std::pair<std::string, std::string> key{each.incident.id, each.receiver};
    const auto last = last_kind_.find(key);
    if (each.kind == NotificationKind::Resolved || each.kind == NotificationKind::Acknowledged) {
      CHECK(last != last_kind_.end());  // never to one who was not told
    }
    if (last != last_kind_.end()) {
      CHECK(each.kind != NotificationKind::Firing);
      if (last->second == NotificationKind::Resolved) {
        CHECK(each.kind == NotificationKind::Reopened);
      }
    }
    if (each.reason == Reason::Escalated && !reported) {
      const auto before = due.find(each.incident.id);
      // Steps without delay follow the one that ran in this very moment.
      const bool same_moment = moment_[each.incident.id] == now_;
      CHECK((same_moment || (before != due.end() && before->second && *before->second <= now_)));
    }
    moment_[each.incident.id] = now_;
    last_kind_[key] = each.kind;
  }

  std::unique_ptr<base::Random> random_;
  routing::Routing routing_;
  IncidentSettings settings_;
  WallTime now_ = kStart;
  base::SimClock clock_;
  base::SimExecutor executor_{clock_};
  FakeStateStore store_{std::make_shared<FakeStateStore::Disk>()};
  std::unique_ptr<Engine> engine_;
  std::map<std::string, model::Severity> firing_;
  std::vector<Notification> sent_;
  std::set<std::string> keys_;
  std::map<std::pair<std::string, std::string>, NotificationKind> last_kind_;
  std::map<std::string, WallTime> moment_;
};

}  // namespace

TEST_CASE("escalation: random lives keep the promises") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    INFO("seed ", seed);
    Life(seed).run(150);
  }
}

}  // namespace tocsin::incident

// What people do in the week, and what happens to the daemon.
#include <fmt/format.h>

#include <algorithm>

#include "alertd/incident/change.h"
#include "alertd/routing/edit.h"
#include "tests/sim/week/week_world.h"

namespace tocsin::week {

using base::Duration;
using base::WallTime;
using incident::Command;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

/// How long the end of a silence may stay unknown: the daemon may be away.
constexpr Duration kLateAnswer = seconds(1);

constexpr std::array kPersons{"ada", "ben", "cleo", "dora"};

}  // namespace

void WeekWorld::act(const Event& event) {
  switch (event.kind) {
    case Event::Kind::Silence:
    case Event::Kind::Maintenance:
      return hide(event);
    case Event::Kind::Reload:
      return reload(static_cast<std::size_t>(event.pick));
    case Event::Kind::Crash: {
      const auto moment = static_cast<CrashMoment>(event.pick % 4);
      if (moment == CrashMoment::Now) return crash(event.length);
      crash_at_ = std::pair(moment, event.length);
      return;
    }
    case Event::Kind::StoreFails: {
      if (store_fails_) return;
      note(describe(event));
      store_fails_ = true;
      store_writes_ = event.pick % 2 == 1;
      journal_.store_fails.push_back({now(), now() + event.length});
      if (store_) store_->broken = base::error(base::ErrorCode::Io, "the disk is full");
      at(now() + event.length, [this] {
        note("the store works again");
        store_fails_ = false;
        if (store_) store_->broken.reset();
      });
      return;
    }
    case Event::Kind::Person:
      return person(event.pick);
    case Event::Kind::Override:
      return override_schedule(event);
  }
}

void WeekWorld::hide(const Event& event) {
  if (!up()) return;
  routing::MatcherSet set;
  for (const Match& match : event.matchers) {
    auto matcher = model::Matcher::make(model::MatchOp::Equal, match.label, match.value);
    if (matcher) set.push_back(std::move(*matcher));
  }
  const bool maintenance = event.kind == Event::Kind::Maintenance;
  const WallTime end = std::min(now() + event.length, plan_.end);
  routing::Edit edit;
  if (maintenance) {
    routing::SetMaintenance window;
    window.maintenance.name = fmt::format("work {}", base::to_ms(now()));
    window.maintenance.matcher_sets = {std::move(set)};
    window.maintenance.once = routing::Window{now(), end};
    window.maintenance.created_by = "ada";
    edit = std::move(window);
  } else {
    routing::SetSilence silence;
    silence.force = true;
    silence.silence.matcher_sets = {std::move(set)};
    silence.silence.starts_at = now();
    silence.silence.ends_at = end;
    silence.silence.created_by = "ada";
    edit = std::move(silence);
  }
  note(describe(event));
  const std::size_t place = journal_.hidden.size();
  // Until it is answered it may hold or not: the commit may be done, or lost with the process.
  journal_.hidden.push_back({event.matchers, now(), end, end, end, maintenance});
  if (sabotage_ == Sabotage::ForgetsSilences) {
    journal_.hidden[place].from = now();
    return;
  }
  dispatcher_->edit(
      std::move(edit), executor_, [this, place, end, second = event.second](auto answer) {
        if (!answer) return note("refused: " + answer.error().message);
        journal_.hidden[place].from = now();
        if (second.count() == 0) return;
        at(now() + second, [this, place, id = *answer] {
          if (!up()) return;
          journal_.hidden[place].to = std::min(journal_.hidden[place].to, now());
          note("the silence is ended");
          dispatcher_->expire_silence({id, "ada"}, executor_, [this, place](const auto& ended) {
            if (ended) journal_.hidden[place].over = now() + kLateAnswer;
          });
        });
      });
}

void WeekWorld::person(std::uint64_t pick) {
  if (!up()) return;
  std::vector<std::string> open;
  for (const auto& [number, record] : disk_->incidents) {
    if (record.state != incident::IncidentState::Resolved) open.push_back(record.id);
  }
  const std::uint64_t what = pick % 20;
  const auto which = [&](std::uint64_t shift) {
    return open[static_cast<std::size_t>((pick >> shift) % open.size())];
  };
  Command doing;
  doing.actor = kPersons[(pick >> 8U) % kPersons.size()];
  doing.comment = "x";
  doing.expires_in = minutes(5 + (pick >> 12U) % 400);
  if (what == 19) {
    doing.kind = Command::Kind::Create;
    doing.title = "phones are dead";
    doing.severity = static_cast<model::Severity>((pick >> 32U) % 4);
    return command(std::move(doing));
  }
  if (open.empty()) return;
  doing.incident_id = which(40);
  constexpr std::array kKinds{
      Command::Kind::Acknowledge, Command::Kind::Acknowledge,   Command::Kind::Acknowledge,
      Command::Kind::Acknowledge, Command::Kind::Acknowledge,   Command::Kind::Acknowledge,
      Command::Kind::Resolve,     Command::Kind::Resolve,       Command::Kind::Resolve,
      Command::Kind::Snooze,      Command::Kind::Snooze,        Command::Kind::Unsnooze,
      Command::Kind::Unmerge,     Command::Kind::Unacknowledge, Command::Kind::Severity,
      Command::Kind::Comment,     Command::Kind::Owner,         Command::Kind::Mitigate,
      Command::Kind::Merge};
  doing.kind = kKinds[static_cast<std::size_t>(what)];
  doing.severity = static_cast<model::Severity>((pick >> 32U) % 4);
  if (doing.kind == Command::Kind::Merge) doing.target = which(48);
  command(std::move(doing));
}

void WeekWorld::command(Command command) {
  ++journal_.commands;
  note(fmt::format("{} does {} {} {}", command.actor, to_string(command.kind), command.incident_id,
                   command.target));
  dispatcher_->command(std::move(command), executor_, [this](const auto& answer) {
    if (answer) return;
    ++journal_.commands_refused;
    note("refused: " + answer.error().message);
  });
}

void WeekWorld::override_schedule(const Event& event) {
  if (!up()) return;
  Command doing;
  doing.kind = Command::Kind::PutOverride;
  doing.actor = "ada";
  doing.over.schedule = event.pick % 2 == 0 ? "primary" : "secondary";
  doing.over.persons = {kPersons[(event.pick >> 8U) % kPersons.size()]};
  doing.over.begin = now() + hours((event.pick >> 16U) % 10);
  doing.over.end = doing.over.begin + event.length;
  doing.over.id = fmt::format("O-{}", base::to_ms(now()));
  const OverrideSpec spec{doing.over.schedule, doing.over.persons.front(), doing.over.begin,
                          doing.over.end};
  note(fmt::format("override of {} by {}", spec.schedule, spec.person));
  overrides_asked_.emplace(doing.over.id, spec);
  const std::string id = doing.over.id;
  dispatcher_->command(std::move(doing), executor_, [this, id](const auto& answer) {
    const auto asked = overrides_asked_.extract(id);
    if (answer) journal_.overrides.push_back(asked.mapped());
  });
}

/// Whoever got no answer looks whether it holds, once the daemon is up again.
void WeekWorld::look_for_overrides() {
  for (const auto& [id, spec] : std::exchange(overrides_asked_, {})) {
    const bool holds = disk_->records.contains({std::string(incident::kOverrideKind), id});
    note(fmt::format("the override of {} {}", spec.schedule, holds ? "holds" : "is lost"));
    if (holds) journal_.overrides.push_back(spec);
  }
}

/// Made by hand, they live until somebody closes them; whose word is lost in a crash says it again.
void WeekWorld::close_what_is_left() {
  bool left = !up();
  for (const auto& [number, record] : disk_->incidents) {
    if (record.state == incident::IncidentState::Resolved) continue;
    if (!record.group_key.starts_with("manual:")) continue;
    left = true;
    if (!up()) break;
    Command doing;
    doing.kind = Command::Kind::Resolve;
    doing.actor = "ada";
    doing.incident_id = record.id;
    command(std::move(doing));
  }
  if (left) at(now() + minutes(1), [this] { close_what_is_left(); });
}

}  // namespace tocsin::week

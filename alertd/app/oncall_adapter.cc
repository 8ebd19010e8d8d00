#include "alertd/app/oncall_adapter.h"

#include <fmt/core.h>

namespace tocsin::alertd {
namespace {

using Snapshot = std::shared_ptr<const incident::Snapshot>;
constexpr base::Duration kHorizon = std::chrono::hours(24 * 28);

api::OnCallInfo on_call_info(const oncall::Schedule& schedule, base::WallTime at) {
  api::OnCallInfo info;
  info.schedule = schedule.name;
  info.time_zone = schedule.zone.name();
  const oncall::OnCall now = oncall::who(schedule, at);
  info.persons = now.persons;
  info.layer = now.layer;
  info.until = oncall::next_change(schedule, at, at + kHorizon);
  if (info.until) info.next = oncall::who(schedule, *info.until).persons;
  return info;
}

}  // namespace

void OnCallAdapter::on_call(base::WallTime at, api::Done<std::vector<api::OnCallInfo>> done) {
  dispatcher_.snapshot(executor_, [at, done = std::move(done)](const Snapshot& snapshot) {
    std::vector<api::OnCallInfo> all;
    for (const auto& [name, schedule] : snapshot->schedules) {
      all.push_back(on_call_info(schedule, at));
    }
    done(std::move(all));
  });
}

void OnCallAdapter::shifts(std::string schedule, base::WallTime from, base::WallTime to,
                           api::Done<std::vector<api::ShiftInfo>> done) {
  dispatcher_.snapshot(executor_, [schedule = std::move(schedule), from, to,
                                   done = std::move(done)](const Snapshot& snapshot) {
    if (!schedule.empty() && !snapshot->schedules.contains(schedule)) {
      return done(base::error(base::ErrorCode::NotFound,
                              fmt::format("there is no schedule '{}'", schedule)));
    }
    std::vector<api::ShiftInfo> all;
    for (const auto& [name, one] : snapshot->schedules) {
      if (!schedule.empty() && name != schedule) continue;
      for (const oncall::Shift& shift : oncall::shifts(one, from, to)) {
        all.push_back({name, shift.begin, shift.end, shift.on_call.persons, shift.on_call.layer});
      }
    }
    done(std::move(all));
  });
}

void OnCallAdapter::put_override(api::OverrideRequest request, api::Done<std::string> done) {
  incident::Command command;
  command.kind = incident::Command::Kind::PutOverride;
  command.actor = std::move(request.by);
  command.comment = std::move(request.comment);
  command.source = std::move(request.source);
  command.over.schedule = std::move(request.schedule);
  command.over.persons = std::move(request.persons);
  command.over.begin = request.begin;
  command.over.end = request.end;
  dispatcher_.command(std::move(command), executor_, [done = std::move(done)](auto record) {
    if (!record) return done(record.error());
    done(record->id);
  });
}

void OnCallAdapter::remove_override(std::string id, std::string by, std::string source,
                                    api::Done<void> done) {
  incident::Command command;
  command.kind = incident::Command::Kind::RemoveOverride;
  command.actor = std::move(by);
  command.source = std::move(source);
  command.target = std::move(id);
  dispatcher_.command(std::move(command), executor_, [done = std::move(done)](auto record) {
    if (!record) return done(record.error());
    done(base::ok());
  });
}

void OnCallAdapter::add_change(api::ChangeInfo change, std::string source,
                               api::Done<std::string> done) {
  incident::Command command;
  command.kind = incident::Command::Kind::AddChange;
  command.actor = change.author;
  command.source = std::move(source);
  command.change = {"",
                    change.at,
                    std::move(change.service),
                    std::move(change.version),
                    std::move(change.author),
                    std::move(change.link),
                    std::move(change.text)};
  dispatcher_.command(std::move(command), executor_, [done = std::move(done)](auto record) {
    if (!record) return done(record.error());
    done(record->id);
  });
}

void OnCallAdapter::changes(api::Done<std::vector<api::ChangeInfo>> done) {
  dispatcher_.snapshot(executor_, [done = std::move(done)](const Snapshot& snapshot) {
    std::vector<api::ChangeInfo> all;
    for (auto each = snapshot->changes.rbegin(); each != snapshot->changes.rend(); ++each) {
      all.push_back(
          {each->id, each->at, each->service, each->version, each->author, each->link, each->text});
    }
    done(std::move(all));
  });
}

}  // namespace tocsin::alertd

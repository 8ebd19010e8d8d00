#include "alertd/api/ack_handlers.h"

#include <fmt/core.h>

#include "alertd/api/ack_page.h"
#include "common/base/strings.h"

namespace tocsin::api {
namespace {

constexpr std::size_t kUsedMax = 100'000;
constexpr std::size_t kByBytesMax = 100;
constexpr base::Duration kHoldMax = std::chrono::hours(24);

int status_of(const base::Error& error) {
  switch (error.code) {
    case base::ErrorCode::PermissionDenied:
      return 403;
    case base::ErrorCode::Timeout:
      return 410;
    case base::ErrorCode::NotFound:
      return 404;
    case base::ErrorCode::InvalidArgument:
    case base::ErrorCode::LimitExceeded:
      return 409;
    default:
      return 503;
  }
}

}  // namespace

bool UsedTokens::use(const std::string& token, base::WallTime expires, base::WallTime now) {
  const base::MutexLock lock(mutex_);
  if (used_.size() >= kUsedMax) {
    std::erase_if(used_, [now](const auto& one) { return one.second <= now; });
  }
  // Full of good ones: refusing is safer than forgetting which were used.
  if (used_.size() >= kUsedMax) return false;
  return used_.emplace(token, expires).second;
}

void UsedTokens::release(const std::string& token) {
  const base::MutexLock lock(mutex_);
  used_.erase(token);
}

void AckDesk::count(std::string_view way, std::string_view outcome) {
  parts_.metrics
      .counter("tocsin_alertd_ack_tokens_total", "Uses of acknowledge links and buttons.",
               {{"way", std::string(way)}, {"outcome", std::string(outcome)}})
      .increment();
}

void AckDesk::act(Act act, std::function<void(AckResult)> done) {
  const base::WallTime now = parts_.clock.wall();
  const std::string way = act.source.substr(0, act.source.find(' '));
  const auto claim = parts_.signer.verify(act.token, now);
  if (!claim) {
    count(way, claim.error().code == base::ErrorCode::Timeout ? "expired" : "refused");
    return done({status_of(claim.error()), claim.error().message});
  }
  IncidentCommand command;
  command.id = claim->incident_id;
  command.by = std::string(base::trim(act.by.empty() ? claim->person : act.by));
  if (command.by.empty()) command.by = "somebody with the link";
  command.by.resize(std::min(command.by.size(), kByBytesMax));
  command.hold = act.hold;
  command.comment = act.comment;
  command.source = act.source;
  if (!used_.use(act.token, claim->expires, now)) {
    count(way, "used");
    return done({409, "this link was used already; a newer message has a new one"});
  }
  const bool resolve = act.action.value_or(claim->action) == AckAction::Resolve;
  Done<IncidentInfo> answered = [this, way, resolve, token = act.token, by = command.by,
                                 done = std::move(done)](base::Result<IncidentInfo> incident) {
    count(way, incident ? "done" : "failed");
    if (!incident) {
      used_.release(token);
      return done({status_of(incident.error()), incident.error().message});
    }
    done({200,
          fmt::format("{} is {} by {}", incident->id, resolve ? "resolved" : "acknowledged", by)});
  };
  if (resolve) {
    parts_.commands.resolve(std::move(command), std::move(answered));
  } else {
    parts_.commands.acknowledge(std::move(command), std::move(answered));
  }
}

std::vector<Route> AckHandlers::routes() const {
  return {{"GET", "/ack/<token>", Access::Public, [this](ApiCall call) { show(std::move(call)); }},
          {"POST", "/ack/<token>", Access::Public, [this](ApiCall call) { act(std::move(call)); }}};
}

void AckHandlers::show(ApiCall call) const {
  auto claim = desk_.parts().signer.verify(call.path.front(), desk_.parts().clock.wall());
  if (!claim) {
    return call.respond(
        ack_answer(status_of(claim.error()), "This link does not work", claim.error().message));
  }
  const std::string id = claim->incident_id;
  incidents_.find(id, [claim = std::move(*claim),
                       respond = std::move(call.respond)](base::Result<IncidentInfo> incident) {
    if (!incident) {
      return respond(ack_answer(status_of(incident.error()), "This link does not work",
                                incident.error().message));
    }
    respond(ack_question(claim, *incident));
  });
}

void AckHandlers::act(ApiCall call) const {
  AckDesk::Act act;
  act.token = call.path.front();
  act.by = std::string(call.request.parameter("by"));
  act.source = "link " + call.request.peer_address;
  if (const std::string_view hold = call.request.parameter("for"); !hold.empty()) {
    const auto parsed = base::parse_duration(hold);
    if (!parsed || *parsed < std::chrono::minutes(1) || *parsed > kHoldMax) {
      return call.respond(ack_answer(400, "Not done", "the time must be from 1m to 1d"));
    }
    act.hold = *parsed;
  }
  desk_.act(std::move(act), [respond = std::move(call.respond)](const AckResult& result) {
    respond(ack_answer(result.status, result.status == 200 ? "Done" : "Not done", result.text));
  });
}

}  // namespace tocsin::api

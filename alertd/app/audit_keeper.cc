#include "alertd/app/audit_keeper.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

#include "alertd/api/json.h"
#include "common/base/hash.h"
#include "common/base/strings.h"

namespace tocsin::alertd {
namespace {

namespace json = boost::json;

constexpr const char* kComponent = "alertd/audit";
constexpr const char* kKind = "audit_files";
constexpr const char* kKey = "digests";
constexpr const char* kIntact = "tocsin_alertd_audit_intact";
constexpr const char* kLines = "tocsin_alertd_audit_lines";
constexpr base::Duration kLookEvery{300'000};
constexpr base::Duration kVerifyEvery{3'600'000};
constexpr base::Duration kAgain{5'000};
constexpr base::Duration kRefusalsOnce{60'000};
constexpr std::size_t kAddressesMax = 1000;
constexpr std::size_t kFileBytesMax = 64 << 20;
constexpr std::size_t kRowsDefault = 100;

std::string shortened(const std::string& digest) {
  return digest.substr(0, 16);
}

json::object line_json(const incident::StoredAudit& row) {
  return {{"n", row.number},
          {"at", base::format_rfc3339(row.record.at)},
          {"atMs", base::to_ms(row.record.at)},
          {"actor", api::clean(row.record.actor)},
          {"source", api::clean(row.record.source)},
          {"action", api::clean(row.record.action)},
          {"object", api::clean(row.record.object)},
          {"text", api::clean(row.record.text)},
          {"hash", row.hash}};
}

base::Result<incident::AuditQuery> read_query(const net::ServerRequest& request) {
  incident::AuditQuery query;
  query.object = request.parameter("object");
  query.actor = request.parameter("actor");
  const auto time = [&](const char* name) -> base::Result<std::optional<base::WallTime>> {
    const std::string text(request.parameter(name));
    if (text.empty()) return std::optional<base::WallTime>();
    const auto parsed = base::parse_rfc3339(text);
    if (parsed) return std::optional(*parsed);
    return base::error(base::ErrorCode::InvalidArgument,
                       fmt::format("{}: '{}' is no time of RFC 3339", name, api::clean(text)));
  };
  TC_TRY(query.from, time("from"));
  TC_TRY(query.to, time("to"));
  query.limit = kRowsDefault;
  for (const char* name : {"limit", "below"}) {
    const std::string_view text = request.parameter(name);
    if (text.empty()) continue;
    const auto number = base::parse_i64(text);
    if (!number || *number < 1) {
      return base::error(base::ErrorCode::InvalidArgument,
                         fmt::format("{}: '{}' is no number from 1", name, api::clean(text)));
    }
    if (std::string_view(name) == "below") {
      query.number_below = *number;
    } else {
      query.limit = std::min(static_cast<std::size_t>(*number), incident::kLogRowsMax);
    }
  }
  return query;
}

}  // namespace

AuditKeeper::AuditKeeper(const AuditKeeperWorld& world)
    : world_(world),
      dropped_(world.metrics.counter("tocsin_alertd_audit_dropped_total",
                                     "Lines that are in the log and not in the audit trail.")) {}

void AuditKeeper::start() {
  world_.executor.post([this] {
    if (std::exchange(running_, true)) return;
    ++generation_;
    load();
    verify();
  });
}

void AuditKeeper::stop() {
  world_.executor.post([this] {
    running_ = false;
    ++generation_;
    committing_ = 0;
    known_.reset();
    world_.executor.cancel(look_timer_);
    world_.executor.cancel(verify_timer_);
    world_.metrics.remove_gauge(kIntact, {});
    world_.metrics.remove_gauge(kLines, {});
  });
}

void AuditKeeper::note(const std::string& actor, const std::string& source,
                       const std::string& action, const std::string& object,
                       const std::string& text) {
  incident::AuditRecord record{world_.executor.clock().wall(),
                               api::clean(actor),
                               api::clean(source),
                               api::clean(action),
                               api::clean(object),
                               api::clean(text)};
  base::log_info(kComponent, "{} {} {} ({})", record.action, base::escape_control(record.object),
                 base::escape_control(record.text), base::escape_control(record.source));
  world_.executor.post([this, record = std::move(record)]() mutable { put(std::move(record)); });
}

void AuditKeeper::called(const api::AuditedCall& call) {
  if (!call.refused) {
    return note("", call.source, call.action, call.object, fmt::format("HTTP {}", call.status));
  }
  world_.executor.post([this, call] {
    const base::MonotonicTime now = world_.executor.clock().monotonic();
    std::erase_if(refusals_, [&](const auto& each) {
      return each.second.more == 0 && now - each.second.since >= kRefusalsOnce;
    });
    const auto [at, fresh] = refusals_.try_emplace(call.source + " " + call.action);
    Refusals& before = at->second;
    if (!fresh && now - before.since < kRefusalsOnce) {
      ++before.more;
      return;
    }
    std::string text = fmt::format("HTTP {}", call.status);
    if (before.more > 0) text += fmt::format("; {} more since the last line", before.more);
    before = {now, 0};
    if (refusals_.size() > kAddressesMax) refusals_.clear();
    note("", call.source, call.action, call.object, text);
  });
}

void AuditKeeper::put(incident::AuditRecord record) {
  if (waiting_.size() >= kQueueMax) return dropped_.increment();
  waiting_.push_back(incident::clipped(std::move(record)));
  flush();
}

void AuditKeeper::flush() {
  if (!running_ || committing_ > 0 || (waiting_.empty() && !keep_)) return;
  incident::StateChange change;
  change.audit.assign(waiting_.begin(), waiting_.end());
  if (keep_) {
    json::object body;
    for (const auto& [path, digest] : *keep_) body[path] = digest;
    change.records_upsert.push_back({kKind, kKey, json::serialize(body)});
  }
  committing_ = std::max<std::size_t>(waiting_.size(), 1);
  world_.state.commit(std::move(change), world_.executor,
                      [this, generation = generation_, lines = waiting_.size(),
                       kept = keep_](const base::Result<void>& stored) {
                        if (!running_ || generation != generation_) return;
                        committing_ = 0;
                        if (!stored) {
                          failures_.report("commit", stored.error().message);
                          // With the lease lost, stop() follows.
                          world_.executor.post_after(kAgain, [this] { flush(); });
                          return;
                        }
                        failures_.clear("commit");
                        waiting_.erase(waiting_.begin(),
                                       waiting_.begin() + static_cast<std::ptrdiff_t>(lines));
                        if (keep_ == kept) keep_.reset();
                        flush();
                      });
}

void AuditKeeper::load() {
  world_.state.load(
      world_.executor.clock().wall(), world_.executor,
      [this, generation = generation_](const base::Result<incident::LoadedState>& state) {
        if (!running_ || generation != generation_) return;
        if (!state) {
          failures_.report("load", state.error().message);
          look_timer_ = world_.executor.post_after(kAgain, [this] { load(); });
          return;
        }
        failures_.clear("load");
        Digests digests;
        for (const incident::KeptRecord& record : state->records) {
          if (record.kind != kKind || record.key != kKey) continue;
          boost::system::error_code bad;
          const json::value body = json::parse(record.body, bad);
          if (bad || !body.is_object()) continue;
          for (const auto& member : body.get_object()) {
            if (member.value().is_string()) {
              digests[std::string(member.key())] = std::string(member.value().get_string());
            }
          }
        }
        known_ = std::move(digests);
        compare();
        flush();
      });
}

void AuditKeeper::look() {
  world_.executor.post([this] {
    if (running_ && known_) compare();
  });
}

AuditKeeper::Digests AuditKeeper::read_digests() const {
  Digests digests;
  for (const std::string& path : world_.watched()) {
    const auto text = world_.files.read(path, kFileBytesMax);
    digests[path] = text ? base::sha256_hex(*text) : "unreadable";
  }
  return digests;
}

void AuditKeeper::compare() {
  world_.executor.cancel(look_timer_);
  look_timer_ = world_.executor.post_after(kLookEvery, [this] {
    if (running_ && known_) compare();
  });
  Digests now = read_digests();
  if (now == *known_) return;
  if (known_->empty()) {
    note("", "files", "configuration.first", "", fmt::format("{} files", now.size()));
  }
  for (const auto& [path, digest] : now) {
    const auto before = known_->find(path);
    if (before == known_->end()) {
      note("", "files", "configuration.added", path, "sha256 " + shortened(digest));
    } else if (before->second != digest) {
      note("", "files", "configuration.changed", path,
           fmt::format("sha256 {}, before {}", shortened(digest), shortened(before->second)));
    }
  }
  for (const auto& [path, digest] : *known_) {
    if (now.contains(path)) continue;
    note("", "files", "configuration.removed", path, "sha256 was " + shortened(digest));
  }
  known_ = now;
  // Lines are posted: what is kept goes with them, or after them.
  world_.executor.post([this, now = std::move(now)]() mutable {
    keep_ = std::move(now);
    flush();
  });
}

void AuditKeeper::verify() {
  world_.executor.cancel(verify_timer_);
  verify_timer_ = world_.executor.post_after(kVerifyEvery, [this] {
    if (running_) verify();
  });
  world_.state.verify_audit(world_.executor, [this, generation = generation_](const auto& verdict) {
    if (running_ && generation == generation_) verified(verdict);
  });
}

void AuditKeeper::verified(const base::Result<incident::AuditVerdict>& verdict) {
  if (!verdict) return failures_.report("verify", verdict.error().message);
  failures_.clear("verify");
  world_.metrics.gauge(kIntact, "1 if the hash chain of the audit trail was whole when last read.")
      .set(verdict->first_broken ? 0 : 1);
  world_.metrics.gauge(kLines, "Lines of the audit trail that are whole.")
      .set(static_cast<double>(verdict->rows));
  if (verdict->first_broken) {
    base::log_error(kComponent, "the audit trail is broken: {}", verdict->text);
  }
}

void AuditKeeper::list(api::ApiCall call) const {
  auto query = read_query(call.request);
  if (!query) return call.respond(api::failure(query.error(), 400));
  world_.state.audit(std::move(*query), world_.executor,
                     [respond = std::move(call.respond)](
                         const base::Result<std::vector<incident::StoredAudit>>& rows) {
                       if (!rows) return respond(api::failure(rows.error(), 422));
                       json::array lines;
                       for (const incident::StoredAudit& row : *rows)
                         lines.push_back(line_json(row));
                       respond(api::success(json::object{{"lines", std::move(lines)}}));
                     });
}

void AuditKeeper::answer_verify(const api::ApiCall& call) const {
  world_.state.verify_audit(
      world_.executor,
      [respond = call.respond](const base::Result<incident::AuditVerdict>& verdict) {
        if (!verdict) return respond(api::failure(verdict.error(), 422));
        json::object data{{"intact", !verdict->first_broken}, {"lines", verdict->rows}};
        if (verdict->first_broken) {
          data["firstBroken"] = *verdict->first_broken;
          data["text"] = verdict->text;
        }
        respond(api::success(data));
      });
}

std::vector<api::Route> AuditKeeper::routes() {
  return {{"GET", "/api/v1/audit", api::Access::Read,
           [this](api::ApiCall call) { list(std::move(call)); }},
          {"GET", "/api/v1/audit/verify", api::Access::Read,
           [this](const api::ApiCall& call) { answer_verify(call); }}};
}

}  // namespace tocsin::alertd

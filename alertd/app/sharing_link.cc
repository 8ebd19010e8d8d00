#include "alertd/app/sharing_link.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <iterator>
#include <utility>

#include "alertd/api/json.h"
#include "alertd/incident/json_values.h"

namespace tocsin::alertd {

namespace json = boost::json;

namespace {

constexpr std::string_view kComponent = "alertd/app";
/// As long as an end is told again by local groups, and some more.
constexpr base::Duration kToldAgainMax{1'200'000};
/// A post is refused whole.
constexpr std::size_t kPostMax = 1'000;

std::string to_text(const std::vector<model::Alert>& alerts) {
  json::array list;
  list.reserve(alerts.size());
  for (const model::Alert& alert : alerts) list.push_back(incident::alert_value(alert));
  return json::serialize(list);
}

/// What cannot be read is left out, with a word in the log.
std::vector<model::Alert> to_alerts(const std::string& text, const std::string& group) {
  std::vector<model::Alert> alerts;
  if (text.empty()) return alerts;
  json::parse_options options;
  options.allow_invalid_utf8 = true;
  json::error_code failed;
  const json::value list = json::parse(text, failed, {}, options);
  std::size_t unreadable = failed || !list.is_array() ? 1 : 0;
  if (unreadable == 0) {
    for (const json::value& value : list.get_array()) {
      auto alert = value.is_object() ? incident::read_alert(value.get_object())
                                     : base::error(base::ErrorCode::Corruption, "not an object");
      if (alert) {
        alerts.push_back(std::move(*alert));
      } else {
        ++unreadable;
      }
    }
  }
  if (unreadable > 0) {
    base::log_error(kComponent, "rule group '{}': {} of its kept alerts are not readable", group,
                    unreadable);
  }
  return alerts;
}

/// Returns nullopt for what a newer release may say.
std::optional<ruler::Forgetting> to_forgetting(const std::string& text) {
  const auto object = incident::parse_object(text, "a word of another daemon");
  if (!object) return std::nullopt;
  incident::FieldReader reader(*object);
  const std::int64_t kind = reader.integer("forget", -1);
  ruler::Forgetting forgetting;
  forgetting.labels = reader.labels("labels");
  forgetting.because = reader.string("because");
  if (!reader.finish("a word of another daemon") || kind < 0 || kind > 2) return std::nullopt;
  forgetting.kind = static_cast<ruler::Forgetting::Kind>(kind);
  return forgetting;
}

}  // namespace

SharingLink::SharingLink(sharing::KeeperOptions options, sharing::GroupStore& store,
                         base::Executor& executor, base::Metrics& metrics, model::AlertSink& sink)
    : executor_(executor),
      sink_(sink),
      keeper_(std::move(options), store, executor, metrics, hooks()) {}

sharing::Keeper::Hooks SharingLink::hooks() {
  sharing::Keeper::Hooks hooks;
  hooks.taken = [this](sharing::Taken taken) {
    ruler::Tenure tenure;
    tenure.epoch = taken.epoch;
    tenure.evaluated_at = taken.last.evaluated_at;
    tenure.alerts = to_alerts(taken.last.alerts, taken.key);
    tenure.state = std::move(taken.last.state);
    ruler_->grant(std::move(taken.key), std::move(tenure));
  };
  hooks.give = [this](std::string key, base::Task ended) {
    ruler_->revoke(std::move(key), std::move(ended));
  };
  hooks.lost = [this](std::string key) { ruler_->revoke(std::move(key), [] {}); };
  hooks.heard = [this](const std::string& text) {
    if (const auto forgetting = to_forgetting(text)) ruler_->heard(*forgetting);
  };
  hooks.changed = [this](const std::vector<sharing::ChangedGroup>& changed) { tell(changed); };
  return hooks;
}

void SharingLink::keep(ruler::GroupRecord record) {
  sharing::GroupSave save;
  save.key = std::move(record.key);
  save.epoch = record.epoch;
  save.now.evaluated_at = record.evaluated_at;
  save.now.state = std::move(record.state);
  if (record.alerts_changed) save.now.alerts = to_text(record.alerts);
  keeper_.save(std::move(save));
}

void SharingLink::pass_on(const ruler::Forgetting& forgetting) {
  json::object labels;
  for (const auto& label : forgetting.labels) labels[label.name] = label.value;
  keeper_.say(json::serialize(json::object{{"forget", static_cast<int>(forgetting.kind)},
                                           {"labels", std::move(labels)},
                                           {"because", forgetting.because}}));
}

void SharingLink::follow(base::Task ready) {
  executor_.post([this] { told_.clear(); });
  keeper_.follow(std::move(ready));
}

void SharingLink::tell(const std::vector<sharing::ChangedGroup>& changed) {
  const base::WallTime now_wall = executor_.clock().wall();
  std::vector<model::Alert> news;
  for (const sharing::ChangedGroup& group : changed) {
    std::map<std::uint64_t, Told> told;
    const std::map<std::uint64_t, Told>& before = told_[group.key];
    for (model::Alert& alert : to_alerts(group.alerts, group.key)) {
      // What is left of a group that nobody evaluates any more.
      const base::WallTime until =
          std::max(alert.ends_at.value_or(alert.valid_until), alert.valid_until);
      if (until + kToldAgainMax < now_wall) continue;
      const std::uint64_t fingerprint = alert.fingerprint();
      const Told now{alert.updated_at, alert.ends_at};
      const auto known = before.find(fingerprint);
      if (known == before.end() || known->second != now) news.push_back(std::move(alert));
      told[fingerprint] = now;
    }
    told_[group.key] = std::move(told);
  }
  // The last word about an alert comes last, whichever group it is of.
  std::stable_sort(news.begin(), news.end(),
                   [](const auto& a, const auto& b) { return a.updated_at < b.updated_at; });
  for (std::size_t begin = 0; begin < news.size(); begin += kPostMax) {
    const auto first = news.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto last =
        news.begin() + static_cast<std::ptrdiff_t>(std::min(begin + kPostMax, news.size()));
    sink_.post({std::make_move_iterator(first), std::make_move_iterator(last)});
  }
}

std::string SharingLink::describe() const {
  const sharing::KeeperStatus status = keeper_.status();
  std::string text;
  std::size_t live = 0;
  for (const sharing::Member& member : status.members) {
    text += fmt::format("{}{} ({}{})", text.empty() ? "" : ", ", member.name, member.held,
                        member.live ? "" : ", missing");
    live += member.live ? 1 : 0;
  }
  text = fmt::format("holds {} of {} shared rule groups; {} daemons: {}", status.held.size(),
                     status.known, live, text);
  if (status.unheld > 0) text += fmt::format("; {} groups without a holder", status.unheld);
  if (!status.error.empty()) text += "; cut off: " + status.error;
  return text;
}

std::vector<api::Route> SharingLink::routes() {
  return {{"GET", "/api/v1/groups/holders", api::Access::Read, [this](const api::ApiCall& call) {
             keeper_.holdings([respond = call.respond](const auto& holdings) {
               if (!holdings) return respond(api::failure(holdings.error(), 400));
               json::array list;
               for (const sharing::Holding& one : *holdings) {
                 list.push_back(json::object{
                     {"group", one.key}, {"holder", one.holder}, {"epoch", one.epoch}});
               }
               respond(api::success(json::object{{"groups", std::move(list)}}));
             });
           }}};
}

}  // namespace tocsin::alertd

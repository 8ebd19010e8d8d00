#include "alertd/ruler/shared_state.h"

#include <algorithm>
#include <bit>
#include <boost/json.hpp>
#include <map>

namespace tocsin::ruler {

namespace json = boost::json;

namespace {

using base::WallTime;
using model::Labels;

/// A gap as long as that is an evaluation that was missed, not time that nobody saw.
constexpr base::Duration kGapCounts{60'000};

json::object to_value(const Labels& labels) {
  json::object object;
  for (const auto& label : labels) object[label.name] = label.value;
  return object;
}

void put(json::object& object, std::string_view name, const std::optional<WallTime>& time) {
  if (time) object[name] = base::to_ms(*time);
}

void put(json::object& object, std::string_view name, const Labels& labels) {
  if (!labels.empty()) object[name] = to_value(labels);
}

void put(json::object& object, std::string_view name, bool flag) {
  if (flag) object[name] = true;
}

/// Reads fields of one object; what is missing is empty, what has the wrong kind is remembered.
class Reader {
 public:
  Reader(const json::value& value, bool& wrong) : wrong_(wrong) {
    if (value.is_object()) {
      object_ = &value.get_object();
    } else {
      wrong_ = true;
    }
  }

  std::int64_t integer(std::string_view name, std::int64_t missing = 0) const {
    const json::value* value = find(name);
    if (!value) return missing;
    if (!value->is_int64()) wrong_ = true;
    return value->is_int64() ? value->get_int64() : missing;
  }
  std::string text(std::string_view name) const {
    const json::value* value = find(name);
    if (!value) return {};
    if (!value->is_string()) wrong_ = true;
    return value->is_string() ? std::string(value->get_string()) : std::string();
  }
  bool flag(std::string_view name) const {
    const json::value* value = find(name);
    return value && value->is_bool() && value->get_bool();
  }
  std::optional<WallTime> time(std::string_view name) const {
    if (!find(name)) return std::nullopt;
    return base::wall_time(integer(name));
  }
  Labels labels(std::string_view name) const {
    const json::value* value = find(name);
    if (!value) return {};
    model::LabelsBuilder builder;
    if (!value->is_object()) wrong_ = true;
    for (const auto& [key, text] : value->is_object() ? value->get_object() : kNone) {
      if (!text.is_string()) wrong_ = true;
      if (text.is_string()) builder.set(key, text.get_string());
    }
    return builder.build();
  }
  model::Severity severity(std::string_view name) const {
    const auto severity = model::parse_severity(text(name));
    if (!severity) wrong_ = true;
    return severity.value_or(model::Severity::Medium);
  }
  const json::array& array(std::string_view name) const {
    static const json::array kEmpty;
    const json::value* value = find(name);
    if (!value) return kEmpty;
    if (!value->is_array()) wrong_ = true;
    return value->is_array() ? value->get_array() : kEmpty;
  }

 private:
  const json::value* find(std::string_view name) const {
    return object_ ? object_->if_contains(name) : nullptr;
  }

  static inline const json::object kNone{};
  const json::object* object_ = nullptr;
  bool& wrong_;
};

json::object save_alert(const ActiveAlert& alert, std::size_t levels) {
  json::object object;
  put(object, "labels", alert.labels);
  put(object, "annotations", alert.annotations);
  object["value"] = std::bit_cast<std::int64_t>(alert.value);
  object["phase"] = static_cast<int>(alert.phase);
  object["severity"] = model::to_string(alert.severity);
  object["sent_severity"] = model::to_string(alert.sent_severity);
  object["active"] = base::to_ms(alert.active_at);
  object["seen"] = base::to_ms(alert.last_seen);
  put(object, "fired", alert.fired_at);
  put(object, "resolved", alert.resolved_at);
  put(object, "silent", alert.no_data_since);
  put(object, "sent", alert.last_sent_at);
  put(object, "no_data", alert.no_data_alert);
  object["top"] = alert.top;
  json::array list;
  for (std::size_t i = 0; i < levels; ++i) {
    json::object level;
    put(level, "since", alert.levels[i].since);
    put(level, "left", alert.levels[i].left);
    put(level, "entered", alert.levels[i].entered);
    list.push_back(std::move(level));
  }
  object["levels"] = std::move(list);
  return object;
}

ActiveAlert load_alert(const Reader& reader, bool& wrong) {
  ActiveAlert alert;
  alert.labels = reader.labels("labels");
  alert.result_labels = model::LabelsBuilder(alert.labels).remove(model::kAlertName).build();
  alert.annotations = reader.labels("annotations");
  alert.value = std::bit_cast<double>(reader.integer("value"));
  const std::int64_t phase = reader.integer("phase");
  if (phase < 0 || phase > 2) wrong = true;
  alert.phase = static_cast<AlertPhase>(std::clamp<std::int64_t>(phase, 0, 2));
  alert.severity = reader.severity("severity");
  alert.sent_severity = reader.severity("sent_severity");
  alert.active_at = base::wall_time(reader.integer("active"));
  alert.last_seen = base::wall_time(reader.integer("seen"));
  alert.fired_at = reader.time("fired");
  alert.resolved_at = reader.time("resolved");
  alert.no_data_since = reader.time("silent");
  alert.last_sent_at = reader.time("sent");
  alert.no_data_alert = reader.flag("no_data");
  const json::array& levels = reader.array("levels");
  if (levels.size() > alert.levels.size()) wrong = true;
  for (std::size_t i = 0; i < std::min(levels.size(), alert.levels.size()); ++i) {
    const Reader level(levels[i], wrong);
    alert.levels[i] = {level.time("since"), level.time("left"), level.flag("entered")};
  }
  const std::int64_t top = reader.integer("top", -1);
  if (top < -1 || top >= static_cast<std::int64_t>(levels.size())) wrong = true;
  alert.top = static_cast<int>(std::clamp<std::int64_t>(top, -1, 3));
  // Whoever is told must have a beginning and an end.
  if (alert.phase == AlertPhase::Inactive && !alert.resolved_at) wrong = true;
  return alert;
}

}  // namespace

/// Knows the insides of AlertState.
class AlertStateCodec {
 public:
  static json::object save(const AlertState& state) {
    json::object object;
    json::array levels;
    for (const Level& level : state.levels_) levels.emplace_back(model::to_string(level.severity));
    object["levels"] = std::move(levels);
    put(object, "levelled", state.levelled());
    json::array alerts;
    for (const auto& [labels, alert] : state.alerts_) {
      alerts.push_back(save_alert(alert, state.levels_.size()));
    }
    object["alerts"] = std::move(alerts);
    put(object, "look", state.last_look_);
    put(object, "quiet", state.quiet_until_);
    json::array seen;
    for (const auto& [key, entry] : state.seen_) {
      json::object one;
      put(one, "key", key);
      put(one, "identity", entry.identity);
      put(one, "raised", entry.raised);
      if (entry.last != state.last_look_) put(one, "last", std::optional(entry.last));
      if (entry.misses > 0) one["misses"] = entry.misses;
      seen.push_back(std::move(one));
    }
    object["seen"] = std::move(seen);
    json::array departed;
    for (const auto& [owner, until] : state.departed_) {
      departed.push_back(json::object{
          {"name", owner.first}, {"value", owner.second}, {"until", base::to_ms(until)}});
    }
    object["departed"] = std::move(departed);
    if (state.restoring_) save_restoring(state, object);
    return object;
  }

  /// An AlertState as it was, with levels that are good for AlertState::take_over() only.
  static std::optional<AlertState> load(const Reader& reader, bool& wrong) {
    const bool levelled = reader.flag("levelled");
    std::vector<Level> levels;
    for (const json::value& name : reader.array("levels")) {
      Level level;
      const auto severity = name.is_string() ? model::parse_severity(name.get_string())
                                             : std::optional<model::Severity>();
      if (!severity) wrong = true;
      level.severity = severity.value_or(model::Severity::Medium);
      if (levelled) level.bound = Bound{};
      levels.push_back(level);
    }
    if (levels.empty() || levels.size() > 4) wrong = true;
    if (wrong) return std::nullopt;
    AlertState state(std::move(levels), std::nullopt, NoData::Alert, {});
    for (const json::value& value : reader.array("alerts")) {
      ActiveAlert alert = load_alert(Reader(value, wrong), wrong);
      Labels labels = alert.labels;
      state.alerts_.insert_or_assign(std::move(labels), std::move(alert));
    }
    state.last_look_ = reader.time("look");
    state.quiet_until_ = reader.time("quiet");
    for (const json::value& value : reader.array("seen")) {
      const Reader one(value, wrong);
      AlertState::Seen& seen = state.seen_[one.labels("key")];
      seen.last = one.time("last").value_or(state.last_look_.value_or(WallTime{}));
      seen.identity = one.labels("identity");
      seen.raised = one.labels("raised");
      seen.misses = static_cast<int>(std::clamp<std::int64_t>(one.integer("misses"), 0, 1'000));
    }
    for (const json::value& value : reader.array("departed")) {
      const Reader one(value, wrong);
      state.departed_[{one.text("name"), one.text("value")}] =
          base::wall_time(one.integer("until"));
    }
    load_restoring(reader, state, wrong);
    return state;
  }

  /// Time in which nothing was seen does not count towards a `for`.
  static void leave_out(AlertState& state, base::Duration unseen) {
    for (auto& [labels, alert] : state.alerts_) {
      if (alert.phase != AlertPhase::Pending || alert.no_data_since) continue;
      alert.active_at += unseen;
      for (auto& level : alert.levels) {
        if (level.since) *level.since += unseen;
      }
    }
  }

 private:
  static void save_restoring(const AlertState& state, json::object& object) {
    json::array remembered;
    for (const auto& [key, before] : state.remembered_) {
      json::object one;
      put(one, "key", key);
      put(one, "labels", before.labels);
      one["level"] = before.firing_level;
      one["down"] = base::to_ms(before.down_at);
      json::array since;
      for (const auto& time : before.since) since.push_back(time ? base::to_ms(*time) : 0);
      one["since"] = std::move(since);
      remembered.push_back(std::move(one));
    }
    object["remembered"] = std::move(remembered);
    put(object, "restore_began", state.restore_began_);
    object["restore_steps"] = state.restore_steps_left_;
    object["restoring"] = true;
  }

  static void load_restoring(const Reader& reader, AlertState& state, bool& wrong) {
    state.restoring_ = reader.flag("restoring");
    if (!state.restoring_) return;
    state.restore_began_ = reader.time("restore_began");
    state.restore_steps_left_ =
        static_cast<int>(std::clamp<std::int64_t>(reader.integer("restore_steps"), 0, 2));
    const auto levels = static_cast<std::int64_t>(state.levels_.size());
    for (const json::value& value : reader.array("remembered")) {
      const Reader one(value, wrong);
      Remembered& before = state.remembered_[one.labels("key")];
      before.labels = one.labels("labels");
      before.down_at = base::wall_time(one.integer("down"));
      before.firing_level =
          static_cast<int>(std::clamp<std::int64_t>(one.integer("level", -1), -1, levels - 1));
      const json::array& since = one.array("since");
      for (std::size_t i = 0; i < std::min(since.size(), before.since.size()); ++i) {
        const std::int64_t ms = since[i].is_int64() ? since[i].get_int64() : 0;
        if (ms != 0) before.since[i] = base::wall_time(ms);
      }
    }
  }
};

std::string rule_key(const Rule& rule) {
  std::string key = rule.kind == RuleKind::Alerting ? "alert" : "record";
  key += '\xff' + rule.name;
  for (const NamedText& label : rule.labels) key += '\xff' + label.name + '\xff' + label.text;
  return key;
}

std::string save_state(const Runners& runners) {
  json::array rules;
  for (const auto& runner : runners) {
    if (!runner->state()) continue;
    json::object rule = AlertStateCodec::save(*runner->state());
    rule["name"] = runner->rule().name;
    json::object labels;
    for (const NamedText& label : runner->rule().labels) labels[label.name] = label.text;
    rule["rule_labels"] = std::move(labels);
    rules.push_back(std::move(rule));
  }
  return json::serialize(json::object{{"rules", std::move(rules)}});
}

base::Result<void> load_state(std::string_view text, Runners& runners, base::Duration gap,
                              base::Duration by) {
  json::parse_options options;
  options.allow_invalid_utf8 = true;
  json::error_code failed;
  const json::value whole = json::parse(text, failed, {}, options);
  bool wrong = static_cast<bool>(failed);
  std::multimap<std::string, AlertState> states;
  if (!wrong) {
    for (const json::value& value : Reader(whole, wrong).array("rules")) {
      const Reader reader(value, wrong);
      Rule rule;
      rule.kind = RuleKind::Alerting;
      rule.name = reader.text("name");
      for (const auto& label : reader.labels("rule_labels")) {
        rule.labels.push_back({std::string(label.name), std::string(label.value)});
      }
      std::optional<AlertState> state = AlertStateCodec::load(reader, wrong);
      if (!state) break;
      AlertStateCodec::leave_out(*state, std::max(gap - kGapCounts, base::Duration{0}));
      state->shift(by);
      states.emplace(rule_key(rule), std::move(*state));
    }
  }
  if (wrong) {
    return base::error(base::ErrorCode::Corruption, "the kept state of the group is not readable");
  }
  for (auto& runner : runners) {
    const auto found = states.find(rule_key(runner->rule()));
    if (found == states.end()) continue;
    runner->resume(found->second);
    states.erase(found);
  }
  return base::ok();
}

}  // namespace tocsin::ruler

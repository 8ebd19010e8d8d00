#include "alertd/incident/escalation_codec.h"

#include <boost/json.hpp>

#include "alertd/incident/json_values.h"

namespace tocsin::incident {

namespace json = boost::json;
using base::ErrorCode;
using base::Result;
using oncall::Target;

namespace {

base::Error corrupt(const char* what) {
  return base::error(ErrorCode::Corruption, what);
}

json::array targets_value(const std::vector<Target>& targets) {
  json::array array;
  for (const Target& target : targets) array.emplace_back(target.to_string());
  return array;
}

Result<std::vector<Target>> read_targets(const json::array* array) {
  std::vector<Target> targets;
  if (!array) return targets;
  for (const json::value& value : *array) {
    const json::string* text = value.if_string();
    if (!text) return corrupt("stored policy: target is no text");
    auto target = oncall::parse_target(std::string_view(*text));
    if (!target) return corrupt("stored policy: bad target");
    targets.push_back(std::move(*target));
  }
  return targets;
}

json::array hours_value(const std::vector<timezone::Hours>& all) {
  json::array array;
  for (const timezone::Hours& hours : all) {
    std::int64_t days = 0;
    for (std::size_t day = 0; day < hours.weekdays.size(); ++day) {
      if (hours.weekdays[day]) days |= std::int64_t{1} << day;
    }
    array.push_back(json::array{days, hours.from.count(), hours.to.count()});
  }
  return array;
}

Result<std::vector<timezone::Hours>> read_hours(const json::array* array) {
  std::vector<timezone::Hours> all;
  if (!array) return all;
  for (const json::value& value : *array) {
    const json::array* numbers = value.if_array();
    if (!numbers || numbers->size() != 3) return corrupt("stored policy: bad hours");
    std::array<std::int64_t, 3> parts{};
    for (std::size_t i = 0; i < 3; ++i) {
      if (!(*numbers)[i].is_int64()) return corrupt("stored policy: bad hours");
      parts[i] = (*numbers)[i].get_int64();
    }
    timezone::Hours hours;
    for (std::size_t day = 0; day < 7; ++day) hours.weekdays[day] = ((parts[0] >> day) & 1) != 0;
    hours.from = std::chrono::minutes(parts[1]);
    hours.to = std::chrono::minutes(parts[2]);
    all.push_back(hours);
  }
  return all;
}

void set_duration(json::object& object, const char* name, base::Duration duration) {
  if (duration.count() != 0) object[name] = duration.count();
}

json::object step_value(const PolicyStep& step) {
  json::object object;
  set_duration(object, "after", step.after);
  object["notify"] = targets_value(step.notify);
  if (step.important) object["important"] = true;
  if (!step.hours.empty()) object["hours"] = hours_value(step.hours);
  if (step.skip_outside) object["skip_outside"] = true;
  if (step.alerts_min > 0) object["alerts_min"] = step.alerts_min;
  set_duration(object, "within", step.within);
  if (step.severity_min) object["severity"] = model::to_string(*step.severity_min);
  return object;
}

Result<PolicyStep> read_step(const json::object& object) {
  FieldReader reader(object);
  PolicyStep step;
  step.after = base::Duration(reader.integer("after"));
  TC_TRY(step.notify, read_targets(reader.array("notify")));
  step.important = reader.boolean("important");
  TC_TRY(step.hours, read_hours(reader.array("hours")));
  step.skip_outside = reader.boolean("skip_outside");
  step.alerts_min = static_cast<std::size_t>(reader.unsigned_integer("alerts_min"));
  step.within = base::Duration(reader.integer("within"));
  if (object.contains("severity"))
    step.severity_min = reader.word("severity", model::parse_severity);
  TC_TRY(reader.finish("policy's step"));
  return step;
}

json::object policy_value(const Policy& policy) {
  json::object object;
  object["name"] = policy.name;
  object["zone"] = policy.zone.name();
  json::array steps;
  for (const PolicyStep& step : policy.steps) steps.push_back(step_value(step));
  object["steps"] = std::move(steps);
  if (policy.loops > 0) object["loops"] = policy.loops;
  set_duration(object, "loop_every", policy.loop_every);
  set_duration(object, "then", policy.then);
  if (!policy.fallback.empty()) object["fallback"] = targets_value(policy.fallback);
  if (policy.digest) object["digest"] = policy.digest->count();
  return object;
}

Result<Policy> read_policy(const json::object& object) {
  FieldReader reader(object);
  Policy policy;
  policy.name = reader.string("name");
  if (auto zone = timezone::Zone::find(reader.string("zone"))) policy.zone = *zone;
  const json::array* steps = reader.array("steps");
  for (std::size_t i = 0; steps && i < steps->size(); ++i) {
    const json::object* step = (*steps)[i].if_object();
    if (!step) return corrupt("stored policy: step is no object");
    TC_TRY(PolicyStep read, read_step(*step));
    policy.steps.push_back(std::move(read));
  }
  policy.loops = static_cast<std::uint32_t>(reader.unsigned_integer("loops"));
  policy.loop_every = base::Duration(reader.integer("loop_every"));
  policy.then = base::Duration(reader.integer("then"));
  TC_TRY(policy.fallback, read_targets(reader.array("fallback")));
  if (object.contains("digest")) policy.digest = std::chrono::minutes(reader.integer("digest"));
  TC_TRY(reader.finish("policy"));
  return policy;
}

Result<std::vector<Waiting>> read_waiting(const json::array* array) {
  std::vector<Waiting> all;
  for (std::size_t i = 0; array && i < array->size(); ++i) {
    const json::object* object = (*array)[i].if_object();
    if (!object) return corrupt("stored escalation: waiting person is no object");
    FieldReader reader(*object);
    Waiting waiting{reader.string("person"), reader.string("receiver"), reader.time("at"),
                    static_cast<std::size_t>(reader.unsigned_integer("step"))};
    TC_TRY(reader.finish("waiting person"));
    all.push_back(std::move(waiting));
  }
  return all;
}

}  // namespace

json::array addresses_value(const Addresses& addresses) {
  json::array array;
  for (const Address& address : addresses) {
    array.push_back(json::array{address.receiver.view(), address.channel.view()});
  }
  return array;
}

Result<Addresses> read_addresses(const json::array* array) {
  Addresses addresses;
  for (std::size_t i = 0; array && i < array->size(); ++i) {
    const json::array* pair = (*array)[i].if_array();
    const bool good = pair && pair->size() == 2 && (*pair)[0].is_string() && (*pair)[1].is_string();
    if (!good) return corrupt("stored incident: bad address");
    addresses.insert(Address{std::string_view((*pair)[0].get_string()),
                             std::string_view((*pair)[1].get_string())});
  }
  return addresses;
}

json::object escalation_value(const Escalation& escalation) {
  json::object object;
  object["policy"] = policy_value(escalation.policy);
  object["loop"] = escalation.loop;
  object["step"] = escalation.step;
  if (escalation.due) object["due"] = base::to_ms(*escalation.due);
  if (escalation.remaining) object["remaining"] = escalation.remaining->count();
  json::array waiting;
  for (const Waiting& each : escalation.waiting) {
    waiting.push_back(json::object{{"person", each.person},
                                   {"receiver", each.receiver},
                                   {"at", base::to_ms(each.at)},
                                   {"step", each.step}});
  }
  if (!waiting.empty()) object["waiting"] = std::move(waiting);
  if (!escalation.outstanding.empty()) {
    object["outstanding"] = addresses_value(escalation.outstanding);
  }
  if (escalation.step_sequence > 0) object["step_sequence"] = escalation.step_sequence;
  return object;
}

Result<Escalation> read_escalation(const json::object& object) {
  FieldReader reader(object);
  Escalation escalation;
  const json::object* policy = reader.object("policy");
  if (!policy) return corrupt("stored escalation has no policy");
  TC_TRY(escalation.policy, read_policy(*policy));
  escalation.loop = static_cast<std::uint32_t>(reader.unsigned_integer("loop"));
  escalation.step = static_cast<std::uint32_t>(reader.unsigned_integer("step"));
  escalation.due = reader.optional_time("due");
  if (object.contains("remaining")) {
    escalation.remaining = base::Duration(reader.integer("remaining"));
  }
  TC_TRY(escalation.waiting, read_waiting(reader.array("waiting")));
  TC_TRY(escalation.outstanding, read_addresses(reader.array("outstanding")));
  escalation.step_sequence = reader.unsigned_integer("step_sequence");
  if (escalation.step > escalation.policy.steps.size()) {
    return corrupt("stored escalation: step is beyond the policy");
  }
  TC_TRY(reader.finish("escalation"));
  return escalation;
}

}  // namespace tocsin::incident

#include "alertd/incident/routing_codec.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <charconv>

#include "alertd/incident/json_values.h"
#include "alertd/incident/record_codec.h"

namespace tocsin::incident {

namespace json = boost::json;
using base::ErrorCode;
using base::Result;

namespace {

base::Error corrupt(std::string message) {
  return base::error(ErrorCode::Corruption, std::move(message));
}

std::optional<model::MatchOp> parse_op(std::string_view text) {
  for (const auto op : {model::MatchOp::Equal, model::MatchOp::NotEqual, model::MatchOp::Regex,
                        model::MatchOp::NotRegex}) {
    if (model::to_string(op) == text) return op;
  }
  return std::nullopt;
}

json::array sets_value(const std::vector<routing::MatcherSet>& sets) {
  json::array all;
  for (const routing::MatcherSet& set : sets) {
    json::array matchers;
    for (const model::Matcher& matcher : set) {
      matchers.push_back({{"name", matcher.name()},
                          {"op", model::to_string(matcher.op())},
                          {"value", matcher.value()}});
    }
    all.push_back(std::move(matchers));
  }
  return all;
}

Result<std::vector<routing::MatcherSet>> read_sets(FieldReader& reader) {
  std::vector<routing::MatcherSet> sets;
  const json::array* all = reader.array("matcher_sets");
  if (!all) return sets;
  for (const json::value& set_value : *all) {
    const json::array* matchers = set_value.if_array();
    if (!matchers) return corrupt("stored matchers: a set is no array");
    routing::MatcherSet set;
    for (const json::value& value : *matchers) {
      const json::object* object = value.if_object();
      if (!object) return corrupt("stored matchers: a matcher is no object");
      FieldReader fields(*object);
      const model::MatchOp op = fields.word("op", parse_op);
      std::string name = fields.string("name");
      std::string text = fields.string("value");
      TC_TRY(fields.finish("matcher"));
      TC_TRY(auto matcher, model::Matcher::make(op, std::move(name), std::move(text)));
      set.push_back(std::move(matcher));
    }
    sets.push_back(std::move(set));
  }
  return sets;
}

json::array ranges_value(const std::vector<routing::Range>& ranges) {
  json::array array;
  for (const routing::Range& range : ranges) array.push_back(json::array{range.begin, range.end});
  return array;
}

std::vector<routing::Range> read_ranges(FieldReader& reader, std::string_view name) {
  std::vector<routing::Range> ranges;
  const json::array* array = reader.array(name);
  if (!array) return ranges;
  for (const json::value& value : *array) {
    const json::array* pair = value.if_array();
    const bool good = pair && pair->size() == 2 && (*pair)[0].is_int64() && (*pair)[1].is_int64();
    if (!good) {
      reader.wrong(name);
      return {};
    }
    ranges.push_back(
        {static_cast<int>((*pair)[0].get_int64()), static_cast<int>((*pair)[1].get_int64())});
  }
  return ranges;
}

json::object recurrence_value(const routing::Recurrence& recurrence) {
  json::object object;
  object["weekdays"] = ranges_value(recurrence.days.weekdays);
  object["days_of_month"] = ranges_value(recurrence.days.days_of_month);
  object["months"] = ranges_value(recurrence.days.months);
  object["years"] = ranges_value(recurrence.days.years);
  object["time_zone"] = recurrence.days.zone.name();
  object["start_minute"] = recurrence.start_minute;
  object["duration"] = recurrence.duration.count();
  return object;
}

Result<routing::Recurrence> read_recurrence(const json::object& object) {
  FieldReader reader(object);
  routing::Recurrence recurrence;
  recurrence.days.weekdays = read_ranges(reader, "weekdays");
  recurrence.days.days_of_month = read_ranges(reader, "days_of_month");
  recurrence.days.months = read_ranges(reader, "months");
  recurrence.days.years = read_ranges(reader, "years");
  const std::string zone = reader.string("time_zone");
  recurrence.start_minute = static_cast<int>(reader.integer("start_minute"));
  recurrence.duration = base::Duration(reader.integer("duration"));
  TC_TRY(reader.finish("recurrence"));
  TC_TRY(recurrence.days.zone, timezone::Zone::find(zone));
  return recurrence;
}

json::array fingerprints_value(const std::set<routing::Fingerprint>& fingerprints) {
  json::array array;
  for (const routing::Fingerprint fingerprint : fingerprints) {
    array.push_back(json::string(alert_key(fingerprint)));
  }
  return array;
}

std::set<routing::Fingerprint> read_fingerprints(FieldReader& reader, std::string_view name) {
  std::set<routing::Fingerprint> fingerprints;
  const json::array* array = reader.array(name);
  if (!array) return fingerprints;
  for (const json::value& value : *array) {
    const json::string* text = value.if_string();
    routing::Fingerprint fingerprint = 0;
    const auto read =
        text ? std::from_chars(text->data(), text->data() + text->size(), fingerprint, 16)
             : std::from_chars_result{nullptr, std::errc::invalid_argument};
    if (read.ec != std::errc() || read.ptr != text->data() + text->size()) {
      reader.wrong(name);
      return {};
    }
    fingerprints.insert(fingerprint);
  }
  return fingerprints;
}

void set_time(json::object& object, std::string_view name,
              const std::optional<base::WallTime>& time) {
  if (time) object[name] = base::to_ms(*time);
}

}  // namespace

KeptRecord silence_record(const routing::Silence& silence) {
  json::object object;
  object["matcher_sets"] = sets_value(silence.matcher_sets);
  object["starts_at"] = base::to_ms(silence.starts_at);
  object["ends_at"] = base::to_ms(silence.ends_at);
  object["updated_at"] = base::to_ms(silence.updated_at);
  object["created_by"] = silence.created_by;
  object["comment"] = silence.comment;
  if (!silence.annotations.empty()) object["annotations"] = strings_value(silence.annotations);
  if (silence.until_resolved) object["until_resolved"] = true;
  if (silence.remind_before) object["remind_before"] = silence.remind_before->count();
  if (silence.has_hidden) object["has_hidden"] = true;
  if (silence.reminded) object["reminded"] = true;
  return {std::string(kSilenceKind), silence.id, json::serialize(object)};
}

Result<routing::Silence> silence_from_record(const KeptRecord& record) {
  TC_TRY(const json::object object, parse_object(record.body, "silence"));
  FieldReader reader(object);
  routing::Silence silence;
  silence.id = record.key;
  TC_TRY(silence.matcher_sets, read_sets(reader));
  silence.starts_at = reader.time("starts_at");
  silence.ends_at = reader.time("ends_at");
  silence.updated_at = reader.time("updated_at");
  silence.created_by = reader.string("created_by");
  silence.comment = reader.string("comment");
  silence.annotations = reader.strings("annotations");
  silence.until_resolved = reader.boolean("until_resolved");
  if (object.contains("remind_before")) {
    silence.remind_before = base::Duration(reader.integer("remind_before"));
  }
  silence.has_hidden = reader.boolean("has_hidden");
  silence.reminded = reader.boolean("reminded");
  TC_TRY(reader.finish("silence"));
  return silence;
}

KeptRecord maintenance_record(const routing::Maintenance& maintenance) {
  json::object object;
  object["matcher_sets"] = sets_value(maintenance.matcher_sets);
  if (maintenance.once) {
    object["starts_at"] = base::to_ms(maintenance.once->starts_at);
    object["ends_at"] = base::to_ms(maintenance.once->ends_at);
  }
  if (maintenance.recurrence) object["recurrence"] = recurrence_value(*maintenance.recurrence);
  set_time(object, "ended_at", maintenance.ended_at);
  object["created_by"] = maintenance.created_by;
  object["comment"] = maintenance.comment;
  object["updated_at"] = base::to_ms(maintenance.updated_at);
  if (maintenance.configured) object["configured"] = true;
  return {std::string(kMaintenanceKind), maintenance.name, json::serialize(object)};
}

Result<routing::Maintenance> maintenance_from_record(const KeptRecord& record) {
  TC_TRY(const json::object object, parse_object(record.body, "maintenance"));
  FieldReader reader(object);
  routing::Maintenance maintenance;
  maintenance.name = record.key;
  TC_TRY(maintenance.matcher_sets, read_sets(reader));
  if (const auto starts = reader.optional_time("starts_at")) {
    maintenance.once = routing::Window{*starts, reader.time("ends_at")};
  }
  if (const json::object* recurrence = reader.object("recurrence")) {
    TC_TRY(maintenance.recurrence, read_recurrence(*recurrence));
  }
  maintenance.ended_at = reader.optional_time("ended_at");
  maintenance.created_by = reader.string("created_by");
  maintenance.comment = reader.string("comment");
  maintenance.updated_at = reader.time("updated_at");
  maintenance.configured = reader.boolean("configured");
  TC_TRY(reader.finish("maintenance"));
  return maintenance;
}

KeptRecord notify_log_record(const routing::LoggedNotification& entry) {
  json::object object;
  object["firing"] = fingerprints_value(entry.firing);
  object["resolved"] = fingerprints_value(entry.resolved);
  object["at"] = base::to_ms(entry.at);
  object["expires_at"] = base::to_ms(entry.expires_at);
  return {std::string(kNotifyLogKind), entry.key, json::serialize(object)};
}

Result<routing::LoggedNotification> notify_log_from_record(const KeptRecord& record) {
  TC_TRY(const json::object object, parse_object(record.body, "notification log"));
  FieldReader reader(object);
  routing::LoggedNotification entry;
  entry.key = record.key;
  entry.firing = read_fingerprints(reader, "firing");
  entry.resolved = read_fingerprints(reader, "resolved");
  entry.at = reader.time("at");
  entry.expires_at = reader.time("expires_at");
  TC_TRY(reader.finish("notification log"));
  return entry;
}

void read_routing_records(const std::vector<KeptRecord>& records, routing::StoredRouting& stored,
                          std::vector<base::Error>& errors) {
  const auto take = [&errors](auto value, auto& into) {
    if (value) {
      into.push_back(std::move(*value));
    } else {
      errors.push_back(value.error());
    }
  };
  for (const KeptRecord& record : records) {
    if (record.kind == kSilenceKind) take(silence_from_record(record), stored.silences);
    if (record.kind == kMaintenanceKind) take(maintenance_from_record(record), stored.maintenances);
    if (record.kind == kNotifyLogKind) take(notify_log_from_record(record), stored.logs);
  }
}

}  // namespace tocsin::incident

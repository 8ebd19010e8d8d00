// Calendar files, over libical: parsing, folding of lines and recurrence are the library's, zones
// are ours (common/timezone), because it would read its own copy of the database.
#include <fmt/format.h>
#include <libical/ical.h>

#include <map>
#include <memory>
#include <set>

#include "alertd/oncall/holidays.h"
#include "common/base/strings.h"

namespace tocsin::oncall {

using base::ErrorCode;
using base::Result;
using base::WallTime;
using timezone::LocalTime;
using timezone::Zone;

namespace {

constexpr int kYearMax = 2100;
constexpr std::size_t kNameMax = 200;

struct FreeComponent {
  void operator()(icalcomponent* component) const { icalcomponent_free(component); }
};
struct FreeIterator {
  void operator()(icalrecur_iterator* iterator) const { icalrecur_iterator_free(iterator); }
};

/// Returns the numbers of the lines on which events begin, in order.
std::vector<std::size_t> event_lines(std::string_view text) {
  std::vector<std::size_t> lines;
  std::size_t number = 0;
  base::for_each_line(text, [&](std::string_view line) {
    ++number;
    if (base::trim(line) == "BEGIN:VEVENT") lines.push_back(number);
  });
  return lines;
}

LocalTime local_of(const icaltimetype& time) {
  const std::chrono::year_month_day date{std::chrono::year(time.year),
                                         std::chrono::month(static_cast<unsigned>(time.month)),
                                         std::chrono::day(static_cast<unsigned>(time.day))};
  const LocalTime day{std::chrono::local_days(date)};
  if (time.is_date) return day;
  return day + std::chrono::hours(time.hour) + std::chrono::minutes(time.minute) +
         std::chrono::seconds(time.second);
}

icaltimetype to_ical(LocalTime local) {
  const auto day = std::chrono::floor<std::chrono::days>(local);
  const std::chrono::year_month_day date{day};
  const auto seconds = std::chrono::floor<std::chrono::seconds>(local - day).count();
  icaltimetype time = icaltime_null_time();
  time.year = static_cast<int>(date.year());
  time.month = static_cast<int>(static_cast<unsigned>(date.month()));
  time.day = static_cast<int>(static_cast<unsigned>(date.day()));
  time.hour = static_cast<int>(seconds / 3600);
  time.minute = static_cast<int>(seconds / 60 % 60);
  time.second = static_cast<int>(seconds % 60);
  return time;
}

bool plausible(const icaltimetype& time) {
  return !icaltime_is_null_time(time) && time.year >= 1900 && time.year <= 2500 &&
         time.month >= 1 && time.month <= 12 && time.day >= 1 && time.day <= 31 && time.hour >= 0 &&
         time.hour <= 24;
}

/// A time as a property says it.
struct Stamp {
  icaltimetype time;
  bool all_day = false;
  std::optional<Zone> zone;  ///< None: local to whoever asks.
};

/// Some programs write "/vendor/20260101/Europe/Berlin".
Result<Zone> find_zone(std::string_view id) {
  auto zone = Zone::find(id);
  for (std::size_t slash = id.find('/'); !zone && slash != std::string_view::npos;
       slash = id.find('/')) {
    id.remove_prefix(slash + 1);
    if (auto shorter = Zone::find(id)) zone = std::move(shorter);
  }
  return zone;
}

Result<Stamp> read_stamp(icalproperty* property) {
  Stamp stamp;
  stamp.time = icalvalue_get_datetimedate(icalproperty_get_value(property));
  if (!plausible(stamp.time)) {
    return base::error(ErrorCode::InvalidArgument,
                       fmt::format("'{}' is not a date or a time",
                                   icalproperty_kind_to_string(icalproperty_isa(property))));
  }
  stamp.all_day = stamp.time.is_date != 0;
  icalparameter* id = icalproperty_get_first_parameter(property, ICAL_TZID_PARAMETER);
  if (icaltime_is_utc(stamp.time)) {
    stamp.zone = Zone();
  } else if (!stamp.all_day && id) {
    TC_TRY(stamp.zone, find_zone(icalparameter_get_tzid(id)));
  }
  stamp.time.zone = nullptr;  // from here on a local time of stamp.zone
  return stamp;
}

struct Event {
  std::string uid;
  std::string name;
  Stamp begin;
  std::chrono::milliseconds length{0};
  std::optional<icalrecurrencetype> rule;
  std::set<LocalTime> left_out;
  std::optional<LocalTime> replaces;  ///< RECURRENCE-ID
};

/// Returns the time in the zone of the event's begin.
LocalTime in_zone_of(const Event& event, const Stamp& stamp) {
  const LocalTime local = local_of(stamp.time);
  if (!stamp.zone || !event.begin.zone || *stamp.zone == *event.begin.zone) return local;
  return event.begin.zone->to_local(stamp.zone->to_wall(local));
}

icalproperty* first(icalcomponent* component, icalproperty_kind kind) {
  return icalcomponent_get_first_property(component, kind);
}

/// The library drops a property that it cannot read and leaves a note.
Result<void> check_notes(icalcomponent* component) {
  for (icalproperty* note = first(component, ICAL_XLICERROR_PROPERTY); note;
       note = icalcomponent_get_next_property(component, ICAL_XLICERROR_PROPERTY)) {
    const char* value = icalproperty_get_xlicerror(note);
    const std::string_view text = value ? value : "";
    for (const char* name : {"DTSTART", "DTEND", "DURATION", "RRULE", "EXDATE", "RECURRENCE-ID"}) {
      if (text.find(name) != std::string_view::npos) {
        return base::error(ErrorCode::InvalidArgument, fmt::format("{} cannot be read", name));
      }
    }
  }
  return base::ok();
}

Result<void> read_length(icalcomponent* component, Event& event) {
  event.length = event.begin.all_day ? std::chrono::hours(24) : std::chrono::hours(0);
  if (icalproperty* property = first(component, ICAL_DTEND_PROPERTY)) {
    TC_TRY(const Stamp end, read_stamp(property));
    event.length = in_zone_of(event, end) - local_of(event.begin.time);
    if (end.all_day != event.begin.all_day) {
      return base::error(ErrorCode::InvalidArgument,
                         "DTSTART and DTEND must both be dates or both be times");
    }
  } else if (icalproperty* duration = first(component, ICAL_DURATION_PROPERTY)) {
    event.length =
        std::chrono::seconds(icaldurationtype_as_int(icalproperty_get_duration(duration)));
  }
  if (event.length < std::chrono::milliseconds(0) || event.length > std::chrono::hours(24 * 3660)) {
    return base::error(ErrorCode::InvalidArgument,
                       "the event ends before it begins, or after ten years");
  }
  return base::ok();
}

Result<void> read_rule(icalcomponent* component, Event& event) {
  icalproperty* property = first(component, ICAL_RRULE_PROPERTY);
  if (!property) return base::ok();
  icalrecurrencetype rule = icalproperty_get_rrule(property);
  if (rule.freq != ICAL_DAILY_RECURRENCE && rule.freq != ICAL_WEEKLY_RECURRENCE &&
      rule.freq != ICAL_MONTHLY_RECURRENCE && rule.freq != ICAL_YEARLY_RECURRENCE) {
    return base::error(ErrorCode::InvalidArgument,
                       "RRULE: FREQ must be DAILY, WEEKLY, MONTHLY or YEARLY");
  }
  if (!icaltime_is_null_time(rule.until)) {
    Stamp until{rule.until, rule.until.is_date != 0, {}};
    if (icaltime_is_utc(rule.until)) until.zone = Zone();
    if (!plausible(until.time)) {
      return base::error(ErrorCode::InvalidArgument, "RRULE: UNTIL is not a date or a time");
    }
    LocalTime last = in_zone_of(event, until);
    if (until.all_day) last += std::chrono::hours(24) - std::chrono::seconds(1);
    rule.until = to_ical(last);
  }
  event.rule = rule;
  return base::ok();
}

Result<Event> read_event(icalcomponent* component) {
  Event event;
  TC_TRY(check_notes(component));
  if (const char* uid = icalcomponent_get_uid(component)) event.uid = uid;
  if (const char* name = icalcomponent_get_summary(component)) event.name = name;
  if (event.name.size() > kNameMax) event.name.resize(kNameMax);
  icalproperty* begin = first(component, ICAL_DTSTART_PROPERTY);
  if (!begin) return base::error(ErrorCode::InvalidArgument, "the event has no DTSTART");
  TC_TRY(event.begin, read_stamp(begin));
  TC_TRY(read_length(component, event));
  TC_TRY(read_rule(component, event));
  for (icalproperty* property = first(component, ICAL_EXDATE_PROPERTY); property;
       property = icalcomponent_get_next_property(component, ICAL_EXDATE_PROPERTY)) {
    TC_TRY(const Stamp stamp, read_stamp(property));
    event.left_out.insert(in_zone_of(event, stamp));
  }
  if (icalproperty* property = first(component, ICAL_RECURRENCEID_PROPERTY)) {
    TC_TRY(const Stamp stamp, read_stamp(property));
    event.replaces = in_zone_of(event, stamp);
  }
  return event;
}

void add(const Event& event, LocalTime begin, Holidays& holidays) {
  if (event.left_out.contains(begin)) return;
  if (event.begin.zone) {
    const WallTime from = event.begin.zone->to_wall(begin);
    holidays.add(from, event.begin.zone->to_wall(begin + event.length), event.name);
  } else {
    holidays.add_local(begin, begin + event.length, event.name);
  }
}

Result<void> expand(const Event& event, std::size_t& left, Holidays& holidays) {
  const auto one = [&](LocalTime begin) -> Result<void> {
    if (left == 0) {
      return base::error(ErrorCode::LimitExceeded, "too many occurrences until the year 2100");
    }
    --left;
    add(event, begin, holidays);
    return base::ok();
  };
  if (!event.rule) return one(local_of(event.begin.time));
  const std::unique_ptr<icalrecur_iterator, FreeIterator> iterator(
      icalrecur_iterator_new(*event.rule, event.begin.time));
  if (!iterator) return base::error(ErrorCode::InvalidArgument, "RRULE cannot be read");
  while (true) {
    const icaltimetype next = icalrecur_iterator_next(iterator.get());
    if (icaltime_is_null_time(next) || next.year > kYearMax) return base::ok();
    TC_TRY(one(local_of(next)));
  }
}

Result<std::vector<Event>> read_events(icalcomponent* calendar,
                                       const std::vector<std::size_t>& lines) {
  std::vector<Event> events;
  std::size_t index = 0;
  for (icalcomponent* component =
           icalcomponent_get_first_component(calendar, ICAL_VEVENT_COMPONENT);
       component;
       component = icalcomponent_get_next_component(calendar, ICAL_VEVENT_COMPONENT), ++index) {
    if (icalcomponent_get_status(component) == ICAL_STATUS_CANCELLED) continue;
    auto event = read_event(component);
    if (!event) {
      const std::size_t line = index < lines.size() ? lines[index] : 0;
      return with_context(event.error(), fmt::format("line {}", line));
    }
    events.push_back(std::move(*event));
  }
  return events;
}

}  // namespace

Result<Holidays> parse_calendar(std::string_view text, const CalendarLimits& limits) {
  if (text.size() > limits.bytes_max) {
    return base::error(ErrorCode::LimitExceeded, fmt::format("calendar is {} bytes, limit {}",
                                                             text.size(), limits.bytes_max));
  }
  if (text.find('\0') != std::string_view::npos) {
    return base::error(ErrorCode::InvalidArgument, "line 1: not a calendar: a NUL byte");
  }
  const std::vector<std::size_t> lines = event_lines(text);
  if (lines.size() > limits.events_max) {
    return base::error(ErrorCode::LimitExceeded, fmt::format("calendar has {} events, limit {}",
                                                             lines.size(), limits.events_max));
  }
  icalerror_set_errors_are_fatal(false);
  const std::unique_ptr<icalcomponent, FreeComponent> root(
      icalparser_parse_string(std::string(text).c_str()));
  icalcomponent* calendar = root.get();
  if (calendar && icalcomponent_isa(calendar) != ICAL_VCALENDAR_COMPONENT) {
    calendar = icalcomponent_get_first_component(calendar, ICAL_VCALENDAR_COMPONENT);
  }
  if (!calendar) {
    return base::error(ErrorCode::InvalidArgument, "line 1: not a calendar: no BEGIN:VCALENDAR");
  }
  TC_TRY(std::vector<Event> events, read_events(calendar, lines));
  std::map<std::string, std::set<LocalTime>> replaced;
  for (const Event& event : events) {
    if (event.replaces) replaced[event.uid].insert(*event.replaces);
  }
  Holidays holidays;
  std::size_t left = limits.occurrences_max;
  for (Event& event : events) {
    const auto moved = replaced.find(event.uid);
    if (event.rule && moved != replaced.end()) {
      event.left_out.insert(moved->second.begin(), moved->second.end());
    }
    TC_TRY(expand(event, left, holidays));
  }
  holidays.normalize();
  return holidays;
}

}  // namespace tocsin::oncall

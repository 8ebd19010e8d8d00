#include "alertd/oncall/directory_config.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/strings.h"

namespace tocsin::oncall {

using base::Result;
using timezone::Zone;

namespace {

constexpr std::size_t kNameMax = 100;
constexpr std::size_t kPersonsMax = 10'000;
constexpr std::size_t kLayersMax = 50;
constexpr std::size_t kTurnsMax = 500;
constexpr std::size_t kOverridesMax = 1000;
constexpr std::size_t kGapsShown = 5;

bool is_name(std::string_view name) {
  constexpr std::string_view kOdd = "_-.";
  return !name.empty() && name.size() <= kNameMax &&
         std::all_of(name.begin(), name.end(), [kOdd](char c) {
           const auto byte = static_cast<unsigned char>(c);
           return std::isalnum(byte) || byte >= 0x80 || kOdd.find(c) != std::string_view::npos;
         });
}

class Reader {
 public:
  explicit Reader(const std::optional<std::vector<std::string>>& receivers)
      : receivers_(receivers) {}

  Directory read(config::Table& root) {
    for (config::Table& table : root.tables("person")) read_person(table);
    if (directory_.persons.size() > kPersonsMax) {
      root.error("person", fmt::format("more than {} persons", kPersonsMax));
    }
    for (config::Table& table : root.tables("team")) read_team(table);
    for (config::Table& table : root.tables("schedule")) read_schedule(table);
    return std::move(directory_);
  }

 private:
  template <class Map>
  std::string read_name(config::Table& table, const char* what, const Map& known) {
    const std::string name = table.required_string("name");
    if (name.empty()) return {};
    if (!is_name(name)) {
      table.error("name", fmt::format("'{}' is no name of a {}", name, what),
                  "letters, digits, '-', '_' and '.', at most 100 bytes");
      return {};
    }
    if (known.contains(name)) {
      table.error("name", fmt::format("two {}s are named '{}'", what, name));
      return {};
    }
    return name;
  }

  void check_receiver(config::Table& table, const char* key, const std::string& name) {
    if (!receivers_ || name.empty()) return;
    if (std::find(receivers_->begin(), receivers_->end(), name) != receivers_->end()) return;
    const auto near = base::closest(name, *receivers_);
    table.error(key, fmt::format("there is no receiver '{}'", name),
                near ? fmt::format("did you mean '{}'?", *near) : "define it under [[receiver]]");
  }

  void read_person(config::Table& table) {
    Person person;
    person.name = read_name(table, "person", directory_.persons);
    person.zone = read_zone(table, Zone());
    person.receiver = table.required_string("receiver");
    check_receiver(table, "receiver", person.receiver);
    person.important_receiver = table.string("important_receiver", "");
    check_receiver(table, "important_receiver", person.important_receiver);
    table.finish();
    if (!person.name.empty()) directory_.persons.emplace(person.name, person);
  }

  /// Reads names of persons; "ada+ben" are two who are on call together.
  std::vector<std::vector<std::string>> read_persons(config::Table& table, const char* key) {
    std::vector<std::vector<std::string>> turns;
    const std::vector<std::string> known = base::keys_of(directory_.persons);
    for (const std::string& text : table.strings(key)) {
      std::vector<std::string> turn;
      for (const std::string_view part : base::split(text, '+')) {
        std::string name(base::trim(part));
        if (!directory_.persons.contains(name)) {
          const auto near = base::closest(name, known);
          table.error(key, fmt::format("there is no person '{}'", name),
                      near ? fmt::format("did you mean '{}'?", *near)
                           : "define the person under [[person]]");
          continue;
        }
        turn.push_back(std::move(name));
      }
      if (!turn.empty()) turns.push_back(std::move(turn));
    }
    return turns;
  }

  void read_team(config::Table& table) {
    Team team;
    team.name = read_name(table, "team", directory_.teams);
    for (const auto& turn : read_persons(table, "persons")) {
      team.persons.insert(team.persons.end(), turn.begin(), turn.end());
    }
    std::sort(team.persons.begin(), team.persons.end());
    if (std::adjacent_find(team.persons.begin(), team.persons.end()) != team.persons.end()) {
      table.error("persons", "a person is named twice");
    }
    if (table.strings("persons").empty()) {
      table.error("persons", fmt::format("team '{}' is empty", team.name),
                  "name its persons: persons = [\"ada\", \"ben\"]");
    }
    table.finish();
    if (!team.name.empty()) directory_.teams.emplace(team.name, team);
  }

  void read_schedule(config::Table& table) {
    Schedule schedule;
    schedule.at = table.position();
    schedule.name = read_name(table, "schedule", directory_.schedules);
    schedule.zone = read_zone(table, Zone());
    schedule.holidays = read_holidays(table);
    schedule.notice = table.optional_duration("handover_notice");
    if (schedule.notice && *schedule.notice > std::chrono::hours(24)) {
      table.error("handover_notice", "must be at most 1d");
    }
    std::vector<config::Table> layers = table.tables("layer");
    if (layers.size() > kLayersMax)
      table.error("layer", fmt::format("more than {} layers", kLayersMax));
    for (config::Table& layer : layers) read_layer(layer, schedule);
    read_overrides(table, schedule);
    if (layers.empty() && schedule.overrides.empty()) {
      table.error("layer", fmt::format("schedule '{}' has nobody", schedule.name),
                  "add a [[schedule.layer]] with persons, rotation and start");
    }
    table.finish();
    if (!schedule.name.empty()) directory_.schedules.emplace(schedule.name, schedule);
  }

  static std::shared_ptr<const Holidays> read_holidays(config::Table& table) {
    const std::string path = table.string("holidays", "");
    if (path.empty()) return nullptr;
    const CalendarLimits limits;
    const auto text = table.context().files.read(path, limits.bytes_max);
    if (!text) {
      table.error("holidays", fmt::format("'{}' cannot be read: {}", path, text.error().message));
      return nullptr;
    }
    auto holidays = parse_calendar(*text, limits);
    if (!holidays) {
      table.error("holidays", fmt::format("{}: {}", path, holidays.error().message),
                  "an iCalendar file (RFC 5545)");
      return nullptr;
    }
    return std::make_shared<const Holidays>(std::move(*holidays));
  }

  void read_layer(config::Table& table, Schedule& schedule) {
    Layer layer;
    layer.name = table.string("name", fmt::format("layer {}", schedule.layers.size() + 1));
    layer.rotation.turns = read_persons(table, "persons");
    if (table.strings("persons").empty()) {
      table.error("persons", fmt::format("layer '{}' has nobody", layer.name),
                  "name those who take turns: persons = [\"ada\", \"ben\"]");
    }
    if (layer.rotation.turns.size() > kTurnsMax) {
      table.error("persons", fmt::format("more than {} turns", kTurnsMax));
    }
    read_rotation(table, layer);
    layer.hours = read_hours(table);
    const std::string holidays = table.one_of("holidays", "ignore", {"ignore", "suppress", "only"});
    layer.on_holidays = holidays == "suppress" ? OnHolidays::Suppress
                        : holidays == "only"   ? OnHolidays::Only
                                               : OnHolidays::Ignore;
    if (layer.on_holidays != OnHolidays::Ignore && !schedule.holidays) {
      table.error("holidays", "the schedule has no calendar of holidays",
                  "give it one: holidays = \"/etc/tocsin/holidays.ics\"");
    }
    table.finish();
    schedule.layers.push_back(std::move(layer));
  }

  static void read_rotation(config::Table& table, Layer& layer) {
    const std::string text = table.string("rotation", "weekly");
    const std::string start = table.required_string("start");
    if (!start.empty()) {
      auto local = timezone::parse_local(start);
      if (local) {
        layer.rotation.start = *local;
      } else {
        table.error("start", local.error().message, "the first hand-over, in the schedule's zone");
      }
    }
    base::Duration length = std::chrono::hours(24 * 7);
    if (text == "daily") {
      length = std::chrono::hours(24);
    } else if (text != "weekly") {
      const auto parsed = base::parse_duration(text);
      if (!parsed) {
        table.error("rotation", fmt::format("'{}' is no rotation", text),
                    "daily, weekly, or a length such as 12h, 3d, 2w");
        return;
      }
      length = *parsed;
    }
    layer.rotation.length = std::chrono::duration_cast<std::chrono::hours>(length);
    if (length < std::chrono::hours(1) || layer.rotation.length != length) {
      table.error("rotation", fmt::format("a turn of {} is not possible", text),
                  "whole hours, at least 1h");
      layer.rotation.length = std::chrono::hours(24 * 7);
    }
  }

  void read_overrides(config::Table& table, Schedule& schedule) {
    std::vector<config::Table> overrides = table.tables("override");
    if (overrides.size() > kOverridesMax) {
      table.error("override", fmt::format("more than {} overrides", kOverridesMax));
    }
    for (config::Table& each : overrides) {
      Override over;
      over.id = fmt::format("config-{}", schedule.overrides.size() + 1);
      over.schedule = schedule.name;
      for (auto& turn : read_persons(each, "person")) {
        over.persons.insert(over.persons.end(), turn.begin(), turn.end());
      }
      if (!each.has("person")) each.error("person", "'person' is missing");
      over.begin = read_instant(each, "from", schedule.zone);
      over.end = read_instant(each, "to", schedule.zone);
      if (over.end <= over.begin) each.error("to", "the override ends before it begins");
      over.comment = each.string("comment", "");
      each.finish();
      schedule.overrides.push_back(std::move(over));
    }
  }

  static base::WallTime read_instant(config::Table& table, const char* key, const Zone& zone) {
    const std::string text = table.required_string(key);
    if (text.empty()) return {};
    if (const auto instant = base::parse_rfc3339(text)) return *instant;
    const auto local = timezone::parse_local(text);
    if (local) return zone.to_wall(*local);
    table.error(key, local.error().message, "in the schedule's zone, or with an offset");
    return {};
  }

  const std::optional<std::vector<std::string>>& receivers_;
  Directory directory_;
};

}  // namespace

Zone read_zone(config::Table& table, const Zone& otherwise) {
  const auto name = table.optional_string("time_zone");
  if (!name) return otherwise;
  auto zone = Zone::find(*name);
  if (zone) return *zone;
  table.error("time_zone", zone.error().message, "names as in `timedatectl list-timezones`");
  return otherwise;
}

std::vector<timezone::Hours> read_hours(config::Table& table) {
  std::vector<timezone::Hours> all;
  std::array<bool, 7> days{true, true, true, true, true, true, true};
  if (const auto text = table.optional_string("weekdays")) {
    auto parsed = timezone::parse_weekdays(*text);
    if (parsed) {
      days = *parsed;
    } else {
      table.error("weekdays", parsed.error().message);
    }
  }
  for (const std::string& text : table.strings("hours", {})) {
    auto hours = timezone::parse_hours(text);
    if (!hours) {
      table.error("hours", hours.error().message);
      continue;
    }
    hours->weekdays = days;
    all.push_back(*hours);
  }
  if (all.empty() && table.has("weekdays")) all.push_back({days});
  return all;
}

Directory read_directory(config::Table& root,
                         const std::optional<std::vector<std::string>>& receivers) {
  return Reader(receivers).read(root);
}

void warn_of_gaps(const Directory& directory, const std::string& file, base::WallTime from,
                  base::WallTime to, base::Diagnostics& diagnostics) {
  for (const auto& [name, schedule] : directory.schedules) {
    const std::vector<Shift> holes = gaps(schedule, from, to);
    for (std::size_t i = 0; i < holes.size() && i < kGapsShown; ++i) {
      base::Diagnostic diagnostic;
      diagnostic.severity = base::DiagnosticSeverity::Warning;
      diagnostic.file = file;
      diagnostic.line = schedule.at.line;
      diagnostic.column = schedule.at.column;
      diagnostic.message =
          fmt::format("schedule '{}': nobody is on call from {} to {}{}", name,
                      timezone::format_local(schedule.zone, holes[i].begin),
                      timezone::format_local(schedule.zone, holes[i].end),
                      i + 1 == kGapsShown && holes.size() > kGapsShown
                          ? fmt::format(" (and {} more gaps)", holes.size() - kGapsShown)
                          : "");
      diagnostic.hint =
          "add a layer without hours below, or a fallback to the policies that use it";
      diagnostics.push_back(std::move(diagnostic));
    }
  }
}

}  // namespace tocsin::oncall

// Runs tests/data/notify/*.test: a timeline in, deliveries with reasons out, in virtual time.
//
// The grammar is in tests/data/notify/README.md. The runner calls Engine::step directly and keeps
// what each step commits in a fake store, so that `restart` is a new engine over what was durable.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>

#include "alertd/incident/engine.h"
#include "alertd/incident/fake_state_store.h"
#include "alertd/incident/policy_config.h"
#include "alertd/oncall/directory_config.h"
#include "alertd/routing/matcher_text.h"
#include "alertd/routing/route_config.h"
#include "common/base/file_system.h"
#include "common/base/sim_executor.h"
#include "common/base/strings.h"
#include "common/config/source.h"
#include "common/config/toml.h"

namespace tocsin::incident {
namespace {

using base::Duration;
using base::WallTime;

struct Delivery {
  Duration at;
  Notification notification;
};

struct Line {
  std::string where;
  std::string verb;
  std::vector<std::string> words;               ///< Without name=value pairs.
  std::map<std::string, std::string> settings;  ///< name=value
  std::string labels;                           ///< Text inside {}.
};

Duration must_duration(std::string_view text) {
  const auto duration = base::parse_duration(text);
  REQUIRE_MESSAGE(duration, "bad duration ", std::string(text));
  return *duration;
}

/// Splits at spaces outside quotes, braces and brackets.
std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words(1);
  int depth = 0;
  bool quoted = false;
  for (const char c : text) {
    if (c == '"') quoted = !quoted;
    if (!quoted && (c == '{' || c == '[')) ++depth;
    if (!quoted && (c == '}' || c == ']')) --depth;
    if (c == ' ' && depth == 0 && !quoted) {
      if (!words.back().empty()) words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

Line parse_line(std::string where, std::string_view text) {
  Line line;
  line.where = std::move(where);
  for (std::string& word : split_words(text)) {
    const std::size_t equals = word.find('=');
    if (line.verb.empty()) {
      line.verb = std::move(word);
    } else if (word.front() == '{') {
      line.labels = word.substr(1, word.size() - 2);
    } else if (equals != std::string::npos && word.front() != '"') {
      line.settings[word.substr(0, equals)] = word.substr(equals + 1);
    } else {
      line.words.push_back(std::move(word));
    }
  }
  return line;
}

/// One scenario of a file: its lines, with their numbers.
struct Part {
  std::string title;
  std::vector<std::pair<std::size_t, std::string>> lines;
};

/// "=== title" begins a scenario; what stands before the first belongs to each of them.
std::vector<Part> split_parts(std::string_view text) {
  std::vector<Part> parts(1);
  std::size_t number = 0;
  base::for_each_line(text, [&](std::string_view line) {
    ++number;
    if (line.starts_with("=== ")) {
      parts.push_back({std::string(line.substr(4)), parts.front().lines});
    } else {
      parts.back().lines.emplace_back(number, line);
    }
  });
  if (parts.size() > 1) parts.erase(parts.begin());
  return parts;
}

class Scenario {
 public:
  void run(const std::string& file, const Part& part) {
    INFO(file, " === ", part.title);
    for (const auto& [line_number, raw_line] : part.lines) {
      const std::size_t number = line_number;
      const std::string_view raw = raw_line;
      if (raw.starts_with('|')) {
        toml_ += std::string(raw.substr(1)) + "\n";
        continue;
      }
      std::string_view content = base::trim(raw.substr(0, raw.find('#')));
      if (content.empty()) continue;
      run_line(fmt::format("{}:{}", file, number), content);
    }
    CHECK_MESSAGE(deliveries_.empty(), file, ": not expected at the end: ", describe_next());
  }

 private:
  void run_line(const std::string& where, std::string_view content) {
    INFO(where, ": ", std::string(content));
    const std::size_t space = content.find(' ');
    const std::string_view first = content.substr(0, space);
    const std::string_view rest = base::trim(content.substr(std::min(space, content.size())));
    if (first == "config") {
      configure(parse_line(where, rest));
      return;
    }
    if (!engine_) {
      start();
      step({});
    }
    advance(must_duration(first));
    act(parse_line(where, rest));
  }

  void configure(const Line& line) {
    REQUIRE_MESSAGE(!engine_, "config must stand before the timeline");
    if (line.verb == "channels") {
      REQUIRE(!line.words.empty());
      std::vector<std::string>& channels = settings_.receivers[line.words.front()];
      channels.assign(line.words.begin() + 1, line.words.end());
    } else if (line.verb == "route") {
      add_route(line);
    } else if (line.verb == "incident") {
      for (const auto& [name, value] : line.settings) set_incident(name, value);
    } else if (line.verb == "start") {
      start_ = base::parse_rfc3339(line.words.at(0)).value();
    } else if (line.verb == "escalate") {
      add_policy(line);
    } else {
      FAIL("unknown config ", line.verb);
    }
  }

  /// "NAME: TARGET AFTER, TARGET AFTER ...": a policy for every severity.
  void add_policy(const Line& line) {
    std::string name = line.words.at(0);
    REQUIRE(name.ends_with(':'));
    name.pop_back();
    toml_ += fmt::format("[[policy]]\nname = \"{}\"\n", name);
    for (std::size_t i = 1; i < line.words.size(); i += 2) {
      std::string after = line.words.at(i + 1);
      if (after.ends_with(',')) after.pop_back();
      toml_ +=
          fmt::format("[[policy.step]]\nnotify = \"{}\"\nafter = \"{}\"\n", line.words[i], after);
    }
    toml_ += fmt::format(
        "[policies]\ncritical=\"{0}\"\nhigh=\"{0}\"\nmedium="
        "\"{0}\"\nlow=\"{0}\"\n",
        name);
  }

  /// Reads persons, schedules and policies as alertd.toml would give them.
  void read_toml() {
    const auto files = base::make_real_file_system();
    const config::Source source{"scenario", toml_};
    base::Diagnostics diagnostics;
    const config::Node document = config::parse_toml(source, diagnostics);
    config::Context context{source, diagnostics, *files};
    config::Table root(context, &document);
    std::vector<std::string> receivers;
    for (const auto& [name, channels] : settings_.receivers) receivers.push_back(name);
    settings_.directory = oncall::read_directory(root, receivers);
    settings_.dependencies = read_dependencies(root);
    settings_.policies = read_policies(root, settings_.directory, settings_.receivers);
    root.finish();
    const std::vector<config::Source> sources{source};
    REQUIRE_MESSAGE(diagnostics.empty(), config::render_all(diagnostics, sources));
  }

  void set_incident(const std::string& name, const std::string& value) {
    const bool never = value == "never";
    if (name == "resolve_hold") {
      routing_.resolve_wait = never ? std::nullopt : std::optional(must_duration(value));
    } else if (name == "raise_early") {
      routing_.raise_early = !never;
    } else if (name == "manual_hold") {
      settings_.manual_hold = must_duration(value);
    } else if (name == "reopen_window") {
      settings_.reopen_window = must_duration(value);
    } else if (name == "startup_grace") {
      settings_.startup_grace = must_duration(value);
    } else if (name == "storm_incidents") {
      settings_.storm_incidents = static_cast<std::size_t>(std::stoul(value));
    } else if (name == "hold_dependents") {
      settings_.hold_dependents = true;
    } else {
      FAIL("unknown setting ", name);
    }
  }

  void add_route(const Line& line) {
    routing::Route route;
    for (const auto& [name, value] : line.settings) {
      if (name == "receiver") {
        route.receiver = value;
      } else if (name == "name") {
        route.name = value;
      } else if (name == "policy") {
        route.policy = value;
      } else if (name == "match") {
        auto matchers = routing::parse_matchers(value);
        REQUIRE_MESSAGE(matchers, matchers);
        route.matchers = *matchers;
      } else if (name == "group_by") {
        for (const auto label :
             base::split(std::string_view(value).substr(1, value.size() - 2), ',')) {
          route.group_by.emplace_back(base::trim(label));
        }
        std::sort(route.group_by.begin(), route.group_by.end());
      } else if (name == "group_wait") {
        route.timing.group_wait = must_duration(value);
      } else if (name == "group_interval") {
        route.timing.group_interval = must_duration(value);
      } else if (name == "repeat") {
        route.timing.repeat_interval = must_duration(value);
      } else if (name == "mute") {
        route.mute_time_intervals = {add_interval(value)};
      } else {
        FAIL("unknown route setting ", name);
      }
    }
    route.continues =
        std::find(line.words.begin(), line.words.end(), "continue") != line.words.end();
    if (has_root_) {
      routing_.root.children.push_back(std::move(route));
    } else {
      routing_.root = std::move(route);
      has_root_ = true;
    }
  }

  /// "22:15-22:45" of every day, UTC; returns its name.
  std::string add_interval(const std::string& times) {
    const auto range = routing::parse_times(times);
    REQUIRE_MESSAGE(range, range);
    routing::TimePeriod period;
    period.times = {*range};
    routing_.time_intervals.push_back({times, {std::move(period)}});
    return times;
  }

  void start() {
    REQUIRE(has_root_);
    routing::complete_routes(routing_.root);
    if (!toml_.empty()) read_toml();
    engine_ = std::make_unique<Engine>(routing_, routing::PipelineLimits{}, settings_);
    store_.load(now() - settings_.look_back(), executor_, [this](base::Result<LoadedState> state) {
      REQUIRE(state);
      const auto errors = engine_->restore(*state, now());
      REQUIRE(errors.empty());
    });
    executor_.run_ready();
  }

  WallTime now() const { return start_ + at_; }

  void advance(Duration to) {
    REQUIRE_MESSAGE(to >= at_, "time goes back");
    while (true) {
      const auto due = engine_->next_due();
      if (!due || *due > start_ + to) break;
      const Duration next = std::max(at_, *due - start_);
      if (next > at_) check_seen();
      at_ = next;
      step({});
    }
    if (to > at_) check_seen();
    at_ = to;
  }

  /// What was delivered must have been expected before time goes on.
  void check_seen() {
    CHECK_MESSAGE(deliveries_.empty(), "not expected: ", describe_next());
    deliveries_.clear();
    held_.clear();
  }

  void step(const StepInput& input) {
    StepResult result = engine_->step(now(), input);
    for (const Decided& decided : result.decisions) {
      if (!decided.sent) held_.push_back(std::string(routing::to_string(decided.reason)));
    }
    for (const auto& reply : result.replies) CHECK_MESSAGE(reply, reply);
    for (const Notification& notification : result.change.outbox) {
      CHECK_MESSAGE(keys_.insert(notification.key).second, "delivery key used twice");
      last_[notification.receiver + "/" + notification.channel] = notification;
      deliveries_.push_back({at_, notification});
    }
    store_.commit(std::move(result.change), executor_, [](base::Result<void>) {});
    executor_.run_ready();
  }

  void act(const Line& line) {
    if (line.verb == "fire" || line.verb == "resolve") {
      post(line);
    } else if (kCommands.contains(line.verb)) {
      command(line);
    } else if (line.verb == "dead" || line.verb == "delivered") {
      report(line);
    } else if (line.verb == "sleep") {  // nobody looks at the engine meanwhile
      check_seen();
      at_ += must_duration(line.words.at(0));
    } else if (line.verb == "restart") {
      start();
      step({});
    } else if (line.verb == "expect") {
      expect(line);
    } else if (line.verb == "silence" || line.verb == "maintenance") {
      edit(line);
    } else if (line.verb == "timeline") {
      expect_event(line);
    } else if (line.verb == "incident") {
      expect_incident(line);
    } else {
      FAIL("unknown verb ", line.verb);
    }
  }

  void post(const Line& line) {
    auto matchers = routing::parse_matchers(line.labels);
    REQUIRE_MESSAGE(matchers, matchers);
    model::LabelsBuilder labels;
    for (const auto& matcher : *matchers) labels.set(matcher.name(), matcher.value());
    model::Alert alert;
    alert.labels = labels.build();
    alert.severity = model::parse_severity(labels.get("severity")).value_or(model::Severity::High);
    if (const auto given = line.settings.find("severity"); given != line.settings.end()) {
      alert.severity = model::parse_severity(given->second).value();
    }
    Duration valid = std::chrono::hours(24 * 365);
    if (const auto given = line.settings.find("valid"); given != line.settings.end()) {
      valid = must_duration(given->second);
    }
    alert.starts_at = alert.updated_at = now();
    alert.valid_until = now() + valid;
    if (line.verb == "resolve") alert.ends_at = now();
    step({std::span(&alert, 1), {}, {}});
  }

  static inline const std::map<std::string, Command::Kind> kCommands{
      {"ack", Command::Kind::Acknowledge},     {"close", Command::Kind::Resolve},
      {"unack", Command::Kind::Unacknowledge}, {"snooze", Command::Kind::Snooze},
      {"unsnooze", Command::Kind::Unsnooze},   {"merge", Command::Kind::Merge},
      {"unmerge", Command::Kind::Unmerge},     {"create", Command::Kind::Create},
      {"severity", Command::Kind::Severity},   {"owner", Command::Kind::Owner},
      {"mitigate", Command::Kind::Mitigate},   {"review", Command::Kind::Review},
      {"note", Command::Kind::Comment},        {"change", Command::Kind::AddChange},
      {"override", Command::Kind::PutOverride}};

  /// The first word is the incident (of override: the schedule), a second one the target.
  void command(const Line& line) {
    Command command;
    command.kind = kCommands.at(line.verb);
    if (!line.words.empty()) command.incident_id = line.words[0];
    if (line.words.size() > 1) command.target = line.words[1];
    const auto setting = [&](const char* name) {
      const auto given = line.settings.find(name);
      return given == line.settings.end() ? std::string() : given->second;
    };
    command.actor = setting("by");
    command.comment = setting("text");
    command.title = setting("title");
    command.policy = setting("policy");
    command.receiver = setting("receiver");
    command.change.service = setting("service");
    if (!setting("for").empty()) command.expires_in = must_duration(setting("for"));
    if (const auto severity = model::parse_severity(setting("to"))) command.severity = *severity;
    if (line.verb == "override") {
      command.over.schedule = line.words.at(0);
      command.over.persons = {setting("person")};
      command.over.begin = now();
      command.over.end = now() + must_duration(setting("for"));
    }
    step({{}, std::span(&command, 1), {}});
  }

  /// "silence {labels} for=D" or "maintenance {labels} for=D".
  void edit(const Line& line) {
    auto matchers = routing::parse_matchers(line.labels);
    REQUIRE_MESSAGE(matchers, matchers);
    const WallTime end = now() + must_duration(line.settings.at("for"));
    routing::Edit edit;
    if (line.verb == "silence") {
      routing::SetSilence set;
      set.force = true;
      set.silence.matcher_sets = {*matchers};
      set.silence.starts_at = now();
      set.silence.ends_at = end;
      set.silence.created_by = "ann";
      edit = std::move(set);
    } else {
      routing::SetMaintenance set;
      set.maintenance.name = "work";
      set.maintenance.matcher_sets = {*matchers};
      set.maintenance.once = routing::Window{now(), end};
      set.maintenance.created_by = "ann";
      edit = std::move(set);
    }
    step({{}, {}, {}, std::span(&edit, 1)});
  }

  /// How the last message to "receiver/channel" ended.
  void report(const Line& line) {
    const Notification& sent = last_.at(line.words.at(0));
    const DeliveryReport report =
        report_of(sent, line.verb == "dead" ? DeliveryState::Dead : DeliveryState::Delivered);
    step({{}, {}, std::span(&report, 1)});
  }

  void expect(const Line& line) {
    REQUIRE(!line.words.empty());
    if (line.words.front() == "nothing") {
      CHECK_MESSAGE(deliveries_.empty(), "expected nothing, got ", describe_next());
      deliveries_.clear();
      return;
    }
    if (line.words.front() == "held") {
      REQUIRE(line.words.size() == 2);
      CHECK_MESSAGE(std::find(held_.begin(), held_.end(), line.words[1]) != held_.end(),
                    "not held for this; held: ", base::join(held_, ", "));
      return;
    }
    REQUIRE_MESSAGE(!deliveries_.empty(), "nothing was delivered");
    const Notification& got = deliveries_.front().notification;
    // "pager", or "oncall/pager" with the receiver.
    const std::string& wanted = line.words.front();
    const bool whole = wanted.find('/') != std::string::npos;
    CHECK_MESSAGE((whole ? got.receiver + "/" : "") + got.channel == wanted, "got ",
                  describe_next());
    for (const auto& [name, value] : line.settings) {
      CHECK_MESSAGE(property(got, name) == value, name, " in ", describe_next());
    }
    deliveries_.pop_front();
  }

  static std::string property(const Notification& got, const std::string& name) {
    const auto firing = std::count_if(got.alerts.begin(), got.alerts.end(),
                                      [](const auto& each) { return each.firing; });
    if (name == "reason") return std::string(routing::to_string(got.reason));
    if (name == "kind") return std::string(to_string(got.kind));
    if (name == "incident") return got.incident.id;
    if (name == "severity") return std::string(model::to_string(got.incident.severity));
    if (name == "firing") return std::to_string(firing);
    if (name == "resolved") return std::to_string(static_cast<long>(got.alerts.size()) - firing);
    if (name == "receiver") return got.receiver;
    return "unknown property " + name;
  }

  void expect_incident(const Line& line) {
    REQUIRE(line.words.size() == 2);
    for (const auto& [number, record] : store_.disk().incidents) {
      if (record.id != line.words[0]) continue;
      CHECK(std::string(to_string(record.state)) == line.words[1]);
      for (const auto& [name, value] : line.settings) {
        if (name == "severity") CHECK(std::string(model::to_string(record.severity)) == value);
        if (name == "peak") CHECK(std::string(model::to_string(record.peak_severity)) == value);
      }
      return;
    }
    FAIL("there is no incident ", line.words[0]);
  }

  /// "timeline ID KIND [text=...]": such a line stands in it; the text is a part of it.
  void expect_event(const Line& line) {
    REQUIRE(line.words.size() == 2);
    const auto text = line.settings.find("text");
    std::string seen;
    for (const auto& [key, event] : store_.disk().events) {
      if (event.incident_id != line.words[0] || event.kind != line.words[1]) continue;
      if (text == line.settings.end() || event.text.find(text->second) != std::string::npos) return;
      seen += event.text + "; ";
    }
    FAIL("there is no such line; of this kind: ", seen);
  }

  std::string describe_next() const {
    if (deliveries_.empty()) return "nothing";
    const auto& [at, got] = deliveries_.front();
    return fmt::format("{} expect {}/{} firing={} resolved={} kind={} incident={} reason={}",
                       base::format_duration(at), got.receiver, got.channel,
                       property(got, "firing"), property(got, "resolved"), to_string(got.kind),
                       got.incident.id, routing::to_string(got.reason));
  }

  routing::Routing routing_;
  IncidentSettings settings_;
  bool has_root_ = false;
  std::string toml_;
  WallTime start_ = base::wall_time(1'700'000'000'000);
  Duration at_{0};
  base::SimClock clock_;
  base::SimExecutor executor_{clock_};
  FakeStateStore store_{std::make_shared<FakeStateStore::Disk>()};
  std::unique_ptr<Engine> engine_;
  std::deque<Delivery> deliveries_;
  std::map<std::string, Notification> last_;  ///< By "receiver/channel".
  std::vector<std::string> held_;
  std::set<std::string> keys_;
};

}  // namespace

TEST_CASE("notification timelines") {
  const auto files = base::make_real_file_system();
  const std::string folder = std::string(TOCSIN_SOURCE_DIR) + "/tests/data/notify";
  const auto names = files->list(folder);
  REQUIRE(names);
  std::size_t count = 0;
  for (const std::string& name : *names) {
    if (!name.ends_with(".test")) continue;
    const auto text = files->read(base::join_path(folder, name), 1 << 20);
    REQUIRE(text);
    for (const Part& part : split_parts(*text)) {
      Scenario().run(name, part);
      ++count;
    }
  }
  CHECK(count >= 80);
}

}  // namespace tocsin::incident

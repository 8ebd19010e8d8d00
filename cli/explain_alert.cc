#include "cli/explain_alert.h"

#include <fmt/core.h>

#include <boost/json.hpp>
#include <ostream>

#include "cli/commands.h"
#include "cli/json_view.h"
#include "cli/when.h"
#include "common/base/strings.h"

namespace tocsin::cli {
namespace {

namespace json = boost::json;

/// Returns a time of the answer in the local zone; "" for null.
std::string local(const json::value& object, std::string_view key) {
  const auto time = base::parse_rfc3339(text_of(object, key));
  return time ? format_local(*time) : "";
}

/// Prints the story, the cause first.
class StoryPrinter {
 public:
  StoryPrinter(const json::value& story, const CommandWorld& world)
      : story_(story), terminal_(world.terminal), out_(world.out) {}

  void print() {
    const bool called = flag_of(story_, "called");
    out_ << colored(printable(text_of(story_, "verdict")), called ? Color::Green : Color::Yellow,
                    terminal_)
         << '\n';
    about();
    rules();
    walk();
    groups();
    incidents();
    deliveries();
    decisions();
    nearest();
  }

 private:
  void heading(const std::string& text) {
    out_ << '\n' << colored(text, Color::Bold, terminal_) << '\n';
  }
  void line(const std::string& text) { out_ << "  " << printable(text) << '\n'; }

  void about() {
    out_ << '\n';
    const auto at = base::parse_rfc3339(text_of(story_, "at"));
    line(fmt::format("{} is {} now; asked about {} ({})", series_text(object_of(story_, "labels")),
                     text_of(story_, "state"), local(story_, "at"), at ? local_zone(*at) : ""));
    const std::string hidden = text_of(story_, "suppressedBy");
    if (!hidden.empty()) line("now held back: " + hidden);
    for (const json::value& note : array_of(story_, "notes")) {
      if (note.is_string()) line("note: " + std::string(note.get_string()));
    }
  }

  void rules() {
    const json::array& rules = array_of(story_, "rules");
    if (rules.empty()) return;
    heading("Rules of this name");
    for (const json::value& rule : rules) {
      line(fmt::format("{} ({}): {}", text_of(rule, "name"), text_of(rule, "source"),
                       text_of(rule, "text")));
    }
  }

  void walk() {
    const json::array& walk = array_of(story_, "walk");
    if (walk.empty()) return;
    heading(flag_of(story_, "past") ? "Routes (of the configuration in force now)" : "Routes");
    for (const json::value& step : walk) {
      const auto depth = static_cast<std::size_t>(number_of(step, "depth"));
      line(fmt::format("{}{} {}", std::string(2 * depth, ' '),
                       flag_of(step, "matched") ? "yes" : "no ", text_of(step, "route")));
      for (const json::value& matcher : array_of(step, "matchers")) {
        const std::string value = text_of(matcher, "value");
        line(fmt::format("{}      {}: {}", std::string(2 * depth, ' '), text_of(matcher, "matcher"),
                         flag_of(matcher, "matched") ? "matches"
                         : value.empty()             ? "no such label"
                                                     : "is \"" + value + "\""));
      }
    }
  }

  void groups() {
    for (const json::value& group : array_of(story_, "groups")) {
      heading(fmt::format("Group {}", printable(text_of(group, "key"))));
      line(fmt::format("to {}; group_wait {}, group_interval {}, repeat_interval {}",
                       text_of(group, "receiver"), text_of(group, "groupWait"),
                       text_of(group, "groupInterval"), text_of(group, "repeatInterval")));
      if (!flag_of(group, "exists")) {
        line("there is no such group now");
        continue;
      }
      line(fmt::format("{:.0f} firing, {:.0f} resolved", number_of(group, "firing"),
                       number_of(group, "resolved")));
      const std::string told = local(group, "toldAt");
      const std::string next = local(group, "nextTurn");
      if (!told.empty()) line("told last at " + told);
      line(next.empty() ? std::string("no turn is planned") : "next turn at " + next);
      const std::string muted = text_of(group, "muted");
      if (!muted.empty()) line("quiet now: " + muted);
    }
  }

  void incidents() {
    for (const json::value& incident : array_of(story_, "incidents")) {
      const std::string escalation = text_of(incident, "escalation");
      heading(printable(fmt::format("Incident {}, {}: {}", text_of(incident, "id"),
                                    text_of(incident, "state"), text_of(incident, "title"))));
      if (!escalation.empty()) line(escalation);
      Table table({"TIME", "EVENT", "WHO", "WHAT"});
      for (const json::value& event : array_of(incident, "timeline")) {
        table.add({{local(event, "at")},
                   {text_of(event, "kind")},
                   {text_of(event, "actor")},
                   {text_of(event, "text")}});
      }
      if (!table.empty()) out_ << table.text(terminal_);
    }
  }

  void deliveries() {
    Table table({"TIME", "INCIDENT", "TO", "KIND", "STATE", "TRY", "REPLY"});
    for (const json::value& one : array_of(story_, "deliveries")) {
      const std::string state = text_of(one, "state");
      std::string note = text_of(one, "note");
      const std::string next = local(one, "nextAttempt");
      if (!next.empty()) note += (note.empty() ? "next attempt at " : ", next attempt at ") + next;
      table.add({{local(one, "createdAt")},
                 {text_of(one, "incident")},
                 {text_of(one, "receiver") + "/" + text_of(one, "channel")},
                 {text_of(one, "kind")},
                 {state, color_of(state)},
                 {""},
                 {note}});
      for (const json::value& attempt : array_of(one, "attempts")) {
        table.add({{local(attempt, "startedAt")},
                   {""},
                   {""},
                   {""},
                   {text_of(attempt, "outcome")},
                   {fmt::format("{:.0f}", number_of(attempt, "attempt"))},
                   {text_of(attempt, "reply")}});
      }
    }
    if (table.empty()) return;
    heading("Deliveries");
    out_ << table.text(terminal_);
  }

  void decisions() {
    Table table({"TIME", "OF", "DECISION", "REASON", "INCIDENT", "WHY"});
    for (const json::value& one : array_of(story_, "decisions")) {
      table.add({{local(one, "at")},
                 {text_of(one, "of")},
                 {flag_of(one, "sent") ? "sent" : "held"},
                 {text_of(one, "reason")},
                 {text_of(one, "incident")},
                 {text_of(one, "text")}});
    }
    if (table.empty()) return;
    heading("Decisions");
    out_ << table.text(terminal_);
  }

  void nearest() {
    const json::array& nearest = array_of(story_, "nearest");
    if (nearest.empty()) return;
    heading("Other alerts that may be meant");
    for (const json::value& labels : nearest) {
      if (labels.is_object()) line(series_text(labels.get_object()));
    }
  }

  const json::value& story_;
  const Terminal& terminal_;
  std::ostream& out_;
};

}  // namespace

int run_explain_alert(const ExplainOptions& options, const CommandWorld& world) {
  const auto refuse = [&world](const std::string& message) {
    world.err << "tocsin explain: " << printable(message) << '\n';
    return static_cast<int>(kUsage);
  };
  if (!options.name.empty() || !options.expr.empty() || !options.group.empty()) {
    return refuse(
        "--labels, --incident and --fingerprint ask about an alert; a rule, --expr and "
        "--group about a rule");
  }
  ApiRequest request;
  request.path = "/api/v1/explain";
  const auto ask_about = [&request](const char* name, const std::string& value) {
    if (!value.empty()) request.query.emplace_back(name, value);
  };
  ask_about("labels", options.alert);
  ask_about("fingerprint", options.fingerprint);
  ask_about("incident", incident_id(options.incident));
  if (request.query.size() != 1) {
    return refuse("give only one of --labels, --incident and --fingerprint");
  }
  if (options.at != "now") {
    const auto at = parse_when(options.at, world.clock.wall());
    if (!at) return refuse("--at " + at.error().message);
    request.query.emplace_back("at", base::format_rfc3339(*at));
  }
  const auto client = world.connect(world.global);
  if (!client) return refuse(client.error().message);
  Context context{**client, world.global.output, world.terminal, world.clock, world.out, world.err};
  ApiAnswer answer;
  if (ask(context, request, answer)) StoryPrinter(parse_json(answer.data), world).print();
  return answer.exit_code;
}

}  // namespace tocsin::cli

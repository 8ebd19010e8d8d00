// tocsin tasks: what has to happen on the hosts, when it last did, and by when it must again.
#include <algorithm>
#include <boost/json.hpp>
#include <ostream>
#include <tuple>

#include "cli/commands.h"
#include "cli/json_view.h"
#include "common/base/strings.h"

namespace tocsin::cli {
namespace {

namespace json = boost::json;

/// The worst that is true of a task, and how bad that is: 0 is worst.
struct State {
  int rank = 0;
  const char* word = "";
  Color color = Color::None;
};

State state_of(const json::value& task) {
  if (!flag_of(task, "enabled")) return {5, "off", Color::Dim};
  const bool never = text_of(task, "lastSuccess").empty();
  if (flag_of(task, "overdue")) return {0, never ? "never" : "overdue", Color::Red};
  if (flag_of(task, "failed")) return {1, "failed", Color::Red};
  if (flag_of(task, "hung")) return {2, "hung", Color::Yellow};
  if (flag_of(task, "running")) return {3, "running", Color::None};
  return {4, never ? "waiting" : "ok", never ? Color::None : Color::Green};
}

std::string since(const json::value& task, std::string_view key, base::WallTime now) {
  const auto at = base::parse_rfc3339(text_of(task, key));
  return at ? age(*at, now) + " ago" : "";
}

std::string until(const json::value& task, base::WallTime now) {
  const auto at = base::parse_rfc3339(text_of(task, "nextDue"));
  if (!at) return "";
  return *at > now ? "in " + age(now, *at) : age(*at, now) + " ago";
}

std::string evidence_of(const json::value& task) {
  std::string text;
  for (const auto& [name, value] : object_of(task, "evidence")) {
    if (!text.empty()) text += ' ';
    text.append(name.data(), name.size()).append("=");
    text += value.is_number() ? base::format_double(value.to_number<double>()) : "?";
  }
  return text;
}

}  // namespace

int run_tasks(const TasksOptions& options, Context& context) {
  ApiAnswer answer = context.api.call({"GET", "/api/v1/tasks", {}, ""});
  const json::value data = parse_json(answer.data);
  json::array kept;
  bool problems = false;
  for (const json::value& task : array_of(data, "tasks")) {
    const bool bad = state_of(task).rank < 3;
    if (!options.host.empty() && text_of(task, "host") != options.host) continue;
    if (options.problems && !bad) continue;
    problems = problems || bad;
    kept.push_back(task);
  }
  if (answer.exit_code == kOk) answer.data = json::serialize(json::object{{"tasks", kept}});
  const int exit_code = options.exit_code && problems ? kNegative : kOk;
  if (!show(context, answer)) return answer.exit_code == kOk ? exit_code : answer.exit_code;
  std::sort(kept.begin(), kept.end(), [](const json::value& a, const json::value& b) {
    const auto key = [](const json::value& task) {
      return std::tuple(state_of(task).rank, text_of(task, "host"), text_of(task, "task"));
    };
    return key(a) < key(b);
  });
  const bool wide = context.output == OutputFormat::Wide;
  std::vector<std::string> headings{"STATE", "HOST", "TASK", "MODE", "LAST SUCCESS", "DUE"};
  if (wide) headings.insert(headings.end(), {"LAST HEARD", "OWNER"});
  headings.emplace_back("EVIDENCE");
  Table table(headings);
  const base::WallTime now = context.clock.wall();
  for (const json::value& task : kept) {
    const State state = state_of(task);
    std::vector<Cell> cells{{state.word, state.color},         {text_of(task, "host")},
                            {text_of(task, "task")},           {text_of(task, "mode")},
                            {since(task, "lastSuccess", now)}, {until(task, now)}};
    if (wide) {
      cells.push_back({since(task, "lastHeard", now)});
      cells.push_back({text_of(task, "owner")});
    }
    cells.push_back({evidence_of(task)});
    table.add(std::move(cells));
  }
  if (table.empty()) {
    context.err << (options.problems ? "no task is overdue, failed or hung\n" : "no tasks\n");
  } else {
    context.out << table.text(context.terminal);
  }
  return exit_code;
}

}  // namespace tocsin::cli

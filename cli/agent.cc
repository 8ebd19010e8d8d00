#include <boost/json.hpp>
#include <ostream>

#include "cli/commands.h"
#include "cli/json_view.h"
#include "common/net/url.h"

namespace tocsin::cli {
namespace {

namespace json = boost::json;

int add(const AgentOptions& options, Context& context) {
  json::object labels;
  for (const std::string& pair : options.labels) {
    const std::size_t equals = pair.find('=');
    labels[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  json::object body{{"name", options.name}};
  if (!labels.empty()) body["labels"] = std::move(labels);
  ApiAnswer answer;
  if (!ask(context, {"POST", "/api/v1/agents", {}, json::serialize(body)}, answer)) {
    return answer.exit_code;
  }
  // The token alone on stdout, so that it can be redirected into the agent's token file.
  context.out << printable(text_of(parse_json(answer.data), "token")) << '\n';
  context.err << "This token of '" << printable(options.name)
              << "' is not shown again. Put it into the agent's token file, mode 0600.\n";
  return kOk;
}

int remove(const AgentOptions& options, Context& context) {
  ApiAnswer answer;
  const ApiRequest request{"DELETE", "/api/v1/agents/" + net::percent_encode(options.name), {}, ""};
  if (!ask(context, request, answer)) return answer.exit_code;
  context.out << printable(options.name) << " is removed; its token is refused from now on\n";
  return kOk;
}

int list(Context& context) {
  ApiAnswer answer;
  if (!ask(context, {"GET", "/api/v1/agents", {}, ""}, answer)) return answer.exit_code;
  const json::value data = parse_json(answer.data);
  Table table({"NAME", "LAST SEEN", "VERSION", "LABELS"});
  for (const json::value& agent : array_of(data, "agents")) {
    const auto seen = base::parse_rfc3339(text_of(agent, "lastSeen"));
    table.add({{text_of(agent, "name")},
               {seen ? age(*seen, context.clock.wall()) + " ago" : "never",
                seen ? Color::None : Color::Yellow},
               {text_of(agent, "version")},
               {series_text(object_of(agent, "labels"))}});
  }
  if (table.empty()) {
    context.err << "no agents; 'tocsin agent add NAME' enrols one\n";
  } else {
    context.out << table.text(context.terminal);
  }
  return kOk;
}

}  // namespace

int run_agent(const AgentOptions& options, Context& context) {
  switch (options.action) {
    case AgentOptions::Action::Add:
      return add(options, context);
    case AgentOptions::Action::Remove:
      return remove(options, context);
    case AgentOptions::Action::List:
      break;
  }
  return list(context);
}

}  // namespace tocsin::cli

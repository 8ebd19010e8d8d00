#include <fmt/core.h>

#include <boost/json.hpp>
#include <ostream>

#include "cli/commands.h"
#include "cli/json_view.h"
#include "common/base/strings.h"

namespace tocsin::cli {

namespace json = boost::json;

int run_status(Context& context) {
  ApiAnswer answer;
  const bool show_table = ask(context, {"GET", "/api/v1/status", {}, ""}, answer);
  // A daemon that answers but refuses is alive: what it says about itself is then unknown.
  if (answer.exit_code != kOk) return answer.exit_code;
  const json::value data = parse_json(answer.data);
  const std::string health = text_of(data, "health");
  const int exit_code = health == "healthy" ? kOk : kNegative;
  if (!show_table) return exit_code;

  const json::value build = object_of(data, "build");
  context.out << colored(printable(health), color_of(health), context.terminal)
              << printable(fmt::format("  tocsin-alertd {}  up {}", text_of(build, "version"),
                                       text_of(data, "uptime")))
              << '\n';
  Table parts({"PART", "STATE", "DETAIL"});
  for (const json::value& part : array_of(data, "parts")) {
    const std::string state = flag_of(part, "ok") ? "ok" : "failed";
    parts.add({{text_of(part, "name")}, {state, color_of(state)}, {text_of(part, "detail")}});
  }
  if (!parts.empty()) context.out << '\n' << parts.text(context.terminal);
  Table numbers({"NUMBER", "VALUE"});
  for (const char* section : {"store", "counts"}) {
    for (const auto& [name, value] : object_of(data, section)) {
      boost::system::error_code error;
      const double number = value.to_number<double>(error);
      if (error) continue;
      numbers.add({{fmt::format("{}.{}", section, std::string_view(name.data(), name.size()))},
                   {base::format_double(number)}});
    }
  }
  if (!numbers.empty()) context.out << '\n' << numbers.text(context.terminal);
  return exit_code;
}

}  // namespace tocsin::cli

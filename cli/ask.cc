#include <ostream>

#include "cli/commands.h"

namespace tocsin::cli {

bool ask(Context& context, const ApiRequest& request, ApiAnswer& answer) {
  answer = context.api.call(request);
  return show(context, answer);
}

bool show(Context& context, const ApiAnswer& answer) {
  for (const std::string& warning : answer.warnings) {
    context.err << "tocsin: " << printable(warning) << '\n';
  }
  if (answer.exit_code != kOk) {
    std::string_view rest = answer.error;  // may have several lines: each made safe by itself
    bool first = true;
    while (!rest.empty()) {
      const std::size_t end = rest.find('\n');
      context.err << (first ? "tocsin: " : "  ") << printable(rest.substr(0, end)) << '\n';
      rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
      first = false;
    }
    return false;
  }
  if (context.output == OutputFormat::Json) {
    context.out << answer.data << '\n';
    return false;
  }
  return true;
}

std::string incident_id(const std::string& text) {
  const bool digits = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  return digits ? "T-" + text : text;
}

}  // namespace tocsin::cli

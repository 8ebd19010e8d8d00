// tocsin send-test. Not named send_test.cc: *_test.cc are unit tests here.
#include <fmt/core.h>

#include <boost/json.hpp>
#include <ostream>

#include "cli/commands.h"
#include "cli/json_view.h"

namespace tocsin::cli {

int run_send_test(const SendTestOptions& options, Context& context) {
  ApiAnswer answer;
  const ApiRequest request{"POST", "/api/v1/notify/test", {{"channel", options.channel}}, ""};
  const bool show_text = ask(context, request, answer);
  if (answer.exit_code != kOk) return answer.exit_code;
  const boost::json::value data = parse_json(answer.data);
  const bool delivered = flag_of(data, "delivered");
  if (show_text) {
    const std::string word = delivered ? "delivered" : "failed";
    context.out << colored(word, delivered ? Color::Green : Color::Red, context.terminal)
                << printable(fmt::format(" through '{}' in {:.1f} s: {}", options.channel,
                                         number_of(data, "seconds"), text_of(data, "detail")))
                << '\n';
  }
  return delivered ? kOk : kNegative;
}

}  // namespace tocsin::cli

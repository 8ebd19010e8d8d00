// tocsin channels, channel preview, send-test, drill. Not named send_test.cc: *_test.cc are unit
// tests here.
#include <fmt/core.h>

#include <boost/json.hpp>
#include <iostream>
#include <iterator>
#include <ostream>

#include "cli/commands.h"
#include "cli/json_view.h"
#include "common/base/strings.h"

namespace tocsin::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kTemplateBytesMax = 64 << 10;

std::string ago(const json::value& channel, std::string_view key, base::WallTime now) {
  const auto time = base::parse_rfc3339(text_of(channel, key));
  return time ? age(*time, now) + " ago" : "never";
}

int list_channels(Context& context) {
  ApiAnswer answer;
  const bool show_text = ask(context, {"GET", "/api/v1/channels", {}, ""}, answer);
  if (answer.exit_code != kOk) return answer.exit_code;
  const json::value data = parse_json(answer.data);
  bool all_well = true;
  Table table({"CHANNEL", "STATE", "WAITING", "LAST PROVEN", "LAST FAILED", "FAILOVER", "ERROR"});
  const base::WallTime now = context.clock.wall();
  for (const json::value& channel : array_of(data, "channels")) {
    const std::string state = text_of(channel, "state");
    const bool well = state == "ok" || state == "paused";
    all_well = all_well && state != "open" && state != "half_open";
    table.add({{text_of(channel, "name")},
               {state, well                 ? Color::Green
                       : state == "failing" ? Color::Yellow
                                            : Color::Red},
               {fmt::format("{:.0f}", number_of(channel, "waiting"))},
               {ago(channel, "lastProven", now)},
               {ago(channel, "lastFailed", now)},
               {text_of(channel, "failover")},
               {well ? "" : text_of(channel, "lastError")}});
  }
  if (show_text) {
    context.out << (table.empty() ? "no channels are configured: nobody will be told\n"
                                  : table.text(context.terminal));
  }
  return all_well ? kOk : kNegative;
}

base::Result<std::string> read_template(const std::string& file, const base::FileSystem& files) {
  if (file.empty()) return std::string();
  if (file != "-") return files.read(file, kTemplateBytesMax);
  std::string text(std::istreambuf_iterator<char>(std::cin), {});
  return text;
}

int preview_channel(const ChannelOptions& options, Context& context,
                    const base::FileSystem& files) {
  const auto text = read_template(options.template_file, files);
  if (!text) {
    context.err << "tocsin: " << printable(text.error().message) << '\n';
    return kUsage;
  }
  json::object body{{"channel", options.channel}};
  if (!options.incident.empty()) body["incident"] = incident_id(options.incident);
  if (!text->empty()) body["template"] = *text;
  ApiAnswer answer;
  const bool show_text =
      ask(context, {"POST", "/api/v1/notify/preview", {}, json::serialize(body)}, answer);
  if (answer.exit_code != kOk) return answer.exit_code;
  const json::value data = parse_json(answer.data);
  const std::string failure = text_of(data, "failure");
  if (show_text) {
    context.out << printable("of:    " + text_of(data, "of")) << '\n'
                << printable("title: " + text_of(data, "title")) << "\n\n";
    const std::string words = text_of(data, "text");  // the lines are views into it
    for (const std::string_view line : base::split(words, '\n')) {
      context.out << printable(line) << '\n';
    }
  }
  if (failure.empty()) return kOk;
  context.err << "tocsin: " << printable(failure) << "; the built-in words stand in\n";
  return kNegative;
}

}  // namespace

int run_channel(const ChannelOptions& options, Context& context, const base::FileSystem& files) {
  return options.action == ChannelOptions::Action::Preview
             ? preview_channel(options, context, files)
             : list_channels(context);
}

int run_drill(const DrillOptions& options, Context& context) {
  json::object labels;
  for (const std::string& pair : options.labels) {
    const std::size_t equals = pair.find('=');
    labels[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  const json::object body{{"severity", options.severity}, {"labels", std::move(labels)}};
  ApiAnswer answer;
  const bool show_text = ask(context, {"POST", "/api/v1/drill", {}, json::serialize(body)}, answer);
  if (answer.exit_code != kOk || !show_text) return answer.exit_code;
  const json::value data = parse_json(answer.data);
  context.out << "drill started: " << printable(series_text(object_of(data, "labels"))) << "\n"
              << "It is over after five minutes; tocsin incidents shows who was told.\n";
  return kOk;
}

int run_send_test(const SendTestOptions& options, Context& context) {
  ApiAnswer answer;
  const ApiRequest request{"POST", "/api/v1/notify/test", {{"channel", options.channel}}, ""};
  const bool show_text = ask(context, request, answer);
  if (answer.exit_code != kOk) return answer.exit_code;
  const json::value data = parse_json(answer.data);
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

// tocsin report, action, news and stats.
#include <fmt/core.h>

#include <boost/json.hpp>
#include <ostream>

#include "alertd/bulletin/bulletin.h"
#include "cli/commands.h"
#include "cli/json_view.h"
#include "cli/when.h"
#include "common/base/strings.h"
#include "common/net/url.h"

namespace tocsin::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kFieldBytesMax = 16U << 10U;
constexpr mode_t kFileMode = 0644;

std::string path_of(const std::string& id, std::string_view what) {
  return "/api/v1/incidents/" + net::percent_encode(incident_id(id)) + std::string(what);
}

int usage(Context& context, const std::string& message) {
  context.err << "tocsin: " << printable(message) << '\n';
  return kUsage;
}

json::object body_of(const std::string& by,
                     std::initializer_list<std::pair<const char*, const std::string*>> texts) {
  json::object body{{"by", by}};
  for (const auto& [name, text] : texts) {
    if (!text->empty()) body[name] = *text;
  }
  return body;
}

int set_fields(const ReportOptions& options, Context& context, const base::FileSystem& files) {
  json::object fields;
  for (const std::string& pair : options.set) {
    const std::size_t equals = pair.find('=');
    std::string text = pair.substr(equals + 1);
    if (text.starts_with('@')) {
      auto read = files.read(text.substr(1), kFieldBytesMax);
      if (!read) {
        context.err << "tocsin: " << printable(read.error().message) << '\n';
        return kUnreachable;
      }
      text = std::move(*read);
    }
    fields[pair.substr(0, equals)] = text;
  }
  const json::object body{{"by", options.by}, {"fields", std::move(fields)}};
  ApiAnswer answer;
  if (ask(context, {"PUT", path_of(options.id, "/report"), {}, json::serialize(body)}, answer)) {
    context.out << fmt::format("report of {} is changed\n", printable(incident_id(options.id)));
  }
  return answer.exit_code;
}

std::string seconds_text(const json::value& object, std::string_view key) {
  const json::object* const fields = object.if_object();
  const json::value* const value = fields ? fields->if_contains(key) : nullptr;
  if (!value || !value->is_number()) return "–";
  const auto seconds = static_cast<std::int64_t>(value->to_number<double>());
  return base::format_duration(std::chrono::seconds(seconds));
}

std::string count_text(const json::value& object, std::string_view key) {
  return fmt::format("{:.0f}", number_of(object, key));
}

std::vector<Cell> tally_cells(const std::string& name, const json::value& tally) {
  return {{name},
          {count_text(tally, "incidents")},
          {seconds_text(tally, "mttaSeconds")},
          {seconds_text(tally, "mttrSeconds")},
          {count_text(tally, "pages")},
          {count_text(tally, "neverAcknowledged")},
          {count_text(tally, "overByItselfSoon")},
          {count_text(tally, "flapping")}};
}

int list_actions(const ActionOptions& options, Context& context) {
  ApiRequest request;
  request.path = "/api/v1/actions";
  if (options.all) request.query = {{"state", "all"}};
  ApiAnswer answer;
  if (!ask(context, request, answer)) return answer.exit_code;
  const json::value data = parse_json(answer.data);
  Table table({"ID", "DUE", "OWNER", "TYPE", "STATE", "WHAT"});
  for (const json::value& item : array_of(data, "actions")) {
    const auto due = base::parse_rfc3339(text_of(item, "due"));
    const bool done = !text_of(item, "doneAt").empty();
    const bool late = due && !done && *due <= context.clock.wall();
    table.add({{text_of(item, "id")},
               {text_of(item, "due").substr(0, 10), late ? Color::Red : Color::None},
               {text_of(item, "owner")},
               {text_of(item, "type")},
               {done   ? "done"
                : late ? "overdue"
                       : "open"},
               {text_of(item, "text")}});
  }
  if (table.empty()) {
    context.err << "no open action items; --all shows done ones\n";
  } else {
    context.out << table.text(context.terminal);
  }
  return kOk;
}

int show_news(const NewsOptions& options, Context& context) {
  ApiRequest request;
  request.path = path_of(options.id, "/news");
  ApiAnswer answer;
  if (!ask(context, request, answer)) return answer.exit_code;
  const json::value data = parse_json(answer.data);
  Table table({"TIME", "STATE", "AUDIENCES", "WHO", "NEXT", "WORDS"});
  for (const json::value& news : array_of(data, "news")) {
    std::string audiences;
    for (const json::value& name : array_of(news, "audiences")) {
      if (!name.is_string()) continue;
      audiences += (audiences.empty() ? "" : ", ") + std::string(name.get_string());
    }
    const std::string by = text_of(news, "by");
    table.add({{text_of(news, "at")},
               {text_of(news, "state")},
               {audiences},
               {by.empty() ? "automatic" : by},
               {text_of(news, "nextUpdate")},
               {text_of(news, "text")}});
  }
  if (table.empty()) {
    context.err
        << "stakeholders were not told; `tocsin news ID --state investigating` tells them\n";
  } else {
    context.out << table.text(context.terminal);
  }
  return kOk;
}

/// Fills in the request for a report of a time; returns what is wrong with the options.
std::string ask_for_time(bulletin::Kind kind, const ReportOptions& options, Context& context,
                         ApiRequest& request) {
  if (!options.set.empty()) return "report: --set belongs to the report after an incident";
  if (options.format == "json") return "report: json is of incidents; csv has all numbers";
  request.path = "/api/v1/reports/" + std::string(bulletin::to_string(kind));
  request.query = {{"format", options.format}};
  request.whole = true;
  for (const auto& [name, text] :
       {std::pair("from", &options.from), std::pair("to", &options.to)}) {
    if (text->empty()) continue;
    const auto at = parse_when(*text, context.clock.wall());
    if (!at) return at.error().message;
    request.query.emplace_back(name, base::format_rfc3339(*at));
  }
  if (!options.time_zone.empty()) request.query.emplace_back("timezone", options.time_zone);
  return {};
}

}  // namespace

int run_report(const ReportOptions& options, Context& context, base::FileSystem& files) {
  ApiRequest request;
  if (const auto kind = bulletin::parse_kind(options.id)) {
    if (const auto wrong = ask_for_time(*kind, options, context, request); !wrong.empty()) {
      return usage(context, wrong);
    }
  } else {
    if (!options.from.empty() || !options.to.empty() || !options.time_zone.empty()) {
      return usage(context, "report: --from, --to and --timezone belong to daily, weekly, ...");
    }
    if (!options.set.empty()) return set_fields(options, context, files);
    request.path = path_of(options.id, "/report");
    request.query = {{"format", options.format == "md" ? "markdown" : options.format}};
    request.whole = options.format != "json";
  }
  // What is asked for is a document, in whatever form other answers are wanted.
  const ApiAnswer answer = context.api.call(request);
  if (answer.exit_code != kOk) {
    show(context, answer);
    return answer.exit_code;
  }
  if (!options.output.empty()) {
    if (const auto done = files.write_atomic(options.output, answer.data, kFileMode); !done) {
      context.err << "tocsin: " << printable(done.error().message) << '\n';
      return kUnreachable;
    }
    context.err << fmt::format("wrote {}\n", printable(options.output));
    return kOk;
  }
  base::for_each_line(answer.data,
                      [&](std::string_view line) { context.out << printable(line) << '\n'; });
  return kOk;
}

int run_action(const ActionOptions& options, Context& context) {
  ApiRequest request;
  request.method = "POST";
  json::object body;
  switch (options.action) {
    case ActionOptions::Action::List:
      return list_actions(options, context);
    case ActionOptions::Action::Add:
      request.path = path_of(options.id, "/actions");
      body = body_of(options.by, {{"text", &options.text},
                                  {"owner", &options.owner},
                                  {"due", &options.due},
                                  {"type", &options.type},
                                  {"ticket", &options.ticket}});
      break;
    case ActionOptions::Action::Change:
      if (options.owner.empty() && options.due.empty()) {
        return usage(context, "action change: give --owner or --due");
      }
      request.path = "/api/v1/actions/" + net::percent_encode(options.id);
      body = body_of(options.by, {{"owner", &options.owner}, {"due", &options.due}});
      break;
    case ActionOptions::Action::Done:
      request.path = "/api/v1/actions/" + net::percent_encode(options.id) + "/done";
      body = body_of(options.by, {});
      break;
  }
  request.body = json::serialize(body);
  ApiAnswer answer;
  if (!ask(context, request, answer)) return answer.exit_code;
  const bool done = options.action == ActionOptions::Action::Done;
  context.out << printable(text_of(parse_json(answer.data), "id")) << (done ? " is done\n" : "\n");
  return kOk;
}

int run_news(const NewsOptions& options, Context& context) {
  if (options.state.empty()) {
    if (options.text.empty() && options.audiences.empty()) return show_news(options, context);
    return usage(context,
                 "news: --state is missing: investigating, identified, monitoring or resolved");
  }
  const std::string audiences = base::join(options.audiences, ",");
  const json::object body = body_of(
      options.by, {{"state", &options.state}, {"text", &options.text}, {"audience", &audiences}});
  ApiAnswer answer;
  if (ask(context, {"POST", path_of(options.id, "/news"), {}, json::serialize(body)}, answer)) {
    context.out << fmt::format("stakeholders of {} are told: {}\n",
                               printable(incident_id(options.id)), options.state);
  }
  return answer.exit_code;
}

int run_stats(const StatsOptions& options, Context& context) {
  ApiRequest request;
  request.path = "/api/v1/statistics";
  for (const auto& [name, text] :
       {std::pair("from", &options.from), std::pair("to", &options.to)}) {
    const auto at = parse_when(*text, context.clock.wall());
    if (!at) return usage(context, at.error().message);
    request.query.emplace_back(name, base::format_rfc3339(*at));
  }
  ApiAnswer answer;
  if (!ask(context, request, answer)) return answer.exit_code;
  const json::value data = parse_json(answer.data);
  const std::vector<std::string> heading{"INCIDENTS", "MTTA",  "MTTR", "PAGES",
                                         "NOT ACKED", "BRIEF", "FLAPS"};
  const auto headings = [&heading](const char* first) {
    std::vector<std::string> all{first};
    all.insert(all.end(), heading.begin(), heading.end());
    return all;
  };
  Table severities(headings("SEVERITY"));
  for (const char* severity : {"critical", "high", "medium", "low"}) {
    const json::object& all = object_of(data, "severities");
    if (const json::value* tally = all.if_contains(severity)) {
      severities.add(tally_cells(severity, *tally));
    }
  }
  severities.add(tally_cells("all", json::value(object_of(data, "all"))));
  context.out << severities.text(context.terminal);
  std::vector<std::string> rule_headings = headings("RULE");
  rule_headings.emplace_back("VERDICT");
  Table rules(rule_headings);
  for (const json::value& rule : array_of(data, "rules")) {
    std::vector<Cell> cells = tally_cells(text_of(rule, "rule"), rule);
    const std::string judged = text_of(rule, "judged");
    cells.push_back({text_of(rule, "verdict") + (judged.empty() ? "" : "; said: " + judged)});
    rules.add(std::move(cells));
  }
  if (!rules.empty()) context.out << '\n' << rules.text(context.terminal);
  Table persons({"WHO", "PAGES", "OUT OF HOURS"});
  for (const json::value& person : array_of(data, "persons")) {
    persons.add({{text_of(person, "person")},
                 {count_text(person, "pages")},
                 {count_text(person, "outOfHours")}});
  }
  if (!persons.empty()) context.out << '\n' << persons.text(context.terminal);
  if (flag_of(data, "truncated")) {
    context.err << "tocsin: only the newest 1000 incidents are counted\n";
  }
  return kOk;
}

}  // namespace tocsin::cli

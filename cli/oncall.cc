#include <fmt/core.h>

#include <boost/json.hpp>
#include <ostream>

#include "cli/commands.h"
#include "cli/json_view.h"
#include "common/net/url.h"

namespace tocsin::cli {
namespace {

namespace json = boost::json;

std::string persons_of(const json::value& object, std::string_view key) {
  std::string text;
  for (const json::value& name : array_of(object, key)) {
    if (!name.is_string()) continue;
    text += (text.empty() ? "" : ", ") + std::string(name.get_string());
  }
  return text.empty() ? "nobody" : text;
}

int show_now(const OnCallOptions& options, Context& context) {
  ApiRequest request;
  request.path = "/api/v1/oncall";
  if (!options.from.empty()) request.query = {{"at", options.from}};
  ApiAnswer answer;
  if (!ask(context, request, answer)) return answer.exit_code;
  const json::value data = parse_json(answer.data);
  Table table({"SCHEDULE", "ON CALL", "UNTIL", "THEN", "BY"});
  for (const json::value& one : array_of(data, "schedules")) {
    const std::string until = text_of(one, "until");
    table.add(
        {{text_of(one, "schedule")},
         {persons_of(one, "persons"), array_of(one, "persons").empty() ? Color::Red : Color::None},
         {until},
         {until.empty() ? "" : persons_of(one, "next")},
         {text_of(one, "layer")}});
  }
  if (table.empty()) {
    context.err << "no schedules are configured\n";
  } else {
    context.out << table.text(context.terminal);
  }
  return kOk;
}

int show_shifts(const OnCallOptions& options, Context& context) {
  ApiRequest request;
  request.path = "/api/v1/oncall/shifts";
  const auto put = [&request](const char* name, const std::string& value) {
    if (!value.empty()) request.query.emplace_back(name, value);
  };
  put("schedule", options.schedule);
  put("from", options.from);
  put("to", options.to);
  ApiAnswer answer;
  if (!ask(context, request, answer)) return answer.exit_code;
  const json::value data = parse_json(answer.data);
  Table table({"SCHEDULE", "FROM", "TO", "ON CALL", "BY"});
  for (const json::value& one : array_of(data, "shifts")) {
    const bool gap = array_of(one, "persons").empty();
    table.add({{text_of(one, "schedule")},
               {text_of(one, "begin")},
               {text_of(one, "end")},
               {persons_of(one, "persons"), gap ? Color::Red : Color::None},
               {text_of(one, "layer")}});
  }
  context.out << table.text(context.terminal);
  return kOk;
}

int answer_id(Context& context, const ApiRequest& request, std::string_view what) {
  ApiAnswer answer;
  if (!ask(context, request, answer)) return answer.exit_code;
  context.out << fmt::format("{} {}\n", what, printable(text_of(parse_json(answer.data), "id")));
  return kOk;
}

int put_override(const OnCallOptions& options, Context& context) {
  json::object body{{"by", options.by}, {"schedule", options.schedule}, {"person", options.person}};
  const auto put = [&body](const char* key, const std::string& value) {
    if (!value.empty()) body[key] = value;
  };
  put("from", options.from);
  put("to", options.to);
  put("for", options.hold);
  put("comment", options.message);
  return answer_id(context, {"POST", "/api/v1/oncall/overrides", {}, json::serialize(body)},
                   "override");
}

}  // namespace

int run_oncall(const OnCallOptions& options, Context& context) {
  switch (options.action) {
    case OnCallOptions::Action::Now:
      return show_now(options, context);
    case OnCallOptions::Action::Shifts:
      return show_shifts(options, context);
    case OnCallOptions::Action::Override:
      return put_override(options, context);
    case OnCallOptions::Action::Remove: {
      ApiRequest request;
      request.method = "DELETE";
      request.path = "/api/v1/oncall/overrides/" + net::percent_encode(options.id);
      request.query = {{"by", options.by}};
      ApiAnswer answer;
      if (ask(context, request, answer)) context.out << "removed " << printable(options.id) << '\n';
      return answer.exit_code;
    }
  }
  return kUsage;
}

int run_change(const ChangeOptions& options, Context& context) {
  ApiAnswer answer;
  if (options.list) {
    ApiRequest request;
    request.path = "/api/v1/changes";
    if (!ask(context, request, answer)) return answer.exit_code;
    const json::value data = parse_json(answer.data);
    Table table({"TIME", "SERVICE", "VERSION", "WHO", "WHAT"});
    for (const json::value& one : array_of(data, "changes")) {
      table.add({{text_of(one, "at")},
                 {text_of(one, "service")},
                 {text_of(one, "version")},
                 {text_of(one, "author")},
                 {text_of(one, "text")}});
    }
    context.out << table.text(context.terminal);
    return kOk;
  }
  json::object body{{"by", options.by}};
  const auto put = [&body](const char* key, const std::string& value) {
    if (!value.empty()) body[key] = value;
  };
  put("service", options.service);
  put("version", options.version);
  put("author", options.author);
  put("link", options.link);
  put("text", options.text);
  put("at", options.at);
  return answer_id(context, {"POST", "/api/v1/changes", {}, json::serialize(body)}, "change");
}

}  // namespace tocsin::cli

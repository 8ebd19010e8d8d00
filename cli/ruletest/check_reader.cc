// Assertions and events of one test.

#include <fmt/core.h>

#include <algorithm>

#include "alertd/promql/series_notation.h"
#include "cli/ruletest/scenario_reader.h"
#include "common/base/strings.h"

namespace tocsin::ruletest {
namespace {

const std::vector<std::string> kSeverityNames{"critical", "high", "medium", "low"};
const std::vector<std::string> kStatuses{"firing", "update", "resolved", "reopened",
                                         "acknowledged"};
constexpr std::int64_t kCountMax = 1'000'000;

template <class T>
void sort_by_time(std::vector<T>& list) {
  std::stable_sort(list.begin(), list.end(), [](const T& a, const T& b) { return a.at < b.at; });
}

}  // namespace

std::string choice(config::Table& table, std::string_view key,
                   const std::vector<std::string>& allowed) {
  return table.node(key) != nullptr ? table.one_of(key, "", allowed) : std::string();
}

void CheckReader::read(Table& table, TestCase& test) {
  alerts(table, test);
  timelines(table, test);
  never_fires(table, test);
  queries(table, test);
  errors(table, test);
  incidents(table, test);
  notifications(table, test);
  events(table, test);
}

void CheckReader::error_at(base::Position at, std::string message, std::string hint) {
  context_.diagnostics.push_back({base::DiagnosticSeverity::Error, context_.source.file, at.line,
                                  at.column, std::move(message), std::move(hint)});
}

std::optional<AlertSelector> CheckReader::selector(const config::Node& node) {
  if (node.kind != config::Kind::String) {
    error_at(node.at, "expected an alert such as 'HostCpuBusy{instance=\"a\", ...}'");
    return std::nullopt;
  }
  std::size_t offset = 0;
  auto parsed = AlertSelector::parse(node.text, &offset);
  if (parsed) return std::move(*parsed);
  error_at(config::position_in(node, offset, context_.source),
           fmt::format("alert '{}': {}", node.text, parsed.error().message),
           "Name, Name{a=\"b\"} for exactly these labels, Name{a=\"b\", ...} for at least these");
  return std::nullopt;
}

std::optional<AlertSelector> CheckReader::selector(Table& table, std::string_view key) {
  const config::Node* node = table.node(key);
  return node == nullptr ? std::nullopt : selector(*node);
}

std::optional<base::Duration> CheckReader::time(Table& table, std::string_view key,
                                                const TestCase& test) {
  const auto text = table.optional_string(key);
  if (!text) {
    if (!table.has(key)) {
      table.error("", fmt::format("'{}' is missing", key), fmt::format("add {} = \"5m\"", key));
    }
    return std::nullopt;
  }
  const auto at = parse_test_time(*text, test.clock);
  if (at) return *at;
  table.error(key, fmt::format("{}: {}", key, at.error().message));
  return std::nullopt;
}

std::optional<model::Severity> CheckReader::severity(Table& table, std::string_view key) {
  return model::parse_severity(choice(table, key, kSeverityNames));
}

void CheckReader::alerts(Table& table, TestCase& test) {
  using Kind = AlertCheck::Kind;
  constexpr std::pair<std::string_view, Kind> kKinds[] = {{"firing", Kind::Firing},
                                                          {"pending", Kind::Pending},
                                                          {"resolved", Kind::Resolved},
                                                          {"none", Kind::None}};
  for (Table& item : table.tables("alerts")) {
    AlertCheck check;
    check.place = item.position();
    std::optional<AlertSelector> alert;
    std::size_t given = 0;
    for (const auto& [key, kind] : kKinds) {
      if (item.node(key) == nullptr) continue;
      ++given;
      alert = selector(item, key);
      check.kind = kind;
    }
    if (given != 1) {
      item.error("", given == 0 ? "which alert?" : "an assertion is about one state",
                 "give exactly one of firing, pending, resolved, none");
    }
    check.severity = severity(item, "severity");
    check.value = item.optional_number("value");
    if (item.node("count") != nullptr) {
      check.count = static_cast<std::size_t>(item.integer("count", 1, 1, kCountMax));
    }
    annotations(item, check);
    if (check.kind == Kind::None &&
        (check.severity || check.value || check.count || !check.annotations.conditions.empty())) {
      item.error("none", "'none' says that there is no such alert: it has no severity or texts");
    }
    const auto at = time(item, "at", test);
    item.finish();
    if (!at || !alert || given != 1) continue;
    check.at = *at;
    check.alert = std::move(*alert);
    test.alerts.push_back(std::move(check));
  }
  sort_by_time(test.alerts);
}

void CheckReader::annotations(Table& item, AlertCheck& check) {
  for (const std::string_view key : {"summary", "description"}) {
    const config::Node* node = item.node(key);
    if (node == nullptr) continue;
    condition({std::string(key), node->at, *node}, check.annotations);
  }
  const bool exactly = item.node("annotations") != nullptr;
  const bool partly = item.node("annotations_include") != nullptr;
  if (exactly && partly) {
    item.error("annotations_include", "annotations and annotations_include exclude each other");
  }
  check.annotations.exactly = exactly;
  for (const std::string_view key : {"annotations", "annotations_include"}) {
    const config::Node* node = item.node(key);
    if (node == nullptr) continue;
    if (node->kind != config::Kind::Table) {
      item.error(key, fmt::format("{}: expected a table", key), "{ summary = \"...\" }");
      continue;
    }
    for (const config::Field& field : node->fields) condition(field, check.annotations);
  }
}

void CheckReader::condition(const config::Field& field, TextConditions& conditions) {
  TextCondition wanted;
  wanted.name = field.name;
  const config::Node& node = field.value;
  if (node.kind == config::Kind::String) {
    wanted.text = node.text;
    conditions.conditions.push_back(std::move(wanted));
    return;
  }
  Table table(context_, &node, field.name);
  const auto contains = table.optional_string("contains");
  const auto matches = table.optional_string("matches");
  if (contains.has_value() == matches.has_value()) {
    error_at(node.at,
             fmt::format("{}: expected a text, or one of contains and matches", field.name),
             fmt::format("{} = {{ contains = \"part\" }}", field.name));
    return;
  }
  wanted.op = contains ? TextCondition::Op::Contains : TextCondition::Op::Matches;
  wanted.text = contains ? *contains : *matches;
  if (matches) {
    const auto compiled = compile(wanted);
    if (!compiled) table.error("matches", compiled.error().message);
  }
  table.finish();
  conditions.conditions.push_back(std::move(wanted));
}

void CheckReader::timelines(Table& table, TestCase& test) {
  for (Table& item : table.tables("timelines")) {
    TimelineCheck check;
    check.place = item.position();
    auto alert = selector(item, "alert");
    if (!item.has("alert")) item.error("", "which alert?", "alert = 'Name{label=\"value\", ...}'");
    timeline_entries(item, test, check);
    item.finish();
    if (!alert) continue;
    check.alert = std::move(*alert);
    test.timelines.push_back(std::move(check));
  }
}

void CheckReader::timeline_entries(Table& item, const TestCase& test, TimelineCheck& check) {
  using State = TimelineCheck::State;
  constexpr std::pair<std::string_view, State> kStates[] = {{"pending", State::Pending},
                                                            {"firing", State::Firing},
                                                            {"resolved", State::Resolved},
                                                            {"inactive", State::Inactive}};
  const config::Node* node = item.node("states");
  if (node == nullptr || node->kind != config::Kind::Array) {
    item.error("states", "expected a list of states",
               "states = [\"0s pending\", \"5m firing high\", \"26m resolved\"]");
    return;
  }
  for (const config::Node& one : node->items) {
    const auto words = base::split_fields(one.text);
    const auto state = std::find_if(std::begin(kStates), std::end(kStates), [&](const auto& known) {
      return words.size() >= 2 && known.first == words[1];
    });
    const auto severity =
        words.size() == 3 ? model::parse_severity(words[2]) : std::optional<model::Severity>();
    if (one.kind != config::Kind::String || state == std::end(kStates) || words.size() > 3 ||
        (words.size() == 3 && (!severity || state->second != State::Firing))) {
      error_at(one.at, fmt::format("'{}' is not a state at a time", one.text),
               "such as \"5m pending\", \"5m firing high\", \"26m resolved\", \"3m inactive\"");
      continue;
    }
    const auto at = parse_test_time(words[0], test.clock);
    if (!at) {
      error_at(one.at, at.error().message);
      continue;
    }
    if (!check.entries.empty() && *at < check.entries.back().at) {
      error_at(one.at, fmt::format("'{}' is before the state above it", one.text));
    }
    check.entries.push_back({*at, state->second, severity});
  }
}

void CheckReader::never_fires(Table& table, TestCase& test) {
  const config::Node* node = table.node("never_fires");
  if (node == nullptr) return;
  const auto add = [&](const config::Node& one) {
    if (auto alert = selector(one)) test.never_fires.emplace_back(one.at, std::move(*alert));
  };
  if (node->kind != config::Kind::Array) return add(*node);
  for (const config::Node& one : node->items) add(one);
}

void CheckReader::queries(Table& table, TestCase& test) {
  for (Table& item : table.tables("queries")) {
    QueryCheck check;
    check.place = item.position();
    check.text = item.required_string("expr");
    promql::Parsed parsed = promql::parse(check.text, {.experimental_functions = true});
    if (!parsed.expr && !check.text.empty()) {
      const config::Node* node = item.node("expr");
      for (const promql::ParseError& error : parsed.errors) {
        error_at(config::position_in(*node, error.begin, context_.source), error.message,
                 error.hint);
      }
    }
    check.expr = std::move(parsed.expr);
    query_result(item, check);
    const auto at = time(item, "at", test);
    item.finish();
    if (!at || !check.expr) continue;
    check.at = *at;
    test.queries.push_back(std::move(check));
  }
  sort_by_time(test.queries);
}

void CheckReader::query_result(Table& item, QueryCheck& check) {
  const auto value = item.optional_number("value");
  const config::Node* node = item.node("result");
  if (value.has_value() == (node != nullptr)) {
    item.error(
        "", "expected one of value and result",
        "value = 3 for one element, result = ['{job=\"a\"} 3'] for all, result = [] for none");
    return;
  }
  if (value) {
    check.single = true;
    check.result.emplace_back(model::Labels(), *value);
    return;
  }
  if (node->kind != config::Kind::Array) {
    item.error("result", "result: expected a list such as ['{job=\"a\"} 3']");
    return;
  }
  for (const config::Node& one : node->items) {
    const auto series = promql::parse_noted_series(one.text);
    if (!series || series->values.size() != 1 || !series->values.front()) {
      error_at(one.at,
               series ? "expected exactly one value after the labels" : series.error().message);
      continue;
    }
    check.result.emplace_back(series->labels, *series->values.front());
  }
}

void CheckReader::errors(Table& table, TestCase& test) {
  for (Table& item : table.tables("errors")) {
    ErrorCheck check;
    check.place = item.position();
    check.rule = item.required_string("rule");
    check.contains = item.string("contains", "");
    item.finish();
    test.errors.push_back(std::move(check));
  }
}

void CheckReader::incidents(Table& table, TestCase& test) {
  for (Table& item : table.tables("incidents")) {
    IncidentCheck check;
    check.place = item.position();
    check.none = item.node("none") != nullptr;
    if (check.none == (item.node("alert") != nullptr)) {
      item.error("", "give one of alert and none",
                 "alert = 'Name' for an incident about it, none = 'Name' for no open one");
    }
    auto alert = selector(item, check.none ? "none" : "alert");
    check.state = choice(item, "state", {"open", "acknowledged", "resolved"});
    check.severity = severity(item, "severity");
    check.peak_severity = severity(item, "peak_severity");
    check.count = static_cast<std::size_t>(item.integer("count", 1, 1, kCountMax));
    const auto at = time(item, "at", test);
    item.finish();
    if (!at || !alert) continue;
    check.at = *at;
    check.alert = std::move(*alert);
    test.incidents.push_back(std::move(check));
  }
  sort_by_time(test.incidents);
}

void CheckReader::notifications(Table& table, TestCase& test) {
  for (Table& item : table.tables("notifications")) {
    NotificationCheck check;
    check.place = item.position();
    check.alert = selector(item, "alert");
    check.receiver = item.string("receiver", "");
    check.channel = item.string("channel", "");
    check.status = choice(item, "status", kStatuses);
    check.severity = severity(item, "severity");
    check.count = static_cast<std::size_t>(item.integer("count", 1, 0, kCountMax));
    const base::Duration within = item.duration("within", std::chrono::seconds(30));
    const auto at = time(item, "at", test);
    item.finish();
    if (!at) continue;
    check.begin = *at;
    check.end = *at + within;
    test.notifications.push_back(std::move(check));
  }
  test.other_notifications = table.boolean("other_notifications", false);
}

void CheckReader::events(Table& table, TestCase& test) {
  using Kind = TestEvent::Kind;
  for (Table& item : table.tables("events")) {
    TestEvent event;
    event.place = item.position();
    int given = 0;
    for (const std::string_view key : {"ack", "resolve", "restart", "gap"}) {
      given += item.node(key) != nullptr;
    }
    if (given != 1) {
      item.error("", "what happens?", "give exactly one of ack, resolve, restart, gap");
    }
    std::optional<AlertSelector> alert;
    if (item.has("ack") || item.has("resolve")) {
      event.kind = item.has("ack") ? Kind::Acknowledge : Kind::Resolve;
      alert = selector(item, event.kind == Kind::Acknowledge ? "ack" : "resolve");
      event.by = item.string("by", "tester");
      event.comment = item.string("comment", "");
      if (event.kind == Kind::Acknowledge && item.has("for")) {
        event.hold = base::format_duration(item.duration("for", base::Duration{0}));
      }
    }
    if (item.has("gap")) event.kind = Kind::Gap;
    event.length = item.duration(item.has("gap") ? "gap" : "restart", base::Duration{0});
    const auto at = time(item, "at", test);
    item.finish();
    if (!at || given != 1 || (!alert && event.length == base::Duration{0})) continue;
    event.at = *at;
    if (alert) event.alert = std::move(*alert);
    test.events.push_back(std::move(event));
  }
  sort_by_time(test.events);
}

}  // namespace tocsin::ruletest

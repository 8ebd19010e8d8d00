#include "alertd/forward/forward_settings.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "alertd/promql/ast.h"
#include "alertd/promql/engine.h"

namespace tocsin::forward {
namespace {

constexpr base::Duration kTimeoutDefault{30'000};
constexpr std::uint64_t kQueueBytesMin = 1 << 20;

bool is_folder_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

void read_match(config::Table& table, ForwardSettings& settings) {
  for (const std::string& text : table.strings("match")) {
    const promql::Parsed parsed = promql::parse(text);
    const auto* selector =
        parsed.expr ? std::get_if<promql::VectorSelector>(&parsed.expr->node) : nullptr;
    if (!selector) {
      table.error("match",
                  fmt::format("'{}' is no selector{}", text,
                              parsed.errors.empty() ? "" : ": " + parsed.errors[0].message),
                  "for example '{job=\"shop\"}' or 'node_load1'");
      continue;
    }
    settings.match.push_back(selector->matchers);
  }
}

void read_external_labels(config::Table& table, ForwardSettings& settings) {
  model::LabelsBuilder labels;
  for (const auto& [name, value] : table.string_map("external_labels")) {
    if (!model::is_legacy_label_name(name) || name == model::kMetricName) {
      table.error("external_labels", "label name '" + name + "' is not [a-zA-Z_][a-zA-Z0-9_]*");
    }
    labels.set(name, value);
  }
  settings.external_labels = labels.build();
}

ForwardSettings read_one(config::Table& table) {
  ForwardSettings settings;
  settings.name = table.required_string("name");
  if (!settings.name.empty() && !is_folder_name(settings.name)) {
    table.error("name", "a name has letters, digits, '-' and '_' only", "its queue is a folder");
  }
  settings.endpoint = endpoint::read_endpoint(table, kTimeoutDefault);
  read_match(table, settings);
  read_external_labels(table, settings);
  for (config::Table& rule : table.tables("relabel")) {
    settings.relabel.push_back(relabel::read_rule(rule));
  }
  settings.only_v1 = table.one_of("version", "auto", {"auto", "1.0"}) == "1.0";
  settings.samples_per_request = static_cast<std::size_t>(table.integer(
      "samples_per_request", static_cast<std::int64_t>(settings.samples_per_request), 1, 50'000));
  settings.samples_per_second = static_cast<double>(
      table.integer("samples_per_second", static_cast<std::int64_t>(settings.samples_per_second),
                    100, 100'000'000));
  settings.queue_bytes = table.bytes("queue_bytes", settings.queue_bytes);
  if (settings.queue_bytes < kQueueBytesMin) {
    table.error("queue_bytes", "queue_bytes must be at least 1MiB");
  }
  settings.queue_age = table.duration("queue_age", settings.queue_age);
  if (settings.queue_age < std::chrono::minutes(1)) {
    table.error("queue_age", "queue_age must be at least 1m");
  }
  table.finish();
  return settings;
}

}  // namespace

std::vector<ForwardSettings> read_forwards(config::Table& root) {
  std::vector<ForwardSettings> all;
  std::set<std::string> names;
  for (config::Table& table : root.tables("forward")) {
    all.push_back(read_one(table));
    if (!names.insert(all.back().name).second) {
      table.error("name", fmt::format("two receivers are called '{}'", all.back().name));
    }
  }
  return all;
}

}  // namespace tocsin::forward

#include "agent/collectors/postgres/postgres_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "agent/collectors/blocking/server_settings.h"
#include "common/base/strings.h"
#include "common/config/table.h"
#include "common/model/labels.h"

namespace tocsin::agent {
namespace {

constexpr base::Duration kTimeout{5'000};
constexpr std::size_t kQueriesMax = 100;

/// Names of columns that name people. A label is kept for as long as its series, copied into
/// messages, and read by people who may not know.
constexpr std::string_view kPersonal[] = {
    "email",       "e_mail",     "mail",        "phone",    "telephone",  "mobile",
    "first_name",  "last_name",  "full_name",   "surname",  "student_id", "student_name",
    "national_id", "passport",   "address",     "street",   "birth_date", "date_of_birth",
    "dob",         "iban",       "card_number", "password", "token",      "username",
    "ip_address",  "session_key"};

bool is_metric_name(std::string_view name) {
  return model::is_legacy_metric_name(name) && !name.starts_with("__");
}

void read_value_columns(config::Table& table, Check& check) {
  const auto columns = table.string_map("values");
  for (const auto& [name, kind] : columns) {
    if (!is_metric_name(name)) {
      table.error("values", fmt::format("'{}' is no metric name", name),
                  "name the column as the metric: SELECT ... AS biz_enrolments");
    }
    if (kind != "gauge" && kind != "counter") {
      table.error("values", fmt::format("'{}' is neither gauge nor counter", kind));
    }
    check.metrics.push_back(
        {name, "From query '" + check.name + "'.",
         kind == "counter" ? model::MetricType::Counter : model::MetricType::Gauge});
  }
  if (columns.empty()) {
    table.error("values", "values is missing", "values = { biz_enrolments = \"gauge\" }");
  }
}

Check read_query(config::Table table, base::Duration interval) {
  Check check;
  check.from_people = true;
  check.name = table.required_string("name");
  check.sql = table.required_string("query");
  check.database = table.string("database", "");
  if (!check.database.empty()) check.scope = Check::Scope::EachDatabase;
  check.labels = table.strings("labels");
  for (const std::string& label : check.labels) {
    const bool personal = std::find(std::begin(kPersonal), std::end(kPersonal),
                                    base::to_lower(label)) != std::end(kPersonal);
    if (personal) {
      table.error("labels", fmt::format("'{}' would make personal data a label", label),
                  "count people instead of naming them");
    } else if (!model::is_legacy_label_name(label) || label == "server" || label == "host") {
      table.error("labels", fmt::format("'{}' cannot be a label here", label));
    }
  }
  read_value_columns(table, check);
  check.every = table.duration("interval", std::max(interval, base::Duration{60'000}));
  check.rows_max = static_cast<std::size_t>(table.integer("rows_max", 100, 1, 10'000));
  check.version_min = static_cast<int>(table.integer("pg_min", 9, 9, 99)) * 10'000;
  check.version_max = static_cast<int>(table.integer("pg_max", 99, 9, 99)) * 10'000 + 9'999;
  table.finish();
  return check;
}

void check_names(config::Table& table, const std::vector<Check>& queries) {
  std::set<std::string> names;
  for (const Check& check : queries) {
    if (!names.insert(check.name).second) {
      table.error("query", fmt::format("two queries are called '{}'", check.name));
    }
  }
  if (queries.size() > kQueriesMax) {
    table.error("query", fmt::format("{} queries, limit {}", queries.size(), kQueriesMax));
  }
}

PostgresSettings read_one(config::Table& table, base::Duration interval) {
  PostgresSettings settings;
  settings.session.read_only = true;
  settings.session.application_name = "tocsin-agent";
  settings.session.dsn = table.string("dsn", "host=/var/run/postgresql dbname=postgres");
  settings.name = table.string("name", "local");
  if (auto password = table.secret("password")) settings.session.password = std::move(*password);
  if (settings.session.dsn.find("password=") != std::string::npos) {
    table.error("dsn", "the dsn holds a password", "password_file = \"/etc/tocsin/pg.password\"");
  }
  settings.databases = table.strings("databases");
  settings.databases_exclude = table.strings("databases_exclude");
  settings.databases_max = static_cast<std::size_t>(table.integer("databases_max", 20, 1, 200));
  settings.timeout = read_round_timeout(table, kTimeout, interval);
  settings.session.connect_timeout = settings.timeout;
  settings.session.statement_timeout = settings.timeout;
  settings.session.lock_timeout = std::min(settings.timeout / 4, base::Duration{1'000});
  for (config::Table& query : table.tables("query")) {
    settings.queries.push_back(read_query(query, interval));
  }
  check_names(table, settings.queries);
  table.finish();
  return settings;
}

}  // namespace

std::vector<PostgresSettings> read_postgres_settings(config::Table& root, base::Duration interval) {
  return read_servers(root, "postgres",
                      [&](config::Table& table) { return read_one(table, interval); });
}

}  // namespace tocsin::agent

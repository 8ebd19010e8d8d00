#include "agent/collectors/rabbitmq/rabbitmq_settings.h"

#include <fmt/format.h>

#include "agent/collectors/blocking/server_settings.h"
#include "agent/collectors/scrape/scrape_settings.h"
#include "common/net/url.h"

namespace tocsin::agent {
namespace {

constexpr base::Duration kTimeout{5'000};

std::string read_pattern(config::Table& table, const char* key, const std::string& usual) {
  std::string pattern = table.string(key, usual);
  if (const auto compiled = Pattern::compile(pattern); !compiled) {
    table.error(key, compiled.error().message);
    return usual;
  }
  return pattern;
}

void read_systems(config::Table& table, RabbitQueueSettings& queues) {
  queues.dramatiq = queues.celery = queues.other = false;
  for (const std::string& system : table.strings("queues", {"dramatiq", "celery", "other"})) {
    if (system == "dramatiq") {
      queues.dramatiq = true;
    } else if (system == "celery") {
      queues.celery = true;
    } else if (system == "other") {
      queues.other = true;
    } else {
      table.error("queues", fmt::format("'{}' is no task queue that is known here", system),
                  "dramatiq, celery, other; or [] for none");
    }
  }
  queues.celery_queues = table.strings("celery_queues", queues.celery_queues);
  queues.dead_letter_pattern =
      read_pattern(table, "dead_letter_queues", queues.dead_letter_pattern);
  queues.plan = read_worker_plan(table, {"dramatiq", "celery"});
}

void read_connection(config::Table& table, RabbitmqSettings& settings) {
  settings.url = table.string("url", "http://127.0.0.1:15672");
  while (settings.url.ends_with('/')) settings.url.pop_back();
  const std::string authority = instance_of(settings.url);
  if (authority.empty()) {
    table.error("url", fmt::format("'{}' is no http:// or https:// address", settings.url),
                "url = \"http://127.0.0.1:15672\"; the user goes into user and password_file");
  }
  settings.user = table.required_string("user");
  if (settings.user.find(':') != std::string::npos) {
    table.error("user", "a user with a colon cannot log in over HTTP");
  }
  if (auto password = table.secret("password")) {
    settings.password = std::move(*password);
  } else {
    table.error("password", "the password is missing",
                "password_file = \"/etc/tocsin/rabbitmq.password\"");
  }
  settings.tls.ca_file = table.string("ca_file", "");
  settings.tls.client_cert_file = table.string("client_cert_file", "");
  settings.tls.client_key_file = table.string("client_key_file", "");
  settings.tls.insecure = table.boolean("insecure_tls", false);
  const std::string_view host = std::string_view(authority).substr(0, authority.rfind(':'));
  if (settings.url.starts_with("http://") && !net::is_loopback_host(host)) {
    table.warning("url", "the password travels in clear over http://", "use https://");
  }
}

RabbitmqSettings read_one(config::Table& table, base::Duration interval) {
  RabbitmqSettings settings;
  settings.name = table.string("name", "local");
  read_connection(table, settings);
  settings.timeout = read_round_timeout(table, kTimeout, interval);
  settings.vhosts = table.strings("vhosts");
  settings.queues_exclude = read_pattern(table, "queues_exclude", settings.queues_exclude);
  settings.queues_max = static_cast<std::size_t>(table.integer("queues_max", 500, 1, 5'000));
  settings.queues_interval = table.duration("queues_interval", settings.queues_interval);
  if (settings.queues_interval > base::Duration{120'000}) {
    table.error("queues_interval", "queues_interval must be at most 2m",
                "a queue whose reading is older is not known");
  }
  read_systems(table, settings.queues);
  table.finish();
  return settings;
}

}  // namespace

std::vector<RabbitmqSettings> read_rabbitmq_settings(config::Table& root, base::Duration interval) {
  return read_servers(root, "rabbitmq",
                      [&](config::Table& table) { return read_one(table, interval); });
}

}  // namespace tocsin::agent

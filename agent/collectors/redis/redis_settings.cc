#include "agent/collectors/redis/redis_settings.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/collectors/blocking/server_settings.h"
#include "common/base/strings.h"
#include "common/config/table.h"

namespace tocsin::agent {
namespace {

constexpr base::Duration kTimeout{3'000};

/// "/run/redis/redis.sock", "host", "host:port" or "[address]:port".
void read_address(config::Table& table, RedisAddress& address) {
  const std::string text = table.string("address", "127.0.0.1:6379");
  if (text.starts_with('/')) {
    address.socket = text;
    return;
  }
  const std::size_t colon = text.rfind(':');
  const bool has_port = colon != std::string::npos && text.find(']', colon) == std::string::npos &&
                        (text.starts_with('[') || text.find(':') == colon);
  address.host = has_port ? text.substr(0, colon) : text;
  if (address.host.starts_with('[') && address.host.ends_with(']')) {
    address.host = address.host.substr(1, address.host.size() - 2);
  }
  const auto port = has_port ? base::parse_i64(std::string_view(text).substr(colon + 1))
                             : std::optional<std::int64_t>(6379);
  if (address.host.empty() || !port || *port < 1 || *port > 65535) {
    table.error("address", fmt::format("'{}' is no host:port and no path of a socket", text),
                "address = \"127.0.0.1:6379\" or \"/run/redis/redis-server.sock\"");
    return;
  }
  address.port = static_cast<int>(*port);
}

void read_queues(config::Table& table, RedisQueueSettings& queues) {
  const std::vector<std::string> systems = table.strings("queues", {"dramatiq", "celery", "rq"});
  queues.dramatiq = queues.celery = queues.rq = false;
  for (const std::string& system : systems) {
    if (system == "dramatiq") {
      queues.dramatiq = true;
    } else if (system == "celery") {
      queues.celery = true;
    } else if (system == "rq") {
      queues.rq = true;
    } else {
      table.error("queues", fmt::format("'{}' is no task queue that is known here", system),
                  "dramatiq, celery, rq; or [] for none");
    }
  }
  queues.dramatiq_namespace = table.string("dramatiq_namespace", queues.dramatiq_namespace);
  queues.dramatiq_queues = table.strings("dramatiq_queues");
  queues.celery_queues = table.strings("celery_queues", queues.celery_queues);
  queues.rq_prefix = table.string("rq_prefix", queues.rq_prefix);
  queues.worker_timeout = table.duration("worker_timeout", queues.worker_timeout);
  queues.plan = read_worker_plan(table, {"dramatiq", "celery", "rq"});
  if (queues.worker_timeout < base::Duration{5'000}) {
    table.error("worker_timeout", "worker_timeout must be at least 5s");
  }
}

RedisSettings read_one(config::Table& table, base::Duration interval) {
  RedisSettings settings;
  settings.name = table.string("name", "local");
  read_address(table, settings.address);
  settings.address.user = table.string("user", "");
  if (auto password = table.secret("password")) settings.address.password = std::move(*password);
  settings.database = static_cast<int>(table.integer("database", 0, 0, 1'000));
  settings.timeout = read_round_timeout(table, kTimeout, interval);
  settings.address.timeout = settings.timeout / 2;
  read_queues(table, settings.queues);
  table.finish();
  return settings;
}

}  // namespace

std::vector<RedisSettings> read_redis_settings(config::Table& root, base::Duration interval) {
  return read_servers(root, "redis",
                      [&](config::Table& table) { return read_one(table, interval); });
}

}  // namespace tocsin::agent

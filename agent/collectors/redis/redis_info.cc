#include "agent/collectors/redis/redis_info.h"

#include <fmt/format.h>

#include "common/base/strings.h"

namespace tocsin::agent {

namespace {

constexpr auto kCounter = model::MetricType::Counter;

struct Field {
  const char* key;  ///< Of INFO.
  MetricInfo metric;
  double factor = 1;
};

constexpr Field kFields[] = {
    {"uptime_in_seconds", {"redis_uptime_in_seconds", "Since the start."}},
    {"connected_clients", {"redis_connected_clients", "Clients, standbys left out."}},
    {"blocked_clients", {"redis_blocked_clients", "Clients that wait in a blocking call."}},
    {"used_memory", {"redis_memory_used_bytes", "Memory allocated."}},
    {"used_memory_rss", {"redis_memory_used_rss_bytes", "Memory as the kernel sees it."}},
    {"used_memory_peak", {"redis_memory_used_peak_bytes", "The most it was."}},
    {"used_memory_dataset", {"redis_memory_used_dataset_bytes", "Of that, data."}},
    {"used_memory_overhead", {"redis_memory_used_overhead_bytes", "Of that, the rest."}},
    {"maxmemory", {"redis_memory_max_bytes", "The limit; 0: none."}},
    {"total_system_memory", {"redis_total_system_memory_bytes", "Memory of the host."}},
    {"mem_fragmentation_ratio", {"redis_mem_fragmentation_ratio", "RSS by allocated."}},
    {"maxclients", {"redis_config_maxclients", "Clients allowed."}},
    {"maxmemory", {"redis_config_maxmemory", "The limit; 0: none."}},
    {"loading", {"redis_loading_dump_file", "1 while it reads its data."}},
    {"rdb_changes_since_last_save",
     {"redis_rdb_changes_since_last_save", "Changes that no dump has."}},
    {"rdb_last_save_time",
     {"redis_rdb_last_save_timestamp_seconds", "When it was dumped, as Unix time."}},
    {"rdb_bgsave_in_progress", {"redis_rdb_bgsave_in_progress", "1 while it dumps."}},
    {"rdb_last_bgsave_time_sec",
     {"redis_rdb_last_bgsave_duration_sec", "How long the last dump took; -1: none."}},
    {"aof_enabled", {"redis_aof_enabled", "1 if there is an append-only file."}},
    {"total_connections_received",
     {"redis_connections_received_total", "Connections accepted.", kCounter}},
    {"total_commands_processed", {"redis_commands_processed_total", "Commands.", kCounter}},
    {"rejected_connections",
     {"redis_rejected_connections_total", "Refused because of maxclients.", kCounter}},
    {"expired_keys", {"redis_expired_keys_total", "Keys whose time was over.", kCounter}},
    {"evicted_keys", {"redis_evicted_keys_total", "Keys given up for want of memory.", kCounter}},
    {"keyspace_hits", {"redis_keyspace_hits_total", "Keys found.", kCounter}},
    {"keyspace_misses", {"redis_keyspace_misses_total", "Keys not found.", kCounter}},
    {"total_net_input_bytes", {"redis_net_input_bytes_total", "Bytes read.", kCounter}},
    {"total_net_output_bytes", {"redis_net_output_bytes_total", "Bytes written.", kCounter}},
    {"latest_fork_usec", {"redis_latest_fork_seconds", "How long the last fork took."}, 1e-6},
    {"connected_slaves", {"redis_connected_slaves", "Standbys."}},
    {"master_repl_offset", {"redis_master_repl_offset", "Position of replication."}},
    {"master_last_io_seconds_ago",
     {"redis_master_last_io_seconds_ago", "Of a standby: since it heard of its primary."}},
    {"master_sync_in_progress",
     {"redis_master_sync_in_progress", "Of a standby: 1 while it copies everything."}},
    {"used_cpu_sys", {"redis_cpu_sys_seconds_total", "In the kernel.", kCounter}},
    {"used_cpu_user", {"redis_cpu_user_seconds_total", "In the program.", kCounter}},
    {"cluster_enabled", {"redis_cluster_enabled", "1 in a cluster."}},
    {"pubsub_channels", {"redis_pubsub_channels", "Channels with subscribers."}},
};

/// 1 if the text is the good one.
struct State {
  const char* key;
  const char* good;
  MetricInfo metric;
};

constexpr State kStates[] = {
    {"rdb_last_bgsave_status",
     "ok",
     {"redis_rdb_last_bgsave_status", "1 if the last dump was written."}},
    {"aof_last_bgrewrite_status",
     "ok",
     {"redis_aof_last_bgrewrite_status", "1 if the append-only file was rewritten."}},
    {"aof_last_write_status",
     "ok",
     {"redis_aof_last_write_status", "1 if the append-only file was written."}},
    {"master_link_status", "up", {"redis_master_link_up", "Of a standby: 1 if it is connected."}},
};

constexpr MetricInfo kInstance{"redis_instance_info", "The server, as labels."};
constexpr MetricInfo kKeys{"redis_db_keys", "Keys."};
constexpr MetricInfo kExpiring{"redis_db_keys_expiring", "Keys with a time to live."};
constexpr MetricInfo kTtl{"redis_db_avg_ttl_seconds", "Their mean time to live."};
/// redis_exporter shows as many databases, those without keys too.
constexpr int kDatabases = 16;

std::string_view text_of(const RedisInfo& info, std::string_view key) {
  const auto found = info.find(key);
  return found == info.end() ? std::string_view() : std::string_view(found->second);
}

/// "keys=3,expires=1,avg_ttl=500"
double part_of(std::string_view line, std::string_view name) {
  for (const std::string_view part : base::split(line, ',')) {
    if (part.starts_with(name) && part.substr(name.size()).starts_with('=')) {
      return base::parse_double(part.substr(name.size() + 1)).value_or(0);
    }
  }
  return 0;
}

}  // namespace

RedisInfo parse_info(std::string_view text) {
  RedisInfo info;
  base::for_each_line(text, [&](std::string_view line) {
    line = base::trim(line);
    const std::size_t colon = line.find(':');
    if (line.starts_with('#') || colon == std::string_view::npos) return;
    info.emplace(line.substr(0, colon), line.substr(colon + 1));
  });
  return info;
}

void add_info(const RedisInfo& info, std::string_view server, MetricSink& sink) {
  const model::LabelView of{"server", server};
  for (const Field& field : kFields) {
    const std::string_view text = text_of(info, field.key);
    if (const auto value = base::parse_double(text)) {
      sink.add(field.metric, {of}, *value * field.factor);
    }
  }
  for (const State& state : kStates) {
    const std::string_view text = text_of(info, state.key);
    if (!text.empty()) sink.add(state.metric, {of}, text == state.good ? 1 : 0);
  }
  sink.add(kInstance,
           {of,
            {"redis_version", text_of(info, "redis_version")},
            {"role", text_of(info, "role")},
            {"redis_mode", text_of(info, "redis_mode")},
            {"maxmemory_policy", text_of(info, "maxmemory_policy")}},
           1);
  for (int i = 0; i < kDatabases; ++i) {
    const std::string name = fmt::format("db{}", i);
    const std::string_view line = text_of(info, name);
    const model::LabelView database{"db", name};
    sink.add(kKeys, {of, database}, part_of(line, "keys"));
    sink.add(kExpiring, {of, database}, part_of(line, "expires"));
    if (!line.empty()) sink.add(kTtl, {of, database}, part_of(line, "avg_ttl") / 1000);
  }
}

}  // namespace tocsin::agent

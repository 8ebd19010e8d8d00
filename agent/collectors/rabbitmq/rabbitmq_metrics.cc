#include "agent/collectors/rabbitmq/rabbitmq_metrics.h"

#include <span>

namespace tocsin::agent {
namespace {

constexpr auto kCounterType = model::MetricType::Counter;

/// A number of the API that is a metric.
struct RabbitMetric {
  std::string_view number;
  MetricInfo metric;
  double unit = 1;
};

constexpr RabbitMetric kOverview[] = {
    {"object_totals.connections", {"rabbitmq_connections", "Connections."}},
    {"object_totals.channels", {"rabbitmq_channels", "Channels."}},
    {"object_totals.consumers", {"rabbitmq_consumers", "Consumers."}},
    {"object_totals.queues", {"rabbitmq_queues", "Queues."}},
    {"object_totals.exchanges", {"rabbitmq_exchanges", "Exchanges."}},
    {"queue_totals.messages", {"rabbitmq_queue_messages_global", "Messages in all queues."}},
    {"queue_totals.messages_ready",
     {"rabbitmq_queue_messages_ready_global", "Of them, ready to be taken."}},
    {"queue_totals.messages_unacknowledged",
     {"rabbitmq_queue_messages_unacked_global", "Of them, taken and not done."}},
    {"message_stats.publish",
     {"rabbitmq_channel_messages_published_total", "Messages handed in.", kCounterType}},
    {"message_stats.confirm",
     {"rabbitmq_channel_messages_confirmed_total", "Confirmed to their publisher.", kCounterType}},
    {"message_stats.deliver",
     {"rabbitmq_channel_messages_delivered_ack_total", "Delivered, to be acknowledged.",
      kCounterType}},
    {"message_stats.deliver_no_ack",
     {"rabbitmq_channel_messages_delivered_total", "Delivered, and gone with that.", kCounterType}},
    {"message_stats.ack",
     {"rabbitmq_channel_messages_acked_total", "Acknowledged by consumers.", kCounterType}},
    {"message_stats.redeliver",
     {"rabbitmq_channel_messages_redelivered_total", "Delivered again.", kCounterType}},
    {"message_stats.return_unroutable",
     {"rabbitmq_channel_messages_unroutable_returned_total", "For no queue, given back.",
      kCounterType}},
    {"message_stats.drop_unroutable",
     {"rabbitmq_channel_messages_unroutable_dropped_total", "For no queue, and lost.",
      kCounterType}},
};

constexpr RabbitMetric kNode[] = {
    {"mem_used", {"rabbitmq_process_resident_memory_bytes", "Memory in use."}},
    {"mem_limit", {"rabbitmq_resident_memory_limit_bytes", "Beyond, publishers are blocked."}},
    {"mem_alarm", {"rabbitmq_alarms_memory_used_watermark", "1 if publishers are blocked."}},
    {"disk_free", {"rabbitmq_disk_space_available_bytes", "Free where messages are kept."}},
    {"disk_free_limit",
     {"rabbitmq_disk_space_available_limit_bytes", "With less, publishers are blocked."}},
    {"disk_free_alarm",
     {"rabbitmq_alarms_free_disk_space_watermark", "1 if publishers are blocked."}},
    {"fd_used", {"rabbitmq_process_open_fds", "Open file descriptors."}},
    {"fd_total", {"rabbitmq_process_max_fds", "File descriptors at most."}},
    {"sockets_used", {"rabbitmq_process_open_tcp_sockets", "Open sockets."}},
    {"sockets_total", {"rabbitmq_process_max_tcp_sockets", "Sockets at most."}},
    {"proc_used", {"rabbitmq_erlang_processes_used", "Erlang processes."}},
    {"proc_total", {"rabbitmq_erlang_processes_limit", "Erlang processes at most."}},
    {"run_queue", {"rabbitmq_erlang_scheduler_run_queue", "Processes that wait for a CPU."}},
    {"uptime", {"rabbitmq_erlang_uptime_seconds", "Since the node was started."}, 1e-3},
};

constexpr RabbitMetric kQueue[] = {
    {"messages", {"rabbitmq_queue_messages", "Ready and taken together."}},
    {"messages_ready", {"rabbitmq_queue_messages_ready", "Ready to be taken."}},
    {"messages_unacknowledged", {"rabbitmq_queue_messages_unacked", "Taken, and not done yet."}},
    {"consumers", {"rabbitmq_queue_consumers", "Consumers."}},
    {"message_bytes", {"rabbitmq_queue_messages_bytes", "Size of all bodies."}},
    {"memory", {"rabbitmq_queue_process_memory_bytes", "Memory of the queue's process."}},
    {"message_stats.publish",
     {"rabbitmq_queue_messages_published_total", "Handed in.", kCounterType}},
    {"message_stats.ack", {"rabbitmq_queue_messages_acked_total", "Done.", kCounterType}},
    {"message_stats.redeliver",
     {"rabbitmq_queue_messages_redelivered_total", "Delivered again.", kCounterType}},
};

constexpr MetricInfo kBuild{"rabbitmq_build_info", "Versions, as labels."};
constexpr MetricInfo kIdentity{"rabbitmq_identity_info", "The cluster's name, as a label."};
constexpr MetricInfo kRunning{"rabbitmq_running", "1 if the node runs."};
constexpr MetricInfo kPartitions{"rabbitmq_partitions", "Nodes that this one has lost sight of."};

void add_each(std::span<const RabbitMetric> metrics, const RabbitNumbers& numbers,
              std::initializer_list<model::LabelView> labels, MetricSink& sink) {
  for (const RabbitMetric& each : metrics) {
    if (const auto value = number_of(numbers, each.number)) {
      sink.add(each.metric, labels, *value * each.unit);
    }
  }
}

}  // namespace

void add_rabbit_overview(const RabbitOverview& overview, std::string_view server,
                         MetricSink& sink) {
  const model::LabelView of{"server", server};
  sink.add(kBuild,
           {of, {"rabbitmq_version", overview.version}, {"erlang_version", overview.erlang}}, 1);
  sink.add(kIdentity, {of, {"rabbitmq_cluster", overview.cluster}}, 1);
  add_each(kOverview, overview.numbers, {of}, sink);
}

void add_rabbit_nodes(const std::vector<RabbitNode>& nodes, std::string_view server,
                      MetricSink& sink) {
  for (const RabbitNode& node : nodes) {
    const model::LabelView of{"server", server};
    const model::LabelView name{"node", node.name};
    sink.add(kRunning, {of, name}, node.running ? 1 : 0);
    // What a node that is down said last is no news.
    if (!node.running) continue;
    sink.add(kPartitions, {of, name}, static_cast<double>(node.partitions));
    add_each(kNode, node.numbers, {of, name}, sink);
  }
}

void add_rabbit_queues(const std::vector<RabbitQueue>& queues, std::string_view server,
                       MetricSink& sink) {
  for (const RabbitQueue& queue : queues) {
    add_each(kQueue, queue.numbers,
             {{"server", server}, {"vhost", queue.vhost}, {"queue", queue.name}}, sink);
  }
}

}  // namespace tocsin::agent

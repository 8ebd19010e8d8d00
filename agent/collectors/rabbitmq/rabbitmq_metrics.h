// The broker's numbers under the names of RabbitMQ's Prometheus plugin. Pure.
//
// The plugin is scraped on each node and names none; here one agent may ask for a whole cluster, so
// what belongs to a node has the label `node`. Totals of all queues have the suffix `_global`, so
// that a sum over queues does not count them twice.
#pragma once

#include "agent/collectors/collector.h"
#include "agent/collectors/rabbitmq/rabbitmq_api.h"

namespace tocsin::agent {

void add_rabbit_overview(const RabbitOverview& overview, std::string_view server, MetricSink& sink);
void add_rabbit_nodes(const std::vector<RabbitNode>& nodes, std::string_view server,
                      MetricSink& sink);
void add_rabbit_queues(const std::vector<RabbitQueue>& queues, std::string_view server,
                       MetricSink& sink);

}  // namespace tocsin::agent

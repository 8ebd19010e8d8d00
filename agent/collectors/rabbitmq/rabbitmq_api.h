// What RabbitMQ's management API answers, as values. Pure: text in, values out.
//
// The broker gathers statistics every few seconds; what it has not gathered is left out of its
// answer, and is nullopt here. Source: the management plugin's HTTP API, RabbitMQ 3.8 to 4.x.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace tocsin::agent {

/// Numbers by the API's own names; nested ones with a dot: "message_stats.publish". Booleans are 0
/// and 1.
using RabbitNumbers = std::map<std::string, double, std::less<>>;

std::optional<double> number_of(const RabbitNumbers& numbers, std::string_view name);

struct RabbitOverview {
  std::string version, erlang, cluster;
  RabbitNumbers numbers;  ///< Of object_totals, queue_totals, message_stats.
};

struct RabbitNode {
  std::string name;
  bool running = false;
  std::size_t partitions = 0;  ///< Nodes that it does not see any more.
  RabbitNumbers numbers;
};

struct RabbitQueue {
  std::string vhost, name;
  RabbitNumbers numbers;
};

struct RabbitQueuePage {
  std::vector<RabbitQueue> queues;
  std::size_t pages = 0;
  std::size_t total = 0;  ///< Queues, on all pages.
};

/// The columns to ask for, so that answers are a tenth of their size.
extern const std::string_view kOverviewColumns, kNodeColumns, kQueueColumns;

/// Errors of all: InvalidArgument (no such answer of the management API).
base::Result<RabbitOverview> parse_overview(std::string_view text);
base::Result<std::vector<RabbitNode>> parse_nodes(std::string_view text);
base::Result<RabbitQueuePage> parse_queue_page(std::string_view text);

/// Returns `reason` or `error` of an error's body; "" if it has none.
std::string error_reason(std::string_view text);

}  // namespace tocsin::agent

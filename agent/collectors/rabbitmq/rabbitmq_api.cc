#include "agent/collectors/rabbitmq/rabbitmq_api.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "common/base/strings.h"

namespace tocsin::agent {

namespace json = boost::json;
using base::Result;

namespace {

constexpr std::size_t kDepthMax = 16;
constexpr std::size_t kReasonBytesMax = 200;

Result<json::value> parse_answer(std::string_view text, std::string_view what) {
  json::parse_options options;
  options.max_depth = kDepthMax;
  boost::system::error_code bad;
  json::value answer = json::parse(text, bad, {}, options);
  if (!bad) return answer;
  return base::error(
      base::ErrorCode::InvalidArgument,
      fmt::format("{}: not JSON ({}); is this the management API?", what, bad.message()));
}

base::Error unexpected(std::string_view what) {
  return base::error(base::ErrorCode::InvalidArgument,
                     fmt::format("{}: not what the management API answers", what));
}

std::string text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  const json::string* text = value == nullptr ? nullptr : value->if_string();
  return text == nullptr ? std::string() : std::string(text->data(), text->size());
}

void add_numbers(const json::object& object, std::string_view prefix, RabbitNumbers& numbers) {
  for (const auto& member : object) {
    const std::string_view key(member.key().data(), member.key().size());
    const json::value& value = member.value();
    if (value.is_number()) {
      numbers.emplace(fmt::format("{}{}", prefix, key), value.to_number<double>());
    } else if (const bool* flag = value.if_bool()) {
      numbers.emplace(fmt::format("{}{}", prefix, key), *flag ? 1 : 0);
    } else if (const json::object* nested = value.if_object(); nested && prefix.empty()) {
      add_numbers(*nested, fmt::format("{}.", key), numbers);
    }
  }
}

}  // namespace

const std::string_view kOverviewColumns =
    "rabbitmq_version,erlang_version,cluster_name,object_totals,queue_totals,"
    "message_stats.publish,message_stats.confirm,message_stats.deliver,"
    "message_stats.deliver_no_ack,message_stats.ack,message_stats.redeliver,"
    "message_stats.return_unroutable,message_stats.drop_unroutable";
const std::string_view kNodeColumns =
    "name,running,partitions,mem_used,mem_limit,mem_alarm,disk_free,disk_free_limit,"
    "disk_free_alarm,fd_used,fd_total,sockets_used,sockets_total,proc_used,proc_total,run_queue,"
    "uptime";
const std::string_view kQueueColumns =
    "name,vhost,messages,messages_ready,messages_unacknowledged,consumers,message_bytes,memory,"
    "head_message_timestamp,"
    "message_stats.publish,message_stats.ack,message_stats.redeliver";

std::optional<double> number_of(const RabbitNumbers& numbers, std::string_view name) {
  const auto found = numbers.find(name);
  return found == numbers.end() ? std::nullopt : std::optional(found->second);
}

Result<RabbitOverview> parse_overview(std::string_view text) {
  TC_TRY(const json::value answer, parse_answer(text, "overview"));
  const json::object* object = answer.if_object();
  if (object == nullptr) return unexpected("overview");
  RabbitOverview overview;
  overview.version = text_of(*object, "rabbitmq_version");
  overview.erlang = text_of(*object, "erlang_version");
  overview.cluster = text_of(*object, "cluster_name");
  if (overview.version.empty()) return unexpected("overview");
  add_numbers(*object, "", overview.numbers);
  return overview;
}

Result<std::vector<RabbitNode>> parse_nodes(std::string_view text) {
  TC_TRY(const json::value answer, parse_answer(text, "nodes"));
  const json::array* list = answer.if_array();
  if (list == nullptr) return unexpected("nodes");
  std::vector<RabbitNode> nodes;
  for (const json::value& each : *list) {
    const json::object* object = each.if_object();
    if (object == nullptr) return unexpected("nodes");
    RabbitNode node;
    node.name = text_of(*object, "name");
    add_numbers(*object, "", node.numbers);
    node.running = number_of(node.numbers, "running").value_or(0) != 0;
    if (const json::value* cut = object->if_contains("partitions"); cut && cut->is_array()) {
      node.partitions = cut->get_array().size();
    }
    nodes.push_back(std::move(node));
  }
  return nodes;
}

Result<RabbitQueuePage> parse_queue_page(std::string_view text) {
  TC_TRY(const json::value answer, parse_answer(text, "queues"));
  const json::object* object = answer.if_object();
  const json::value* items = object == nullptr ? nullptr : object->if_contains("items");
  if (items == nullptr || !items->is_array()) return unexpected("queues");
  RabbitNumbers counts;
  add_numbers(*object, "", counts);
  RabbitQueuePage page;
  page.pages = static_cast<std::size_t>(number_of(counts, "page_count").value_or(1));
  page.total = static_cast<std::size_t>(number_of(counts, "total_count").value_or(0));
  for (const json::value& each : items->get_array()) {
    const json::object* fields = each.if_object();
    if (fields == nullptr) return unexpected("queues");
    RabbitQueue queue{text_of(*fields, "vhost"), text_of(*fields, "name"), {}};
    add_numbers(*fields, "", queue.numbers);
    if (!queue.name.empty()) page.queues.push_back(std::move(queue));
  }
  return page;
}

std::string error_reason(std::string_view text) {
  const auto answer = parse_answer(text.substr(0, 10'000), "error");
  const json::object* object = answer ? answer->if_object() : nullptr;
  if (object == nullptr) return {};
  std::string reason = text_of(*object, "reason");
  if (reason.empty()) reason = text_of(*object, "error");
  return base::escape_control(reason.substr(0, kReasonBytesMax));
}

}  // namespace tocsin::agent

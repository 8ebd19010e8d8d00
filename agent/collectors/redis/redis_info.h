// What INFO says, under redis_exporter's names. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "agent/collectors/collector.h"

namespace tocsin::agent {

/// The lines "key:value" of INFO.
using RedisInfo = std::map<std::string, std::string, std::less<>>;

RedisInfo parse_info(std::string_view text);

/// Adds the samples of INFO; `server` is their label.
void add_info(const RedisInfo& info, std::string_view server, MetricSink& sink);

}  // namespace tocsin::agent

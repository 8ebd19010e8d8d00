// What PgBouncer's SHOW commands answer, under pgbouncer_exporter's names. Pure.
#pragma once

#include <array>
#include <string_view>

#include "agent/collectors/collector.h"
#include "common/postgres/connection.h"

namespace tocsin::agent {

/// One command, and what its rows become.
struct PgbouncerShow {
  const char* name;     ///< Of the check: "pools".
  const char* command;  ///< "SHOW POOLS"
  void (*add)(const postgres::Rows& rows, std::string_view server, MetricSink& sink);
};

/// Every command of a round. Source: pgbouncer.org, "Usage", admin console.
extern const std::array<PgbouncerShow, 6> kPgbouncerShows;

}  // namespace tocsin::agent

// POST /api/v1/read: remote read, so that a Prometheus (or what speaks like one) queries our
// samples with its own engine.
#pragma once

#include "alertd/api/federate_handlers.h"
#include "alertd/api/query_runner.h"
#include "alertd/api/router.h"
#include "common/model/series_source.h"
#include "proto/remote_read.h"

namespace tocsin::api {

class RemoteReadHandlers {
 public:
  RemoteReadHandlers(const model::SeriesSource& source, QueryRunner& runner,
                     const ExportOptions& options)
      : source_(source), runner_(runner), options_(options) {}

  /// Answers with samples, or with frames of chunks if the client prefers those. External labels
  /// are added to series, and taken out of matchers that ask for their value. 400 also for an
  /// answer over a limit, as Prometheus says it.
  void read(ApiCall call) const;

 private:
  net::ServerResponse answer(const std::string& body,
                             const QueryRunner::Cancelled& cancelled) const;
  base::Result<void> add_query(const proto::ReadQuery& query, std::size_t index,
                               std::size_t& samples_left, const QueryRunner::Cancelled& cancelled,
                               proto::ReadAnswer& answer) const;

  const model::SeriesSource& source_;
  QueryRunner& runner_;
  const ExportOptions options_;
};

}  // namespace tocsin::api

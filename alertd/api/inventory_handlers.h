// What there is: metrics with their types, labels and a bounded sample of their values.
//
// /api/v1/metadata is Prometheus's. /api/v1/inventory is ours: one answer with everything that
// `tocsin check` compares rules with, for which Prometheus needs thousands of requests.
#pragma once

#include "alertd/api/query_runner.h"
#include "alertd/api/router.h"
#include "common/model/metadata_table.h"
#include "common/model/series_source.h"

namespace tocsin::api {

/// Thread: any. The answer's format is in docs/checking-rules.md.
class InventoryHandlers {
 public:
  /// `metadata` may be null: then all types are unknown. All outlive this.
  InventoryHandlers(const model::SeriesSource& source, const model::MetadataTable* metadata,
                    const base::Clock& clock, QueryRunner& runner)
      : source_(source), metadata_(metadata), clock_(clock), runner_(runner) {}

  /// Parameters: `metric` (only this family), `limit` (families), `limit_per_metric` (read and
  /// fulfilled: there is one entry a family).
  void metadata(ApiCall call) const;
  /// Parameters: `start` and `end` (default: the last day), `values` (kept of each label, default
  /// 50, at most 1000).
  void inventory(ApiCall call) const;

 private:
  const model::SeriesSource& source_;
  const model::MetadataTable* metadata_;
  const base::Clock& clock_;
  QueryRunner& runner_;
};

}  // namespace tocsin::api

// Reports of a period, made from the daemon's own store and incidents (alertd/bulletin).
#pragma once

#include <memory>

#include "alertd/api/bulletin_handlers.h"
#include "alertd/app/report_adapter.h"
#include "alertd/bulletin/bulletin.h"
#include "alertd/promql/engine.h"
#include "common/base/executor.h"

namespace tocsin::alertd {

struct BulletinWorld {
  ReportAdapter& incidents;
  const model::SeriesSource& source;
  const promql::Engine& engine;
  promql::ParseOptions parse;
  base::Executor& queries;  ///< Where expressions are evaluated; one report takes one thread.
};

/// Thread: any. What it stands on outlives every answer.
class BulletinDesk final : public api::BulletinView {
 public:
  explicit BulletinDesk(const BulletinWorld& world) : world_(world) {}

  void bulletin(api::BulletinRequest request, api::Done<api::BulletinText> done) override;

  /// Makes the document; `done` runs on `queries`, or where an error was found.
  /// Errors in `done`: InvalidArgument (the period), Unavailable (too many at once), those of the
  /// state store.
  void make(const bulletin::Request& request, api::Done<bulletin::Document> done);

 private:
  BulletinWorld world_;
  std::shared_ptr<std::atomic<std::size_t>> running_ =
      std::make_shared<std::atomic<std::size_t>>(0);
};

}  // namespace tocsin::alertd

// Reports of a period over HTTP: GET /api/v1/reports/daily?format=html&from=&to=&timezone=.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "alertd/api/router.h"
#include "alertd/api/views.h"

namespace tocsin::api {

struct BulletinRequest {
  std::string kind;    ///< "daily", "weekly", "monthly", "compliance", "capacity"
  std::string format;  ///< "html", "markdown", "csv", "text"
  std::optional<base::WallTime> from = {};  ///< Without both: the kind's own period.
  std::optional<base::WallTime> to = {};
  std::string time_zone = {};  ///< Empty: that of `[report]`.
};

struct BulletinText {
  std::string content_type;
  std::string body;
};

/// Thread: any. Implementation: alertd/app/bulletin_desk.h.
class BulletinView {
 public:
  virtual ~BulletinView() = default;
  /// Errors in `done`: NotFound (no such kind), InvalidArgument, Unavailable (too many at once),
  /// those of the state store.
  virtual void bulletin(BulletinRequest request, Done<BulletinText> done) = 0;
};

/// `view` outlives the routes.
std::vector<Route> bulletin_routes(BulletinView& view);

}  // namespace tocsin::api

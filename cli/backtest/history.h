// Where a backtest reads the past: a store at hand, or the query API of a server.
//
// Both answer a whole range of slots in one go, which is what makes a backtest fast: windows are
// read once, not once for each slot.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "alertd/promql/engine.h"
#include "cli/backtest/query_api.h"
#include "cli/backtest/slots.h"
#include "common/base/result.h"
#include "common/model/series_source.h"

namespace tocsin::backtest {

/// An expression, as written and as understood.
struct Question {
  const std::string& text;
  const promql::Expr& expr;
};

/// Samples that somebody will read: those that match, in [begin, end].
struct Need {
  std::vector<model::Matcher> matchers;
  base::WallTime begin;
  base::WallTime end;
};

/// Thread: one.
class History {
 public:
  virtual ~History() = default;

  /// How many slots to ask for at first and at most, and how many points an answer may well have:
  /// the caller asks for more or fewer slots accordingly.
  struct Portions {
    std::size_t slots_first = 0;
    std::size_t slots_max = 0;
    std::size_t points_wanted = 0;
    std::size_t failures_max = 0;  ///< So many failed slots in a row are enough; 0: no limit.
  };
  virtual Portions portions() const = 0;

  /// Evaluates at each of the slots.
  /// Errors: Unavailable (nobody there: give up), InvalidArgument (the expression cannot be
  /// evaluated here, or not at one of these slots), LimitExceeded and Timeout (ask for less).
  virtual base::Result<promql::Matrix> range(const Question& question, const Slots& slots) = 0;

  /// Evaluates at one instant; a scalar becomes one element without labels. Errors: as range().
  virtual base::Result<promql::Vector> instant(const Question& question, base::WallTime at) = 0;

  /// Returns a source that has at least the samples of `needs`. It may refer to this object.
  virtual base::Result<std::unique_ptr<model::SeriesSource>> samples(
      const std::vector<Need>& needs) = 0;

  /// "http://127.0.0.1:9464", for people.
  virtual std::string name() const = 0;
};

/// Over series at hand. All of it outlives this object.
std::unique_ptr<History> make_local_history(const promql::Engine& engine,
                                            const model::SeriesSource& source, std::string name);

/// Over the query API of alertd, Prometheus or anything that answers like it. `api` outlives this.
std::unique_ptr<History> make_remote_history(QueryApi& api, std::string name);

}  // namespace tocsin::backtest

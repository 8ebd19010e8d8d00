// One scraped endpoint: fetched each round, parsed, labelled, all or nothing.
//
// The answer is taken apart into a batch of its own first; only when the whole text is sound and
// within the limits do its samples enter the round. A scrape that fails gives up=0 and ends the
// target's series, as in Prometheus.
#pragma once

#include <memory>
#include <string>

#include "agent/collectors/scrape/scrape_settings.h"
#include "agent/sampler/round_sink.h"
#include "common/base/executor.h"
#include "common/base/log.h"

namespace tocsin::agent {

/// What a scraped text holds after relabelling.
struct Scraped {
  model::WriteBatch samples;  ///< Timestamp 0 means the round's.
  std::size_t lines = 0;      ///< Samples before relabelling.
};

/// Parses and relabels the text of a target. Pure.
///
/// A scraped label that the target sets too becomes `exported_<name>`, or wins with honor_labels.
/// Errors: InvalidArgument ("line 3: ..."), LimitExceeded (names the limit).
/// Source: Prometheus, "Configuration", <scrape_config>.
base::Result<Scraped> parse_scrape(const ScrapeSettings& settings, std::string_view content_type,
                                   std::string_view body);

/// A target as the sampler sees it. Owner: the sampler's executor.
class ScrapeTarget final : public AsyncSource {
 public:
  struct World {
    base::Executor& executor;  ///< The sampler's.
    net::HttpClient& http;
    base::FailureLog& failures;
  };

  ScrapeTarget(ScrapeSettings settings, World world);

  const std::string& key() const override { return key_; }
  void start(base::WallTime timestamp, std::function<void(const Fill&)> done) override;

 private:
  void answered(base::MonotonicTime began, const base::Result<net::HttpResponse>& answer,
                const std::function<void(const Fill&)>& done);
  void fill(RoundSink& sink, const base::Result<Scraped>& scraped, double seconds) const;

  ScrapeSettings settings_;
  World world_;
  std::string key_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace tocsin::agent

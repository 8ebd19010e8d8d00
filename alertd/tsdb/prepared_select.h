// A selector that rules ask again and again; see model::PreparedSelector.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "alertd/tsdb/head.h"
#include "alertd/tsdb/series_reader.h"
#include "alertd/tsdb/snapshot.h"
#include "common/model/series_source.h"

namespace tocsin::tsdb {

/// Reads under the head's lock, so nothing is copied and no reference counted for each series;
/// holds 32 bytes for each series of a window: where the last one began. Series whose window needs
/// older segments are read after the lock, because that may wait for the disk. Owner: one thread at
/// a time.
class PreparedSelect final : public model::PreparedSelector {
 public:
  PreparedSelect(const Head& head, std::span<const model::Matcher> matchers)
      : head_(head),
        matchers_(matchers.begin(), matchers.end()),
        key_(SelectCache::key_of(matchers)) {}

  std::shared_ptr<const model::SeriesList> refresh() override;
  base::Result<void> newest(std::int64_t begin_ms, std::int64_t end_ms,
                            std::span<model::Sample> out) override;
  base::Result<void> windows(std::int64_t begin_ms, std::int64_t end_ms,
                             const Visit& visit) override;

 private:
  void prepare_places(std::int64_t begin_ms);
  base::Result<void> read_newest(const Head::View& view, const SampleRange& range,
                                 std::span<model::Sample> out);
  base::Result<bool> read_windows(const Head::View& view, const SampleRange& range,
                                  const Visit& visit);
  void postpone(const Head::View& view, const SampleRange& range, std::uint32_t series);
  base::Result<void> read_postponed(const SampleRange& range, const Visit& visit);
  base::Error damaged(std::uint32_t series) const;

  const Head& head_;
  std::vector<model::Matcher> matchers_;
  std::string key_;
  ResolvedPtr list_;
  /// By place in list_'s storage order; of the window that began at places_begin_ms_.
  std::vector<ChunkPlace> places_;
  ResolvedPtr places_list_;
  std::int64_t places_begin_ms_ = 0;
  WindowBuffer buffer_;
  std::unique_ptr<Snapshot> postponed_;  // of one read: what segments have to be asked for
};

}  // namespace tocsin::tsdb

// What the store does for whoever remembers series: handles, owners and their limits; and counting.
#include <doctest/doctest.h>
#include <fmt/core.h>

#include "tests/sim/test_store.h"

namespace tocsin::tsdb {
namespace {

using model::Labels;
using model::WriteBatch;

Labels numbered(int number) {
  return Labels{{"__name__", "m"}, {"host", "a"}, {"n", std::to_string(number)}};
}

/// A sender with an owner's number, a limit, and a memory of what the store told.
struct Remembering {
  TestStore& store;
  std::uint16_t owner = 1;
  std::uint64_t series_max = 0;
  std::shared_ptr<model::KnownSeriesTable> table = std::make_shared<model::KnownSeriesTable>();

  model::AppendOutcome send(int first, int count, std::int64_t at) {
    auto batch = std::make_shared<WriteBatch>();
    for (int i = first; i < first + count; ++i) {
      const auto key = static_cast<std::uint64_t>(i + 1);
      if (const model::KnownSeries* known = table->find(key)) {
        batch->begin_series();
        batch->add_sample({at, 1.0 * i});
        batch->set_known(known);
      } else {
        batch->add(numbered(i), {at, 1.0 * i});
      }
      batch->set_key(key);
    }
    batch->keep_alive(table);
    batch->owner = owner;
    batch->owner_series_max = series_max;
    batch->remember = true;
    std::optional<base::Result<model::AppendOutcome>> outcome;
    store.store->append(batch, [&](auto result) { outcome = std::move(result); });
    store.executor.run_ready();
    REQUIRE(outcome);
    REQUIRE(*outcome);
    for (const auto& [index, known] : (**outcome).known) {
      table->add(batch->series()[index].key, known);
    }
    return **outcome;
  }
};

TEST_CASE("known series are written without labels, and made anew when they are gone") {
  TestStore t;
  t.options.retention = base::Duration{3'600'000};
  t.options.checkpoint_wal_bytes = 1'000;
  REQUIRE(t.open());
  Remembering sender{t};
  CHECK(sender.send(0, 50, kNow).known.size() == 50);
  const auto again = sender.send(0, 60, kNow + 1'000);
  CHECK(again.known.size() == 10);
  CHECK(again.samples_appended == 60);
  CHECK(again.series_created == 10);
  CHECK(t.contents()[numbered(3).to_string()] ==
        std::vector<model::Sample>{{kNow, 3}, {kNow + 1'000, 3}});
  // Retention drops them; the memory holds on to what is not there any more.
  for (int minute = 0; minute < 200; ++minute) {
    t.executor.run_for(base::Duration{60'000});
    CHECK(t.appended(Labels{{"__name__", "live"}}, kNow + minute * 60'000, minute));
  }
  REQUIRE(t.contents().size() == 1);
  const std::int64_t later = base::to_ms(t.clock.wall());
  const auto anew = sender.send(0, 60, later);
  CHECK(anew.series_created == 60);
  CHECK(anew.known.size() == 60);
  CHECK(t.contents()[numbered(3).to_string()] == std::vector<model::Sample>{{later, 3}});
  CHECK(sender.send(0, 60, later + 1'000).known.empty());
  CHECK(sender.send(0, 0, later).owner_series == 60);
}

TEST_CASE("an owner at its limit: what is there goes on, what is new is refused, others are not") {
  TestStore t;
  REQUIRE(t.open());
  Remembering small{t, 1, 10};
  Remembering other{t, 2, 10};
  CHECK(small.send(0, 10, kNow).series_over_owner == 0);
  const auto over = small.send(0, 13, kNow + 1'000);
  CHECK(over.series_over_owner == 3);
  CHECK(over.samples_over_owner == 3);
  CHECK(over.series_refused == 3);
  CHECK(over.samples_appended == 10);
  CHECK(over.owner_series == 10);
  CHECK(other.send(10, 5, kNow + 2'000).series_created == 5);
  CHECK(small.send(10, 5, kNow + 3'000).series_refused == 0);  // the other one's: they exist
  // A restart forgets who had what; nothing that exists is refused.
  REQUIRE(t.open());
  Remembering first{t, 7, 5};
  CHECK(first.send(0, 15, kNow + 4'000).samples_appended == 15);
  CHECK(first.send(15, 1, kNow + 5'000).series_over_owner == 1);
  CHECK(first.send(0, 1, kNow + 6'000).owner_series == 15);
}

TEST_CASE("which metrics, labels and values have most series") {
  TestStore t;
  REQUIRE(t.open());
  for (int i = 0; i < 300; ++i) {
    REQUIRE(t.append(Labels{{"__name__", i < 200 ? "big" : "small"},
                            {"host", i % 3 == 0 ? "a" : "b"},
                            {"id", std::to_string(i)}},
                     kNow, 1));
  }
  const model::Cardinality all = t.store->cardinality(2);
  CHECK(all.series == 300);
  CHECK(all.label_pairs == 304);
  CHECK(all.chunks == 300);
  CHECK(all.first_ms == kNow);
  CHECK(all.last_ms == kNow);
  REQUIRE(all.series_by_metric.size() == 2);
  CHECK(all.series_by_metric[0].name == "big");
  CHECK(all.series_by_metric[0].count == 200);
  CHECK(all.series_by_metric[1].count == 100);
  CHECK(all.values_by_label[0].name == "id");
  CHECK(all.values_by_label[0].count == 300);
  CHECK(all.series_by_pair[0].name == "__name__=big");
  CHECK(all.series_by_pair[1].name == "host=b");
  CHECK(all.series_by_host[0].name == "b");
  CHECK(all.series_by_host[0].count == 200);
  CHECK(all.value_bytes_by_label[0].name == "__name__");
  CHECK(all.value_bytes_by_label[0].count == 200 * 3 + 100 * 5);
  CHECK(t.store->cardinality(1).series_by_metric.size() == 1);
}

}  // namespace
}  // namespace tocsin::tsdb

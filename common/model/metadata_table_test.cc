#include "common/model/metadata_table.h"

#include <doctest/doctest.h>

namespace tocsin::model {
namespace {

TEST_CASE("metadata: the latest word counts, unknown says nothing") {
  MetadataTable table;
  const MetricMetadata first[] = {{"requests", MetricType::Counter, "Requests.", "requests"},
                                  {"nothing", MetricType::Unknown, "", ""}};
  CHECK(table.note(first) == 0);
  CHECK(table.size() == 1);
  const MetricMetadata second[] = {{"requests", MetricType::Unknown, "Requests served.", ""}};
  CHECK(table.note(second) == 0);
  const auto entry = table.find("requests");
  REQUIRE(entry);
  CHECK(*entry == MetadataTable::Entry{MetricType::Counter, "Requests served.", "requests"});
  CHECK_FALSE(table.find("nothing"));
}

TEST_CASE("metadata: a full table refuses new families and still hears about old ones") {
  MetadataTable table({.families_max = 2, .help_bytes_max = 4, .unit_bytes_max = 64});
  const MetricMetadata many[] = {{"a", MetricType::Gauge, "", ""},
                                 {"b", MetricType::Gauge, "", ""},
                                 {"c", MetricType::Gauge, "", ""},
                                 {"a", MetricType::Counter, "ab\xc3\xa4\xc3\xa4", ""}};
  CHECK(table.note(many) == 1);
  CHECK(table.size() == 2);
  CHECK(table.find("a")->type == MetricType::Counter);
  // Cut at four bytes: "ab" and one letter of two bytes; the second would be torn at byte five.
  CHECK(table.find("a")->help == "ab\xc3\xa4");
}

TEST_CASE("metadata: the type of a series follows from its family") {
  const auto find = [](std::string_view family) -> std::optional<MetricType> {
    if (family == "latency") return MetricType::Histogram;
    if (family == "size") return MetricType::Summary;
    if (family == "jobs") return MetricType::Counter;
    if (family == "free") return MetricType::Gauge;
    if (family == "free_count") return MetricType::Unknown;
    return std::nullopt;
  };
  CHECK(series_type("latency_bucket", find) == MetricType::Counter);
  CHECK(series_type("latency_sum", find) == MetricType::Counter);
  CHECK(series_type("size_count", find) == MetricType::Counter);
  CHECK(series_type("size", find) == MetricType::Gauge);
  CHECK(series_type("jobs_total", find) == MetricType::Counter);
  CHECK(series_type("free", find) == MetricType::Gauge);
  CHECK(series_type("free_count", find) == MetricType::Unknown);  // part of no histogram
  CHECK(series_type("free_total", find) == MetricType::Unknown);
  CHECK(series_type("other", find) == MetricType::Unknown);
  CHECK(parse_metric_type("stateset") == MetricType::StateSet);
  CHECK(parse_metric_type("untyped") == MetricType::Unknown);
  CHECK_FALSE(parse_metric_type("widget"));
}

}  // namespace
}  // namespace tocsin::model

#include "agent/app/text_page.h"

#include <doctest/doctest.h>

using namespace tocsin;
using namespace tocsin::agent;

TEST_CASE("a page is sorted by family, with help, type, escapes and foreign timestamps") {
  model::WriteBatch batch;
  batch.add(model::Labels{{"__name__", "z_total"}, {"path", "a\"b\\c\nd"}}, {1000, 3});
  batch.add(model::Labels{{"__name__", "lat_bucket"}, {"le", "+Inf"}}, {1000, 2});
  batch.add(model::Labels{{"__name__", "lat_sum"}}, {1000, 0.5});
  batch.add(model::Labels{{"__name__", "a"}}, {5000, 1});
  batch.add(model::Labels{{"__name__", "gone"}}, {1000, model::stale_marker()});
  batch.add_metadata({"z_total", model::MetricType::Counter, "Things.\nMany.", {}});
  batch.add_metadata({"lat", model::MetricType::Histogram, "Time.", {}});
  TextPage page(1000);
  page.add(batch);
  CHECK(page.text() ==
        "# TYPE a untyped\n"
        "a 1 5000\n"
        "# HELP lat Time.\n"
        "# TYPE lat histogram\n"
        "lat_bucket{le=\"+Inf\"} 2\n"
        "lat_sum 0.5\n"
        "# HELP z_total Things.\\nMany.\n"
        "# TYPE z_total counter\n"
        "z_total{path=\"a\\\"b\\\\c\\nd\"} 3\n");
}

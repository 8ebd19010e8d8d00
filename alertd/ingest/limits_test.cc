#include "alertd/ingest/limits.h"

#include <doctest/doctest.h>

#include "alertd/ingest/token_bucket.h"
#include "common/config/source.h"
#include "common/config/toml.h"
#include "common/sim/sim_file_system.h"

namespace tocsin::ingest {
namespace {

struct Read {
  IngestLimits limits;
  std::string errors;
};

Read read(const std::string& text) {
  sim::SimFileSystem files;
  base::Diagnostics diagnostics;
  const config::Source source{"alertd.toml", text};
  const config::Node document = config::parse_toml(source, diagnostics);
  config::Context context{source, diagnostics, files};
  config::Table root(context, &document);
  config::Table ingest = root.table("ingest");
  Read result;
  result.limits = read_ingest_limits(ingest);
  ingest.finish();
  const std::vector<config::Source> sources{source};
  if (base::has_errors(diagnostics)) result.errors = config::render_all(diagnostics, sources);
  return result;
}

TEST_CASE("an exception starts from the default of all agents") {
  const Read got = read(R"(
[ingest.limits]
series = 500
burst = "30s"
[[ingest.agent]]
name = "prometheus"
series = 2000000
samples_per_second = 0
)");
  CHECK(got.errors.empty());
  CHECK(got.limits.of_agent("db1").series == 500);
  CHECK(got.limits.of_agent("db1").samples_per_second == 100'000);
  CHECK(got.limits.of_agent("prometheus").series == 2'000'000);
  CHECK(got.limits.of_agent("prometheus").samples_per_second == 0);
  CHECK(got.limits.of_agent("prometheus").burst == std::chrono::seconds(30));
  CHECK(got.limits.local.series == 0);
}

TEST_CASE("mistakes are named with their place") {
  const auto says = [](const std::string& text, const std::string& what) {
    const Read got = read(text);
    CHECK_MESSAGE(got.errors.find(what) != std::string::npos, got.errors);
  };
  says("[ingest.limits]\nseries = -1\n", "alertd.toml:2:");
  says("[ingest.limits]\nserie = 1\n", "series");
  says("[ingest.limits]\nburst = \"10ms\"\n", "burst is from 1s to 1h");
  says("[ingest.limits]\nrequest_bytes = \"1GiB\"\n", "request_bytes is from 1024 to 67108864");
  says("[ingest.local]\nconnections = 2\n", "fewer connections than requests_in_flight");
  says("[[ingest.agent]]\nseries = 1\n", "name");
  says("[[ingest.agent]]\nname = \"a\"\n[[ingest.agent]]\nname = \"a\"\n",
       "two [[ingest.agent]] are called 'a'");
}

TEST_CASE("a bucket may be overdrawn once, and is paid off") {
  TokenBucket bucket(10, 2);
  const base::MonotonicTime start{};
  CHECK(bucket.open(start));
  bucket.charge(50);
  CHECK(!bucket.open(start));
  CHECK(bucket.wait() == base::Duration{3'000});
  CHECK(!bucket.open(start + base::Duration{2'900}));
  CHECK(bucket.open(start + base::Duration{3'100}));
  CHECK(bucket.open(start + base::Duration{3'000'000}));
  bucket.charge(21);  // no more than the burst was saved up
  CHECK(!bucket.open(start + base::Duration{3'000'000}));
  TokenBucket endless(0, 2);
  endless.charge(1e18);
  CHECK(endless.open(start));
}

}  // namespace
}  // namespace tocsin::ingest

#include <doctest/doctest.h>

#include <sstream>

#include "cli/commands.h"
#include "common/base/sim_executor.h"

namespace tocsin::cli {
namespace {

struct TopFixture {
  class Api final : public ApiClient {
   public:
    ApiAnswer answer;
    ApiRequest request;
    ApiAnswer call(const ApiRequest& asked) override {
      request = asked;
      return answer;
    }
  };
  Api api;
  base::SimClock clock{base::WallTime{}};
  std::ostringstream out, err;
  Context context{api, OutputFormat::Table, {}, clock, out, err};
};

TEST_CASE("top series: lists with shares, or one of them") {
  TopFixture f;
  f.api.answer.data =
      R"({"headStats":{"numSeries":200,"numLabelPairs":30,"chunkCount":200,"minTime":1,"maxTime":2},)"
      R"("seriesCountByMetricName":[{"name":"http_requests_total","value":150}],)"
      R"("labelValueCountByLabelName":[{"name":"path","value":120}],)"
      R"("memoryInBytesByLabelName":[{"name":"path","value":2400}],)"
      R"("seriesCountByLabelValuePair":[{"name":"job=web","value":100}],)"
      R"("seriesCountByHost":[{"name":"web1","value":50}],)"
      R"("seriesCountByAgent":[]})";
  CHECK(run_top({}, f.context) == kOk);
  CHECK(f.api.request.path == "/api/v1/status/tsdb");
  CHECK(f.api.request.query.front().second == "10");
  const std::string all = f.out.str();
  CHECK(all.starts_with("200 series, 30 different labels with their values\n"));
  CHECK(all.find("http_requests_total  150     75.0 %") != std::string::npos);
  CHECK(all.find("path   120\n") != std::string::npos);
  CHECK(all.find("AGENT") == std::string::npos);  // nothing to list
  f.out.str("");
  CHECK(run_top({"host", 5}, f.context) == kOk);
  CHECK(f.api.request.query.front().second == "5");
  CHECK(f.out.str().find("web1  50      25.0 %") != std::string::npos);
  CHECK(f.out.str().find("METRIC") == std::string::npos);
}

}  // namespace
}  // namespace tocsin::cli

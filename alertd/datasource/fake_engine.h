// An engine behind a fake client: answers Prometheus' query API over series in memory. For tests
// only.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "alertd/datasource/datasources.h"
#include "alertd/ruler/memory_store.h"
#include "common/base/strings.h"
#include "common/net/url.h"

namespace tocsin::datasource {

class FakeEngine final : public net::HttpClient {
 public:
  enum class Mode { Well, Refusing, Broken, Silent, Partial, Warning, Garbage };

  explicit FakeEngine(const ruler::MemoryStore& series) : series_(series) {}

  void send(net::HttpRequest request, base::Executor& reply_on, net::HttpDone done) override {
    forms.emplace_back();
    (void)net::parse_form(request.body, forms.back());
    requests.push_back(request);
    if (mode == Mode::Silent) {
      reply_on.post_after(request.timeout, [done = std::move(done)] {
        done(base::error(base::ErrorCode::Timeout, "no answer in time"));
      });
      return;
    }
    reply_on.post_after(
        delay, [done = std::move(done), answer = answer_to(forms.back())] { done(answer); });
  }

  /// Returns how often an expression was asked.
  std::size_t asked(std::string_view expr) const {
    std::size_t times = 0;
    for (const net::Query& form : forms) {
      const auto found = form.find("query");
      if (found != form.end() && found->second == expr) ++times;
    }
    return times;
  }

  Mode mode = Mode::Well;
  base::Duration delay{0};
  std::vector<net::HttpRequest> requests;
  std::vector<net::Query> forms;

 private:
  static std::string text(std::string_view raw) {
    std::string out = "\"";
    for (const char c : raw) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    return out + '"';
  }
  static std::string metric(const model::Labels& labels) {
    std::string out;
    for (const auto label : labels) {
      out += (out.empty() ? "" : ",") + text(label.name) + ":" + text(label.value);
    }
    return "{" + out + "}";
  }
  static std::string point(const model::Sample& sample) {
    return "[" + base::format_double(static_cast<double>(sample.timestamp_ms) / 1000) + "," +
           text(base::format_double(sample.value)) + "]";
  }
  static std::string data(const promql::QueryResult& result) {
    std::string out;
    if (const auto* scalar = std::get_if<promql::Scalar>(&result.value)) {
      return R"({"resultType":"scalar","result":)" + point(scalar->sample) + "}";
    }
    if (const auto* vector = std::get_if<promql::Vector>(&result.value)) {
      for (const auto& one : *vector) {
        out += (out.empty() ? "" : ",") + (R"({"metric":)" + metric(one.labels)) + R"(,"value":)" +
               point(one.sample) + "}";
      }
      return R"({"resultType":"vector","result":[)" + out + "]}";
    }
    for (const auto& one : std::get<promql::Matrix>(result.value)) {
      std::string points;
      for (const auto& sample : one.samples) points += (points.empty() ? "" : ",") + point(sample);
      out += (out.empty() ? "" : ",") + (R"({"metric":)" + metric(one.labels)) + R"(,"values":[)" +
             points + "]}";
    }
    return R"({"resultType":"matrix","result":[)" + out + "]}";
  }

  net::HttpResponse answer_to(const net::Query& form) const {
    net::HttpResponse response;
    response.status = 200;
    if (mode == Mode::Broken) {
      response.status = 503;
      response.body = "upstream is down";
      return response;
    }
    const promql::Parsed parsed = promql::parse(form.find("query")->second);
    const auto seconds = base::parse_double(form.find("time")->second);
    if (mode == Mode::Refusing || !parsed.expr || !seconds) {
      response.status = 400;
      response.body = R"({"status":"error","errorType":"bad_data","error":"no such function"})";
      return response;
    }
    const auto at = base::wall_time(static_cast<std::int64_t>(*seconds * 1000 + 0.5));
    const auto result = engine_.instant(series_, *parsed.expr, at);
    response.body = result ? R"({"status":"success","data":)" + data(*result)
                           : R"({"status":"error","error":"failed")";
    if (mode == Mode::Partial) response.body += R"(,"isPartial":true)";
    if (mode == Mode::Warning) response.body += R"(,"warnings":["store 2 is unreachable"])";
    response.body += "}";
    if (mode == Mode::Garbage) response.body = "<html>welcome</html>";
    return response;
  }

  const ruler::MemoryStore& series_;
  promql::Engine engine_;
};

}  // namespace tocsin::datasource

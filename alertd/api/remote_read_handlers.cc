#include "alertd/api/remote_read_handlers.h"

#include <fmt/core.h>

#include <vector>

#include "alertd/api/json.h"

namespace tocsin::api {
namespace {

constexpr std::size_t kSeriesPerLook = 64;

/// What a client that has our external labels itself asks for is true of all our series.
std::vector<model::Matcher> without_external(const std::vector<model::Matcher>& matchers,
                                             const model::Labels& external) {
  std::vector<model::Matcher> left;
  for (const model::Matcher& matcher : matchers) {
    const bool ours = matcher.op() == model::MatchOp::Equal && !matcher.value().empty() &&
                      external.get(matcher.name()) == matcher.value();
    if (!ours) left.push_back(matcher);
  }
  return left;
}

model::Labels with_external(const model::Labels& labels, const model::Labels& external) {
  if (external.empty()) return labels;
  model::LabelsBuilder builder(labels);
  for (const model::LabelView label : external) {
    if (!labels.has(label.name)) builder.set(label.name, label.value);
  }
  return builder.build();
}

}  // namespace

base::Result<void> RemoteReadHandlers::add_query(const proto::ReadQuery& query, std::size_t index,
                                                 std::size_t& samples_left,
                                                 const QueryRunner::Cancelled& cancelled,
                                                 proto::ReadAnswer& answer) const {
  if (query.end_ms < query.begin_ms) return base::ok();
  const auto matchers = without_external(query.matchers, options_.external_labels);
  TC_TRY(const auto found, source_.select(matchers, query.begin_ms, query.end_ms, {}));
  std::vector<model::Sample> samples;
  for (std::size_t i = 0; i < found->size(); ++i) {
    if (i % kSeriesPerLook == 0 && cancelled()) {
      return base::error(base::ErrorCode::Cancelled, "the query was given up");
    }
    samples.clear();
    TC_TRY(found->samples(i, query.begin_ms, query.end_ms, samples));
    if (samples.empty()) continue;
    if (samples.size() > samples_left) {
      return base::error(base::ErrorCode::LimitExceeded,
                         fmt::format("exceeded sample limit ({})", options_.samples_max));
    }
    samples_left -= samples.size();
    TC_TRY(answer.add(index, with_external(found->labels(i), options_.external_labels), samples));
  }
  return base::ok();
}

net::ServerResponse RemoteReadHandlers::answer(const std::string& body,
                                               const QueryRunner::Cancelled& cancelled) const {
  const auto request = proto::decode_read(body, {});
  if (!request) return failure(request.error(), 400);
  proto::ReadAnswer answer(request->form, options_.bytes_max);
  std::size_t samples_left = options_.samples_max;
  for (std::size_t i = 0; i < request->queries.size(); ++i) {
    const auto added = add_query(request->queries[i], i, samples_left, cancelled, answer);
    if (!added) return failure(added.error(), 400);
  }
  const proto::ReadHeaders headers = proto::read_headers(request->form);
  net::ServerResponse response;
  response.content_type = headers.content_type;
  if (!headers.content_encoding.empty()) {
    response.headers.emplace_back("Content-Encoding", headers.content_encoding);
  }
  response.body = answer.finish(request->queries.size());
  return response;
}

void RemoteReadHandlers::read(ApiCall call) const {
  QueryRunner::Patience patience = runner_.patience(call.request);
  patience.gzip = false;  // chunks do not become smaller, and samples are compressed already
  runner_.run(patience, std::move(call.respond),
              [this, body = std::move(call.request.body)](const QueryRunner::Cancelled& cancelled) {
                return answer(body, cancelled);
              });
}

}  // namespace tocsin::api

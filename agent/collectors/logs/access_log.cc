#include "agent/collectors/logs/access_log.h"

#include <algorithm>
#include <array>
#include <utility>

#include "common/base/strings.h"

namespace tocsin::agent {

namespace {

constexpr MetricInfo kRequests{"http_requests_total", "Requests in the access log.",
                               model::MetricType::Counter};
constexpr MetricInfo kResponseBytes{"http_response_size_bytes_total", "Bytes of responses.",
                                    model::MetricType::Counter};
constexpr MetricInfo kBucket{"http_request_duration_seconds_bucket",
                             "Requests that took at most that long.", model::MetricType::Counter};
constexpr MetricInfo kSum{"http_request_duration_seconds_sum", "Time that requests took.",
                          model::MetricType::Counter};
constexpr MetricInfo kCount{"http_request_duration_seconds_count", "Requests with a duration.",
                            model::MetricType::Counter};
constexpr MetricInfo kAll{"access_log_requests_total",
                          "Requests in the access log; told also while there are none.",
                          model::MetricType::Counter};
constexpr MetricInfo kMalformed{"access_log_lines_malformed_total",
                                "Lines that are not of the format that is configured.",
                                model::MetricType::Counter};

/// Methods are what clients write; only these become labels.
std::string_view known_method(std::string_view method) {
  constexpr std::array<std::string_view, 9> kMethods{
      "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE"};
  const auto found = std::find(kMethods.begin(), kMethods.end(), method);
  return found == kMethods.end() ? "other" : *found;
}

}  // namespace

base::Result<std::unique_ptr<AccessLog>> AccessLog::make(AccessLogOptions options) {
  TC_TRY(AccessFormat format, AccessFormat::make(options.format));
  TC_TRY(Routes routes, Routes::make(options.routes, options.routes_max));
  return std::unique_ptr<AccessLog>(
      new AccessLog(std::move(options), std::move(format), std::move(routes)));
}

AccessLog::AccessLog(AccessLogOptions options, AccessFormat format, Routes routes)
    : options_(std::move(options)),
      format_(std::move(format)),
      routes_(std::move(routes)),
      requests_(kRequests, {"method", "status", "route"}),
      bytes_(kResponseBytes, {"route"}) {}

void AccessLog::take(const LogLine& line) {
  if (line.text.empty()) return;
  const auto entry = format_.parse(line.text);
  if (!entry) {
    ++malformed_;
    return;
  }
  ++all_;
  const bool exists = entry->status < 400 || entry->status >= 500;
  const std::string route = routes_.of(entry->path, exists);
  requests_.add({known_method(entry->method), std::to_string(entry->status), route});
  bytes_.add({route}, entry->bytes);
  if (!entry->seconds) return;
  Durations& durations = durations_[route];
  durations.counts.resize(options_.buckets.size() + 1);
  const auto bucket =
      std::lower_bound(options_.buckets.begin(), options_.buckets.end(), *entry->seconds);
  ++durations.counts[static_cast<std::size_t>(bucket - options_.buckets.begin())];
  durations.sum += *entry->seconds;
}

void AccessLog::tell(MetricSink& sink) {
  const model::LabelView job{"job", options_.job};
  sink.add(kAll, {job}, all_);
  sink.add(kMalformed, {job}, malformed_);
  requests_.tell(sink, job);
  bytes_.tell(sink, job);
  tell_durations(sink);
}

void AccessLog::tell_durations(MetricSink& sink) {
  const model::LabelView job{"job", options_.job};
  for (auto& [name, durations] : durations_) {
    const model::LabelView route{"route", name};
    const bool told = std::exchange(durations.told, true);
    double count = 0;
    for (std::size_t i = 0; i < durations.counts.size(); ++i) {
      count += durations.counts[i];
      const std::string bound = i < options_.buckets.size()
                                    ? base::format_double(options_.buckets[i])
                                    : std::string("+Inf");
      sink.add(kBucket, {job, route, {"le", bound}}, told ? count : 0);
    }
    sink.add(kSum, {job, route}, told ? durations.sum : 0);
    sink.add(kCount, {job, route}, told ? count : 0);
  }
}

}  // namespace tocsin::agent

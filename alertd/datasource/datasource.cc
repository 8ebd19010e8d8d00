#include "alertd/datasource/datasource.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "common/base/strings.h"
#include "common/net/url.h"

namespace tocsin::datasource {
namespace {

using base::ErrorCode;

constexpr base::Duration kPauseMin{200};
constexpr base::Duration kPauseMax{3'000};
constexpr base::Duration kRequestTimeoutMin{100};
constexpr std::size_t kWaitingMax = 20'000;
constexpr std::size_t kBodyShown = 200;

base::Duration to_duration(base::MonotonicTime::duration time) {
  return std::chrono::duration_cast<base::Duration>(time);
}

/// What PromQL itself has to say about an expression; anything else says that data is missing.
bool is_annotation(std::string_view warning) {
  return warning.starts_with("PromQL ");
}

std::string form_of(const Datasource::Question& question, const DatasourceSettings& settings,
                    base::Duration timeout) {
  std::string form = "query=" + net::percent_encode(question.expr) +
                     "&time=" + api_time(question.at) +
                     "&timeout=" + std::to_string(timeout.count()) + "ms";
  const bool all = settings.flavour == Flavour::Auto;
  if (settings.step) form += "&step=" + std::to_string(settings.step->count()) + "ms";
  if ((all || settings.flavour == Flavour::VictoriaMetrics) && settings.nocache) {
    form += "&nocache=1";
  }
  if (all || settings.flavour == Flavour::Thanos) {
    form += settings.partial == Partial::Refuse ? "&dedup=true&partial_response=false"
                                                : "&dedup=true&partial_response=true";
  }
  return form;
}

/// The engine's own words, else what was there instead of them.
std::string said(const net::HttpResponse& response) {
  std::string text = read_query_error(response.body);
  if (text.empty()) {
    text = base::escape_control(
        std::string(base::trim(std::string_view(response.body).substr(0, kBodyShown))));
  }
  return fmt::format("HTTP {}{}{}", response.status, text.empty() ? "" : ": ", text);
}

}  // namespace

struct Datasource::Judgement {
  base::Result<QueryAnswer> answer;
  bool again = false;  ///< It may pass.
  base::Duration wait{0};
  const char* outcome = "ok";
};

Datasource::Datasource(DatasourceSettings settings, const DatasourceWorld& world)
    : world_(world),
      name_(settings.name),
      up_(world.metrics.gauge("tocsin_alertd_datasource_up",
                              "1 while the engine answers; 0 after a question that it did not "
                              "answer in time, however often it was asked.",
                              {{"datasource", name_}})),
      last_success_(world.metrics.gauge("tocsin_alertd_datasource_last_success_timestamp_seconds",
                                        "When the engine last answered; 0 if never.",
                                        {{"datasource", name_}})),
      duration_(world.metrics.histogram("tocsin_alertd_datasource_request_duration_seconds",
                                        "How long the engine took to answer one request.",
                                        {0.005, 0.02, 0.1, 0.5, 2, 10, 60},
                                        {{"datasource", name_}})),
      settings_(std::make_shared<const DatasourceSettings>(std::move(settings))) {
  up_.set(1);
  for (const char* outcome : {"ok", "refused", "partial", "unavailable", "too_large"}) {
    world.metrics.counter("tocsin_alertd_datasource_requests_total",
                          "Requests to the engine by what became of them.",
                          {{"datasource", name_}, {"outcome", outcome}});
  }
}

std::shared_ptr<const DatasourceSettings> Datasource::settings() const {
  base::MutexLock lock(mutex_);
  return settings_;
}

void Datasource::reload(DatasourceSettings settings) {
  auto next = std::make_shared<const DatasourceSettings>(std::move(settings));
  base::MutexLock lock(mutex_);
  settings_ = std::move(next);
}

void Datasource::ask(Question question, Done done) {
  enqueue(std::make_shared<Job>(Job{std::move(question), std::move(done)}));
}

void Datasource::enqueue(const JobPtr& job) {
  bool full = false;
  {
    base::MutexLock lock(mutex_);
    if (in_flight_ >= settings_->max_parallel) {
      full = waiting_.size() >= kWaitingMax;
      if (!full) {
        waiting_.push_back(job);
        return;
      }
    } else {
      ++in_flight_;
    }
  }
  if (!full) return send(job);
  finish(job, base::error(ErrorCode::Unavailable,
                          fmt::format("datasource '{}': {} questions are waiting already", name_,
                                      kWaitingMax)));
}

// Has one place of those in flight.
void Datasource::send(const JobPtr& job) {
  const auto settings = this->settings();
  const Question& question = job->question;
  job->sent = clock().monotonic();
  const base::Duration left = to_duration(question.deadline - job->sent);
  if (question.cancelled && question.cancelled()) {
    release();
    return finish(job, base::error(ErrorCode::Cancelled,
                                   fmt::format("datasource '{}': the query took too long", name_)));
  }
  if (left < kRequestTimeoutMin) {
    up_.set(0);
    release();
    return finish(job, base::error(ErrorCode::Timeout,
                                   fmt::format("datasource '{}': no answer in the time of the "
                                               "round",
                                               name_)));
  }
  ++job->attempts;
  net::HttpRequest request = settings->endpoint.request("POST", "/api/v1/query");
  request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
  request.headers.emplace_back("Accept", "application/json");
  request.timeout = std::min(settings->endpoint.timeout, left);
  request.response_bytes_max = settings->response_bytes_max;
  request.body = form_of(question, *settings, request.timeout);
  world_.http.send(std::move(request), world_.executor,
                   [self = shared_from_this(), job](const base::Result<net::HttpResponse>& got) {
                     self->answered(job, got);
                   });
}

Datasource::Judgement Datasource::judge(const base::Result<net::HttpResponse>& response,
                                        const DatasourceSettings& by) {
  const auto failed = [&](ErrorCode code, const std::string& what, const char* outcome) {
    return Judgement{base::error(code, fmt::format("datasource '{}' at {}: {}", name_,
                                                   by.endpoint.shown(), what)),
                     false, base::Duration{0}, outcome};
  };
  const auto passing = [&](ErrorCode code, const std::string& what, const char* outcome) {
    Judgement judgement = failed(code, what, outcome);
    judgement.again = true;
    return judgement;
  };
  if (!response) {
    const base::Error& error = response.error();
    if (error.code == ErrorCode::LimitExceeded) {
      return failed(error.code, error.message + "; raise response_limit or ask for less",
                    "too_large");
    }
    return base::is_retryable(error.code) ? passing(error.code, error.message, "unavailable")
                                          : failed(error.code, error.message, "refused");
  }
  if (response->status == 429 || response->status == 408 || response->status >= 500) {
    Judgement judgement = passing(ErrorCode::Unavailable, said(*response), "unavailable");
    judgement.wait = net::retry_after(*response, clock().wall());
    return judgement;
  }
  if (response->status == 401 || response->status == 403) {
    return failed(ErrorCode::InvalidArgument,
                  said(*response) + "; see token_file, username and headers of [[datasource]]",
                  "refused");
  }
  if (response->status >= 300 && response->status < 400) {
    return failed(ErrorCode::InvalidArgument, "the url is redirected; give the final address",
                  "refused");
  }
  if (response->status != 200) {
    return failed(ErrorCode::InvalidArgument, said(*response), "refused");
  }
  auto answer = read_query_answer(response->body);
  if (!answer) return failed(answer.error().code, answer.error().message, "refused");
  std::string missing;
  if (answer->partial) missing = "isPartial";
  for (const std::string& warning : answer->warnings) {
    if (missing.empty() && !is_annotation(warning)) missing = warning.substr(0, kBodyShown);
  }
  if (missing.empty()) return {std::move(answer)};
  if (by.partial == Partial::Refuse) {
    return passing(ErrorCode::Unavailable, "the answer is partial (" + missing + ")", "partial");
  }
  if (answer->partial) answer->warnings.push_back("the answer is partial");
  return {std::move(answer), false, base::Duration{0}, "partial"};
}

void Datasource::answered(const JobPtr& job, const base::Result<net::HttpResponse>& response) {
  const base::MonotonicTime now = clock().monotonic();
  duration_.observe(std::chrono::duration<double>(now - job->sent).count());
  Judgement judgement = judge(response, *settings());
  count(judgement.outcome);
  release();
  if (judgement.answer) {
    up_.set(1);
    last_success_.set(base::to_seconds(clock().wall()));
    failures_.clear("query");
    return finish(job, std::move(judgement.answer));
  }
  const base::Duration wait = std::max(pause(job->attempts), judgement.wait);
  if (judgement.again && now + wait + kRequestTimeoutMin < job->question.deadline) {
    world_.executor.post_after(wait, [self = shared_from_this(), job] { self->enqueue(job); });
    return;
  }
  // A refused expression or too large an answer is the rule's own trouble; that the engine lets
  // nobody in is not.
  const base::ErrorCode code = judgement.answer.error().code;
  const bool lets_in = response && response->status != 401 && response->status != 403;
  const bool of_the_rule =
      code == ErrorCode::LimitExceeded || (code == ErrorCode::InvalidArgument && lets_in);
  if (!of_the_rule) {
    up_.set(0);
    failures_.report("query", judgement.answer.error().message);
  }
  finish(job, std::move(judgement.answer));
}

void Datasource::release() {
  JobPtr next;
  {
    base::MutexLock lock(mutex_);
    if (waiting_.empty() || in_flight_ > settings_->max_parallel) {
      --in_flight_;
      return;
    }
    next = std::move(waiting_.front());
    waiting_.pop_front();
  }
  // Not from here: a queue of overdue questions would be a deep recursion.
  world_.executor.post([self = shared_from_this(), next] { self->send(next); });
}

void Datasource::finish(const JobPtr& job, base::Result<QueryAnswer> answer) {
  std::exchange(job->done, nullptr)(std::move(answer));
}

void Datasource::count(const char* outcome) {
  world_.metrics
      .counter("tocsin_alertd_datasource_requests_total",
               "Requests to the engine by what became of them.",
               {{"datasource", name_}, {"outcome", outcome}})
      .increment();
}

base::Duration Datasource::pause(unsigned attempts) {
  const auto bound =
      std::min<std::int64_t>(kPauseMax.count(), kPauseMin.count() << std::min(attempts, 10U));
  const double part = 0.5 + world_.random.unit() / 2;
  return base::Duration{static_cast<std::int64_t>(part * static_cast<double>(bound))};
}

}  // namespace tocsin::datasource

#include "agent/collectors/rabbitmq/rabbitmq_source.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/collectors/blocking/blocking_source.h"
#include "agent/collectors/rabbitmq/rabbitmq_metrics.h"
#include "common/base/base64.h"
#include "common/net/url.h"

namespace tocsin::agent {

using base::ErrorCode;
using base::Result;

namespace {

constexpr MetricInfo kUp{"rabbitmq_up", "1 if RabbitMQ's management API answered."};
constexpr std::size_t kPageQueues = 200;
constexpr std::size_t kAnswerBytesMax = 2 << 20;
/// Rounds are not exact to the millisecond.
constexpr base::Duration kRoundSlack{500};

}  // namespace

RabbitmqSource::RabbitmqSource(RabbitmqSettings settings, World world)
    : settings_(std::move(settings)),
      world_(world),
      key_(settings_.key()),
      authorization_("Basic " + base::base64(settings_.user + ":" + settings_.password.reveal())),
      exclude_(settings_.queues_exclude.empty() ? "^$" : settings_.queues_exclude),
      task_queues_(settings_.queues) {}

void RabbitmqSource::start(base::WallTime /*timestamp*/, std::function<void(const Fill&)> done) {
  auto round = std::make_shared<Round>();
  round->done = std::move(done);
  round->due = world_.executor.clock().monotonic() + settings_.timeout;
  ask(round, fmt::format("/api/overview?columns={}", kOverviewColumns),
      [this](const std::shared_ptr<Round>& asked, Result<std::string> body) {
        auto overview = body ? parse_overview(*body) : Result<RabbitOverview>(body.error());
        if (!overview) {
          asked->down = overview.error();
          return finish(asked);
        }
        asked->overview = std::move(*overview);
        ask_nodes(asked);
      });
}

void RabbitmqSource::ask(const std::shared_ptr<Round>& round, const std::string& path,
                         Answer answer) {
  net::HttpRequest request;
  request.url = settings_.url + path;
  request.headers.emplace_back("Authorization", authorization_);
  request.headers.emplace_back("Accept", "application/json");
  request.headers.emplace_back("User-Agent", "tocsin-agent/" TOCSIN_VERSION);
  request.tls = settings_.tls;
  request.response_bytes_max = kAnswerBytesMax;
  const auto left =
      std::chrono::duration_cast<base::Duration>(round->due - world_.executor.clock().monotonic());
  request.timeout = std::max(left, base::Duration{1});
  const std::string called = path.substr(0, path.find('?'));
  world_.http.send(std::move(request), world_.executor,
                   [this, round, called, answer = std::move(answer),
                    alive = std::weak_ptr<int>(alive_)](const Result<net::HttpResponse>& got) {
                     if (!alive.expired()) answer(round, body_of(got, called));
                   });
}

Result<std::string> RabbitmqSource::body_of(const Result<net::HttpResponse>& answer,
                                            const std::string& path) const {
  if (!answer) return answer.error();
  if (answer->status == 200) return answer->body;
  const std::string reason = error_reason(answer->body);
  if (answer->status == 401 || answer->status == 403) {
    return base::error(
        ErrorCode::PermissionDenied,
        fmt::format("HTTP {0} for {1}: user '{2}' is refused ({3}); the password is wrong, or the "
                    "tag is missing (rabbitmqctl set_user_tags {2} monitoring), or it is not let "
                    "into the vhost (rabbitmqctl set_permissions -p VHOST {2} '^$' '^$' '^$')",
                    answer->status, path, settings_.user, reason));
  }
  if (answer->status == 404) {
    return base::error(ErrorCode::NotFound,
                       fmt::format("HTTP 404 for {}: no such vhost, or this is not the management "
                                   "API (rabbitmq-plugins enable rabbitmq_management)",
                                   path));
  }
  return base::error(ErrorCode::Unavailable,
                     fmt::format("HTTP {} for {}: {}", answer->status, path, reason));
}

void RabbitmqSource::ask_nodes(const std::shared_ptr<Round>& round) {
  ask(round, fmt::format("/api/nodes?columns={}", kNodeColumns),
      [this](const std::shared_ptr<Round>& asked, Result<std::string> body) {
        auto nodes = body ? parse_nodes(*body) : Result<std::vector<RabbitNode>>(body.error());
        if (nodes) {
          asked->nodes = std::move(*nodes);
        } else {
          asked->failed.emplace("nodes", nodes.error());
        }
        const base::MonotonicTime now = world_.executor.clock().monotonic();
        if (queues_read_ && now - *queues_read_ < settings_.queues_interval - kRoundSlack) {
          return finish(asked);
        }
        queues_short_.reset();
        ask_queues(asked, 0, 1);
      });
}

void RabbitmqSource::ask_queues(const std::shared_ptr<Round>& round, std::size_t vhost,
                                std::size_t page) {
  const std::string of =
      settings_.vhosts.empty() ? std::string() : "/" + net::percent_encode(settings_.vhosts[vhost]);
  ask(round,
      fmt::format("/api/queues{}?page={}&page_size={}&columns={}", of, page,
                  std::min(kPageQueues, settings_.queues_max), kQueueColumns),
      [this, vhost, page](const std::shared_ptr<Round>& asked, Result<std::string> body) {
        auto answer = body ? parse_queue_page(*body) : Result<RabbitQueuePage>(body.error());
        if (answer) return take_page(asked, vhost, page, std::move(*answer));
        // Queues were deleted while we turned the pages.
        if (page > 1 && answer.error().message.find("out of range") != std::string::npos) {
          return take_page(asked, vhost, page, RabbitQueuePage{});
        }
        // What was known before is not known any more.
        queues_.clear();
        queues_read_.reset();
        asked->failed.emplace("queues", answer.error());
        finish(asked);
      });
}

void RabbitmqSource::take_page(const std::shared_ptr<Round>& round, std::size_t vhost,
                               std::size_t page, RabbitQueuePage answer) {
  for (RabbitQueue& queue : answer.queues) round->queues.push_back(std::move(queue));
  if (page == 1) round->total += answer.total;
  const bool more_pages = page < answer.pages;
  const bool more_vhosts = vhost + 1 < settings_.vhosts.size();
  if (round->queues.size() > settings_.queues_max) return take_queues(round, true);
  if (round->queues.size() == settings_.queues_max && (more_pages || more_vhosts)) {
    return take_queues(round, more_pages);
  }
  if (more_pages) return ask_queues(round, vhost, page + 1);
  if (more_vhosts) return ask_queues(round, vhost + 1, 1);
  take_queues(round, false);
}

void RabbitmqSource::take_queues(const std::shared_ptr<Round>& round, bool cut) {
  std::vector<RabbitQueue>& queues = round->queues;
  if (cut) {
    queues.resize(settings_.queues_max);
    queues_short_ = base::error(
        ErrorCode::LimitExceeded,
        fmt::format("{} queues, queues_max {}: the others are not watched; raise it, or name "
                    "the vhosts",
                    round->total, settings_.queues_max));
  } else {
    look_for_hidden(*round);
  }
  std::erase_if(queues, [this](const RabbitQueue& queue) { return exclude_.matches(queue.name); });
  queues_ = std::move(queues);
  queues_read_ = world_.executor.clock().monotonic();
  finish(round);
}

/// The overview counts all queues, also those of vhosts that the user may not enter: without this
/// a missing permission would look like an empty broker.
void RabbitmqSource::look_for_hidden(const Round& round) {
  const auto counted = number_of(round.overview.numbers, "object_totals.queues");
  const bool all =
      !settings_.vhosts.empty() || !counted || static_cast<double>(round.total) >= *counted;
  hidden_ = all ? 0 : hidden_ + 1;
  // One that is deleted between the two requests is missing once.
  if (hidden_ == 0 || (hidden_ == 1 && round.total > 0)) return;
  queues_short_ = base::error(
      ErrorCode::PermissionDenied,
      fmt::format("user '{0}' sees {1} of {2} queues; it needs to be let into each vhost, with no "
                  "right there: rabbitmqctl set_permissions -p VHOST {0} '^$' '^$' '^$'",
                  settings_.user, round.total, *counted));
}

void RabbitmqSource::finish(const std::shared_ptr<Round>& round) {
  if (queues_short_) round->failed.emplace("queues", *queues_short_);
  report(*round);
  round->done([&](RoundSink& sink) { fill(sink, *round); });
}

void RabbitmqSource::report(const Round& round) {
  if (round.down) {
    world_.failures.report(key_, round.down->message);
    return;
  }
  world_.failures.clear(key_);
  for (const char* check : {"nodes", "queues"}) {
    const std::string subject = key_ + ", " + check;
    const auto failed = round.failed.find(check);
    if (failed == round.failed.end()) {
      world_.failures.clear(subject);
    } else {
      world_.failures.report(subject, failed->second.message);
    }
  }
}

void RabbitmqSource::fill(RoundSink& sink, const Round& round) {
  sink.add(kUp, {{"server", settings_.name}}, round.down ? 0 : 1);
  if (round.down) {
    add_check_failed(sink, settings_.name, "connection", *round.down);
    return;
  }
  for (const auto& [check, error] : round.failed) {
    add_check_failed(sink, settings_.name, check, error);
  }
  add_rabbit_overview(round.overview, settings_.name, sink);
  add_rabbit_nodes(round.nodes, settings_.name, sink);
  add_rabbit_queues(queues_, settings_.name, sink);
  task_queues_.add(queues_, settings_.name, world_.executor.clock().wall(), sink);
}

}  // namespace tocsin::agent

#include "agent/collectors/mail/mail_queue_source.h"

#include <fmt/format.h>

#include <span>

#include "agent/collectors/kept/slow_source.h"
#include "agent/collectors/mail/showq.h"
#include "common/base/file_system.h"

namespace tocsin::agent {

using base::Result;

namespace {

constexpr MetricInfo kUp{"mail_queue_up", "1 if all queues of the mail server could be read."};
constexpr MetricInfo kMessages{"mail_queue_messages", "Messages in the queue."};
constexpr MetricInfo kOldest{"mail_queue_oldest_seconds",
                             "Since the oldest of them came in; 0: there is none."};

constexpr const char* kPostfixQueues[] = {"maildrop", "incoming", "active",
                                          "deferred", "hold",     "corrupt"};

/// The counts by queue; a queue that could not be read has its error.
struct QueuesRead {
  std::map<std::string, SpoolCount> counts{};
  std::map<std::string, base::Error> failed{};
};

QueuesRead read_folders(const MailQueueSettings& settings, base::WallTime now) {
  QueuesRead read;
  const bool exim = settings.mta == MailServer::Exim;
  std::vector<std::string> queues(std::begin(kPostfixQueues), std::end(kPostfixQueues));
  if (exim) queues = {"input"};
  for (const std::string& queue : queues) {
    auto count =
        count_spool(base::join_path(settings.spool, queue), settings.mta, settings.limits, now);
    if (count) {
      read.counts.emplace(queue, *count);
    } else if (count.error().code != base::ErrorCode::NotFound) {
      read.failed.emplace(queue, count.error());
    }
  }
  if (read.counts.empty() && read.failed.empty()) {
    read.failed.emplace("spool",
                        base::error(base::ErrorCode::NotFound,
                                    fmt::format("'{}' has no queue of {} in it", settings.spool,
                                                exim ? "Exim" : "Postfix")));
  }
  for (auto& [queue, error] : read.failed) {
    if (error.code != base::ErrorCode::PermissionDenied) continue;
    error.message += exim ? "; usermod -aG Debian-exim tocsin-agent, and a restart of the agent"
                          : "; the group postdrop for read = \"listing\", or an access list on it";
  }
  return read;
}

QueuesRead read_listing(const MailQueueSettings& settings, const base::Clock& clock) {
  QueuesRead read;
  const ShowqLimits limits{settings.limits.files_max};
  auto listed = read_showq(base::join_path(settings.spool, "public/showq"), limits, clock);
  if (!listed) {
    read.failed.emplace("listing", listed.error());
    return read;
  }
  read.counts = std::move(*listed);
  // What is not in the listing is empty.
  for (const char* queue : kPostfixQueues) {
    if (std::string_view(queue) != "corrupt") read.counts.try_emplace(queue);
  }
  return read;
}

QueuesRead read_queues(const MailQueueSettings& settings, const base::Clock& clock) {
  if (settings.reading == SpoolReading::Listing) return read_listing(settings, clock);
  QueuesRead read = read_folders(settings, clock.wall());
  const bool denied = !read.failed.empty() && settings.mta == MailServer::Postfix &&
                      settings.reading == SpoolReading::Auto;
  if (!denied) return read;
  QueuesRead listed = read_listing(settings, clock);
  return listed.failed.empty() ? listed : read;
}

}  // namespace

Fill read_mail_queue(const MailQueueSettings& settings, const base::Clock& clock,
                     base::FailureLog& failures) {
  QueuesRead read = read_queues(settings, clock);
  for (const auto& [queue, count] : read.counts) {
    if (!count.cut) continue;
    read.failed.emplace(queue, base::error(base::ErrorCode::LimitExceeded,
                                           fmt::format("queue '{}' has more than messages_max {}",
                                                       queue, settings.limits.files_max)));
  }
  std::string all;
  for (const auto& [queue, error] : read.failed) all += (all.empty() ? "" : "; ") + error.message;
  if (all.empty()) {
    failures.clear(settings.key() + ", queues");
  } else {
    failures.report(settings.key() + ", queues", all);
  }
  const auto shared = std::make_shared<const QueuesRead>(std::move(read));
  return [shared, settings, now = clock.wall()](RoundSink& sink) {
    const model::LabelView server{"server", settings.name};
    const model::LabelView mta{"mta", settings.mta == MailServer::Exim ? "exim" : "postfix"};
    bool readable = true;
    for (const auto& [check, error] : shared->failed) {
      readable = readable && error.code == base::ErrorCode::LimitExceeded;
      add_check_failed(sink, settings.name, "mail_queue " + check, error);
    }
    sink.add(kUp, {server, mta}, readable ? 1 : 0);
    for (const auto& [queue, count] : shared->counts) {
      const model::LabelView name{"queue", queue};
      const double age = count.oldest ? base::to_seconds(now) - base::to_seconds(*count.oldest) : 0;
      sink.add(kMessages, {server, mta, name}, count.messages);
      sink.add(kOldest, {server, mta, name}, std::max(0.0, age));
    }
  };
}

std::unique_ptr<AsyncSource> make_mail_queue_source(const MailQueueSettings& settings,
                                                    base::Duration round_interval,
                                                    BlockingSource::World world,
                                                    base::FailureLog& failures) {
  SlowReading slow;
  slow.key = settings.key();
  slow.thread = "mail-queue";
  slow.interval = settings.interval;
  slow.timeout = round_timeout(round_interval);
  slow.read = [settings, &clock = world.clock, &failures] {
    return read_mail_queue(settings, clock, failures);
  };
  return make_slow_source(std::move(slow), world, failures);
}

}  // namespace tocsin::agent

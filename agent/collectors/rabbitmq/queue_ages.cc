#include "agent/collectors/rabbitmq/queue_ages.h"

#include <algorithm>

namespace tocsin::agent {
namespace {

double seconds_between(base::WallTime from, base::WallTime to) {
  return std::max(0.0, static_cast<double>(base::to_ms(to) - base::to_ms(from)) / 1000);
}

}  // namespace

void QueueAges::arrive(Queue& queue, double messages, base::WallTime now) {
  if (messages <= 0) return;
  queue.batches.push_back({now, now, messages});
  if (queue.batches.size() <= kBatchesMax) return;
  // Two neighbours become one, those whose span is least for their age; the younger's time counts,
  // so that none is told older than it is.
  const auto blur = [now](const Batch& older, const Batch& younger) {
    return seconds_between(older.from, younger.at) / (1 + seconds_between(older.from, now));
  };
  auto best = queue.batches.begin() + 1;
  for (auto it = best; it != queue.batches.end(); ++it) {
    if (blur(*(it - 1), *it) < blur(*(best - 1), *best)) best = it;
  }
  best->from = (best - 1)->from;
  best->messages += (best - 1)->messages;
  queue.batches.erase(best - 1);
}

void QueueAges::leave(Queue& queue, double messages) {
  while (messages > 0 && !queue.batches.empty()) {
    Batch& first = queue.batches.front();
    if (first.messages > messages) {
      first.messages -= messages;
      return;
    }
    messages -= first.messages;
    queue.batches.pop_front();
  }
}

std::optional<QueueAge> QueueAges::note(const RabbitQueue& queue, base::WallTime now) {
  const auto waiting = number_of(queue.numbers, "messages_ready");
  if (!waiting) return std::nullopt;
  const auto published = number_of(queue.numbers, "message_stats.publish");
  Queue& known = queues_[{queue.vhost, queue.name}];
  known.seen = true;
  // Dead letters, and messages that go back, are not counted as published: then growth is all that
  // is known. A count that fell is of a broker that started anew.
  double arrived = std::max(0.0, *waiting - known.waiting);
  if (published && known.published) arrived = std::max(arrived, *published - *known.published);
  const double left = known.waiting + arrived - *waiting;
  // First in, first out: first those leave that were there.
  const double old_left = std::min(left, known.waiting);
  leave(known, old_left);
  arrive(known, arrived - (left - old_left), now);
  known.waiting = *waiting;
  if (published) known.published = published;
  if (*waiting <= 0) return QueueAge{0};
  if (const auto head = number_of(queue.numbers, "head_message_timestamp"); head && *head > 0) {
    const double age = static_cast<double>(base::to_ms(now)) / 1000 - *head;
    return QueueAge{std::max(0.0, age), false};
  }
  return QueueAge{known.batches.empty() ? 0 : seconds_between(known.batches.front().at, now)};
}

void QueueAges::forget_others() {
  std::erase_if(queues_, [](const auto& each) { return !each.second.seen; });
  for (auto& [name, queue] : queues_) queue.seen = false;
}

}  // namespace tocsin::agent

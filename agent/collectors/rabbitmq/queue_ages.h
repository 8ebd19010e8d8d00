// How old the first message of a queue is, from what the broker counts. Pure but for what was seen
// before.
//
// The management API shows no message without taking it out. It does show how many wait and how
// many were published, and a queue is first in, first out: what arrived is noted with the time of
// the reading, what left is taken from the front, and the front is the oldest. What lay there at
// the first reading counts from then, so the age is "at least" until the queue has turned over
// once. A publisher's timestamp at the head, where the broker knows one, is better and is used
// instead.
//
// A message that goes back to the queue counts as new.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "agent/collectors/rabbitmq/rabbitmq_api.h"
#include "common/base/time.h"

namespace tocsin::agent {

struct QueueAge {
  double seconds = 0;
  bool estimated = true;  ///< No: by the timestamp that the publisher gave the message.
};

/// Thread: one at a time. Memory: kBatchesMax times 24 bytes for each queue.
class QueueAges {
 public:
  static constexpr std::size_t kBatchesMax = 64;

  /// Notes what a reading says of one queue. Returns the age of its first message, 0 if none waits;
  /// nullopt if the broker has not counted yet.
  std::optional<QueueAge> note(const RabbitQueue& queue, base::WallTime now);

  /// Forgets the queues that were not noted since the last call.
  void forget_others();

 private:
  struct Batch {
    base::WallTime from, at;  ///< When the first and the last of them arrived.
    double messages;
  };
  struct Queue {
    std::deque<Batch> batches;  ///< Oldest first; none is empty.
    double waiting = 0;
    std::optional<double> published{};
    bool seen = false;
  };

  static void arrive(Queue& queue, double messages, base::WallTime now);
  static void leave(Queue& queue, double messages);

  std::map<std::pair<std::string, std::string>, Queue> queues_;  // vhost, name
};

}  // namespace tocsin::agent

#include "agent/collectors/application/statsd_server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>

#include "agent/collectors/application/datagram_sockets.h"
#include "agent/collectors/application/dropped.h"
#include "agent/collectors/application/statsd_line.h"
#include "common/base/asio_executor.h"
#include "common/base/mutex.h"
#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

constexpr std::size_t kDatagramBytes = 65'536;
constexpr int kDatagramsAtOnce = 256;  // of one socket, before the other has its turn
constexpr double kMsPerSecond = 1000;

/// "$1" and the like replaced by what the stars stood for.
std::string fill_in(std::string_view text, const std::vector<std::string_view>& parts) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool reference =
        text[at] == '$' && at + 1 < text.size() && text[at + 1] >= '1' && text[at + 1] <= '9';
    if (!reference) {
      out.push_back(text[at]);
      continue;
    }
    const auto index = static_cast<std::size_t>(text[++at] - '1');
    if (index < parts.size()) out += parts[index];
  }
  return out;
}

SeriesName series_name(const StatsdSettings& settings, const StatsdLine& line) {
  SeriesName name;
  for (const auto& [tag, value] : line.tags) {
    name.labels.emplace_back(label_name_of(tag), std::string(value));
  }
  std::vector<std::string_view> parts;
  for (const StatsdMapping& mapping : settings.mappings) {
    if (!match_statsd_name(mapping.match, line.name, parts)) continue;
    name.name = settings.prefix + mapping.name;
    for (const auto& [label, value] : mapping.labels) {
      name.labels.emplace_back(label, fill_in(value, parts));
    }
    return name;
  }
  name.name = settings.prefix + metric_name_of(line.name);
  return name;
}

class StatsdServer final : public MetricReceiver {
 public:
  StatsdServer(StatsdSettings settings, ReceiverWorld world)
      : settings_(std::move(settings)),
        world_(world),
        lines_(world.metrics.counter("tocsin_agent_application_received_total",
                                     "Lines and points that applications handed in.",
                                     {{"receiver", "statsd"}})),
        series_(world.metrics.gauge("tocsin_agent_application_series",
                                    "Series that applications handed in.",
                                    {{"receiver", "statsd"}})),
        dropped_(world.metrics, "statsd",
                 {"malformed", "unsupported", "socket_full", "bad_name", "bad_label",
                  "type_conflict", "series_limit"}),
        store_(settings_.bounds) {}
  ~StatsdServer() override { close(); }

  std::string_view name() const override { return "statsd"; }

  base::Result<void> open() override EXCLUDES(life_) {
    const base::MutexLock lock(life_);
    if (closed_) return base::error(base::ErrorCode::Cancelled, "closed");
    if (thread_) return base::ok();
    std::array<OwnedFd, 2> sockets;
    if (!settings_.listen.empty()) {
      const auto address = parse_listen_address(settings_.listen);
      if (!address) {
        return base::error(base::ErrorCode::InvalidArgument, "no address: " + settings_.listen);
      }
      TC_TRY(sockets[0], open_udp(*address));
    }
    if (!settings_.socket.empty()) {
      TC_TRY(sockets[1], open_unix_datagram(settings_.socket, settings_.socket_mode));
    }
    OwnedFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake.open()) return base::error(base::ErrorCode::Io, "no descriptor for eventfd");
    sockets_ = std::move(sockets);
    wake_ = std::move(wake);
    thread_ = std::make_unique<base::AsioExecutor>(world_.clock, "statsd", 1);
    thread_->post([this] { run(); });
    return base::ok();
  }

  void write(RoundSink& sink) override EXCLUDES(mutex_) {
    const base::MutexLock lock(mutex_);
    store_.write(sink, world_.clock.monotonic());
    series_.set(static_cast<double>(store_.size()));
  }

  void close() override EXCLUDES(life_) {
    const base::MutexLock lock(life_);
    if (closed_) return;
    closed_ = true;
    if (!thread_) return;
    stopping_ = true;
    const std::uint64_t count = 1;
    static_cast<void>(!::write(wake_.get(), &count, sizeof count));
    thread_->stop();
    thread_.reset();
    for (OwnedFd& one : sockets_) one = OwnedFd();
    if (!settings_.socket.empty()) ::unlink(settings_.socket.c_str());
  }

 private:
  // The thread, until close().
  void run() {
    std::string buffer(kDatagramBytes, '\0');
    std::array<std::uint32_t, 2> lost{};
    while (!stopping_) {
      std::array<pollfd, 3> fds{{{sockets_[0].get(), POLLIN, 0},
                                 {sockets_[1].get(), POLLIN, 0},
                                 {wake_.get(), POLLIN, 0}}};
      ::poll(fds.data(), fds.size(), -1);
      for (std::size_t at = 0; at < sockets_.size(); ++at) {
        if ((fds[at].revents & POLLIN) != 0) receive(sockets_[at].get(), buffer, lost[at]);
      }
    }
  }

  void receive(int fd, std::string& buffer, std::uint32_t& lost) {
    for (int count = 0; count < kDatagramsAtOnce; ++count) {
      const std::uint32_t before = lost;
      const ssize_t got = receive_datagram(fd, buffer.data(), buffer.size(), lost);
      if (got < 0) return;
      const base::MutexLock lock(mutex_);
      if (lost != before) dropped_.count("socket_full", static_cast<double>(lost - before));
      base::for_each_line(std::string_view(buffer).substr(0, static_cast<std::size_t>(got)),
                          [&](std::string_view line) { take(base::trim(line)); });
    }
  }

  void take(std::string_view text) REQUIRES(mutex_) {
    if (text.empty()) return;
    lines_.increment();
    StatsdLine line;
    const StatsdParse parsed = parse_statsd_line(text, line);
    if (parsed == StatsdParse::Unsupported) return dropped_.count("unsupported");
    if (parsed == StatsdParse::Malformed) return dropped_.count(Refusal::Malformed);
    const SeriesName name = series_name(settings_, line);
    const base::MonotonicTime now = world_.clock.monotonic();
    if (line.kind == StatsdKind::Set) {
      dropped_.count(store_.add_to_set(name, line.text, now));
      return;
    }
    for (const double value : line.values) dropped_.count(apply(name, line, value, now));
  }

  Refusal apply(const SeriesName& name, const StatsdLine& line, double value,
                base::MonotonicTime now) REQUIRES(mutex_) {
    switch (line.kind) {
      case StatsdKind::Counter:
        return store_.add_to_counter(name, value / line.rate, now);
      case StatsdKind::Gauge:
        return store_.set_gauge(name, value, now);
      case StatsdKind::GaugeDelta:
        return store_.add_to_gauge(name, value, now);
      case StatsdKind::Timer:
        return store_.observe(name, settings_.timer_buckets, value / kMsPerSecond, 1 / line.rate,
                              now);
      default:
        return store_.observe(name, settings_.histogram_buckets, value, 1 / line.rate, now);
    }
  }

  const StatsdSettings settings_;
  ReceiverWorld world_;
  base::Counter lines_;
  base::Gauge series_;
  std::atomic<bool> stopping_ = false;
  base::Mutex life_;  // of opening and closing
  bool closed_ GUARDED_BY(life_) = false;
  std::unique_ptr<base::AsioExecutor> thread_ GUARDED_BY(life_);
  // Changed only while there is no thread.
  std::array<OwnedFd, 2> sockets_;
  OwnedFd wake_;
  base::Mutex mutex_;  // of what was received
  DroppedCounters dropped_ GUARDED_BY(mutex_);
  SeriesStore store_ GUARDED_BY(mutex_);
};

}  // namespace

std::shared_ptr<MetricReceiver> make_statsd_server(StatsdSettings settings, ReceiverWorld world) {
  return std::make_shared<StatsdServer>(std::move(settings), world);
}

}  // namespace tocsin::agent

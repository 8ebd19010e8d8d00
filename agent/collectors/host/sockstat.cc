#include "agent/collectors/host/sockstat.h"

#include <unistd.h>

#include <map>
#include <string>

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

using model::MetricType;

constexpr MetricInfo kUdpQueues{"node_udp_queues", "Bytes waiting in UDP sockets.",
                                MetricType::Gauge};

class SockstatCollector final : public Collector {
 public:
  explicit SockstatCollector(const HostPaths& paths)
      : files_{paths.proc + "/net/sockstat", paths.proc + "/net/sockstat6"},
        page_bytes_(static_cast<double>(::sysconf(_SC_PAGESIZE))) {}

  std::string_view name() const override { return "sockstat"; }

  base::Result<void> collect(MetricSink& sink) override {
    for (const std::string& file : files_) {
      auto text = reader_.read(file);
      // Without IPv6 the second file does not exist.
      if (!text && text.error().code == base::ErrorCode::NotFound && file.ends_with('6')) continue;
      if (!text) return text.error();
      TC_TRY(parse_sockstat(
          *text, [&](std::string_view protocol, std::string_view field, std::uint64_t value) {
            add(sink, protocol, field, static_cast<double>(value));
            // Pages of 4096 bytes or more; FRAG's "memory" is in bytes already.
            if (field == "mem")
              add(sink, protocol, "mem_bytes", static_cast<double>(value) * page_bytes_);
          }));
    }
    return base::ok();
  }

 private:
  void add(MetricSink& sink, std::string_view protocol, std::string_view field, double value) {
    key_.assign("node_sockstat_").append(protocol).append("_").append(field);
    const auto known = names_.try_emplace(key_, true).first;
    sink.add(MetricInfo{known->first, "Field of /proc/net/sockstat.", MetricType::Gauge}, value);
  }

  std::string files_[2];
  double page_bytes_;
  FileReader reader_;
  std::string key_;
  std::map<std::string, bool, std::less<>> names_;
};

class UdpQueuesCollector final : public Collector {
 public:
  explicit UdpQueuesCollector(const HostPaths& paths) : proc_(paths.proc) {}

  std::string_view name() const override { return "udp_queues"; }

  base::Result<void> collect(MetricSink& sink) override {
    TC_TRY(add(sink, "/net/udp", "v4"));
    if (path_exists(proc_ + "/net/udp6")) TC_TRY(add(sink, "/net/udp6", "v6"));
    return base::ok();
  }

 private:
  base::Result<void> add(MetricSink& sink, std::string_view file, std::string_view ip) {
    TC_TRY(const std::string_view text, reader_.read(proc_ + std::string(file)));
    TC_TRY(const UdpQueues queues, parse_udp_queues(text));
    sink.add(kUdpQueues, {{"queue", "tx"}, {"ip", ip}}, static_cast<double>(queues.transmit));
    sink.add(kUdpQueues, {{"queue", "rx"}, {"ip", ip}}, static_cast<double>(queues.receive));
    return base::ok();
  }

  std::string proc_;
  FileReader reader_;
};

}  // namespace

base::Result<void> parse_sockstat(std::string_view text, const SockstatField& field) {
  std::string_view bad;
  base::for_each_line(text, [&](std::string_view line) {
    Fields fields(line);
    if (fields.at_end() || !bad.empty()) return;
    std::string_view protocol = fields.next();
    if (!protocol.ends_with(':')) {
      bad = line;
      return;
    }
    protocol.remove_suffix(1);
    while (!fields.at_end()) {
      const std::string_view name = fields.next();
      const auto value = fields.next_number();
      if (!value) {
        bad = line;
        return;
      }
      field(protocol, name, *value);
    }
  });
  if (!bad.empty()) return malformed("/proc/net/sockstat", bad);
  return base::ok();
}

base::Result<UdpQueues> parse_udp_queues(std::string_view text) {
  UdpQueues queues;
  std::string_view bad;
  bool header = true;
  base::for_each_line(text, [&](std::string_view line) {
    if (header || line.empty() || !bad.empty()) {
      header = false;
      return;
    }
    Fields fields(line);
    for (int skipped = 0; skipped < 4; ++skipped) fields.next();
    const std::string_view both = fields.next();
    const std::size_t colon = both.find(':');
    const auto transmit = parse_hex(both.substr(0, colon));
    const auto receive =
        colon == std::string_view::npos ? std::nullopt : parse_hex(both.substr(colon + 1));
    if (!transmit || !receive) {
      bad = line;
      return;
    }
    queues.transmit += *transmit;
    queues.receive += *receive;
  });
  if (!bad.empty()) return malformed("/proc/net/udp", bad);
  return queues;
}

std::unique_ptr<Collector> make_sockstat_collector(const HostPaths& paths) {
  return std::make_unique<SockstatCollector>(paths);
}

std::unique_ptr<Collector> make_udp_queues_collector(const HostPaths& paths) {
  return std::make_unique<UdpQueuesCollector>(paths);
}

}  // namespace tocsin::agent

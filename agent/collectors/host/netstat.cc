#include "agent/collectors/host/netstat.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <map>
#include <string>

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

bool one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

class NetstatCollector final : public Collector {
 public:
  explicit NetstatCollector(const HostPaths& paths) : proc_(paths.proc) {}

  std::string_view name() const override { return "netstat"; }

  base::Result<void> collect(MetricSink& sink) override {
    const NetstatField field = [&](std::string_view protocol, std::string_view name, double value) {
      if (!is_wanted_netstat_field(protocol, name)) return;
      key_.assign("node_netstat_").append(protocol).append("_").append(name);
      const auto known = names_.try_emplace(key_, true).first;
      sink.add(MetricInfo{known->first, "Counter of the kernel's network protocols.",
                          model::MetricType::Unknown},
               value);
    };
    for (const std::string_view file : {"/net/netstat", "/net/snmp"}) {
      TC_TRY(const std::string_view text, reader_.read(proc_ + std::string(file)));
      TC_TRY(parse_netstat(text, field));
    }
    auto text = reader_.read(proc_ + "/net/snmp6");
    if (text) return parse_snmp6(*text, field);
    // Without IPv6 there is no such file.
    return text.error().code == base::ErrorCode::NotFound ? base::ok()
                                                          : base::Result<void>(text.error());
  }

 private:
  std::string proc_;
  FileReader reader_;
  std::string key_;
  std::map<std::string, bool, std::less<>> names_;
};

}  // namespace

base::Result<void> parse_netstat(std::string_view text, const NetstatField& field) {
  constexpr std::string_view kFile = "/proc/net/netstat";
  while (!text.empty()) {
    std::array<std::string_view, 2> lines;
    for (std::string_view& line : lines) {
      const std::size_t end = text.find('\n');
      line = text.substr(0, end);
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    if (lines[0].empty() && lines[1].empty()) continue;
    Fields names(lines[0]);
    Fields values(lines[1]);
    std::string_view protocol = names.next();
    if (!protocol.ends_with(':') || values.next() != protocol) return malformed(kFile, lines[0]);
    protocol.remove_suffix(1);
    while (!names.at_end()) {
      const std::string_view name = names.next();
      const auto value = base::parse_double(values.next());
      if (!value) return malformed(kFile, lines[1]);
      field(protocol, name, *value);
    }
    if (!values.at_end()) return malformed(kFile, lines[1]);
  }
  return base::ok();
}

base::Result<void> parse_snmp6(std::string_view text, const NetstatField& field) {
  std::string_view bad;
  base::for_each_line(text, [&](std::string_view line) {
    Fields fields(line);
    if (fields.at_end() || !bad.empty()) return;
    const std::string_view key = fields.next();
    const auto value = fields.next_number();
    if (!value) {
      bad = line;
      return;
    }
    const std::size_t six = key.find('6');
    if (six == std::string_view::npos) return;
    field(key.substr(0, six + 1), key.substr(six + 1), static_cast<double>(*value));
  });
  if (!bad.empty()) return malformed("/proc/net/snmp6", bad);
  return base::ok();
}

bool is_wanted_netstat_field(std::string_view protocol, std::string_view name) {
  if (name.ends_with("InErrors") || name.ends_with("InErrs")) {
    // The choice is made on "Protocol_Name", where only an underscore may stand before InErrors.
    return name == "InErrors" || name == "InErrs" || name.ends_with("_InErrors") ||
           name.ends_with("_InErrs");
  }
  if (protocol == "Ip") return name == "Forwarding";
  if (protocol == "Ip6" || protocol == "IpExt") return one_of(name, {"InOctets", "OutOctets"});
  if (protocol == "Icmp" || protocol == "Icmp6") return one_of(name, {"InMsgs", "OutMsgs"});
  if (protocol == "TcpExt") {
    return name.starts_with("Listen") || name.starts_with("Syncookies") ||
           one_of(name, {"TCPSynRetrans", "TCPTimeouts"});
  }
  if (protocol == "Tcp") {
    return one_of(name, {"ActiveOpens", "InSegs", "OutSegs", "OutRsts", "PassiveOpens",
                         "RetransSegs", "CurrEstab"});
  }
  if (protocol == "Udp" || protocol == "Udp6") {
    return one_of(name, {"InDatagrams", "OutDatagrams", "NoPorts", "RcvbufErrors", "SndbufErrors"});
  }
  return false;
}

std::unique_ptr<Collector> make_netstat_collector(const HostPaths& paths) {
  return std::make_unique<NetstatCollector>(paths);
}

}  // namespace tocsin::agent

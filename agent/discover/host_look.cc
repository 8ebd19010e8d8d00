#include "agent/discover/host_look.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <map>

#include "agent/collectors/processes/proc_files.h"
#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

constexpr std::size_t kProcessesMax = 20'000;
constexpr std::size_t kFileBytesMax = 16 << 20;
constexpr std::size_t kArgumentsBytesMax = 4096;
constexpr std::size_t kDescriptorsMax = 4096;  // of one process

/// The kernel prints each 32 bits of an address as a number of this machine's byte order.
std::string address_of(std::string_view hex) {
  std::array<std::uint32_t, 4> words{};
  const std::size_t count = hex.size() / 8;
  if (count != 1 && count != 4) return {};
  for (std::size_t at = 0; at < count; ++at) {
    const auto word = parse_hex(hex.substr(at * 8, 8));
    if (!word) return {};
    words[at] = static_cast<std::uint32_t>(*word);
  }
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int family = count == 1 ? AF_INET : AF_INET6;
  if (::inet_ntop(family, words.data(), text.data(), text.size()) == nullptr) return {};
  return text.data();
}

std::vector<std::string> split_arguments(std::string_view text) {
  std::vector<std::string> arguments;
  for (const std::string_view part : base::split(text, '\0')) {
    const std::string_view word = base::trim(part);
    if (!word.empty()) arguments.push_back(base::escape_control(word));
  }
  return arguments;
}

/// Which process has which socket: links such as "socket:[1234]".
void add_sockets(const base::FileSystem& files, const std::string& folder, int pid,
                 std::map<std::uint64_t, int>& owners) {
  const auto names = files.list(folder);
  if (!names || names->size() > kDescriptorsMax) return;
  constexpr std::string_view kPrefix = "socket:[";
  for (const std::string& name : *names) {
    const auto link = files.read_link(folder + "/" + name);
    if (!link || !link->starts_with(kPrefix)) continue;
    const std::string_view number = std::string_view(*link).substr(kPrefix.size());
    if (const auto inode = base::parse_u64(number.substr(0, number.find(']')))) {
      owners.emplace(*inode, pid);
    }
  }
}

std::string text_of(const base::FileSystem& files, const std::string& path) {
  auto text = files.read(path, kFileBytesMax);
  return text ? std::move(*text) : std::string();
}

}  // namespace

std::string FoundProcess::line() const {
  return base::join(arguments, " ");
}

std::string FoundListener::reached_at() const {
  if (address == "0.0.0.0") return fmt::format("127.0.0.1:{}", port);
  if (address == "::") return fmt::format("127.0.0.1:{}", port);  // of both families, by default
  return address.find(':') == std::string::npos ? fmt::format("{}:{}", address, port)
                                                : fmt::format("[{}]:{}", address, port);
}

std::vector<const FoundProcess*> HostLook::named(
    std::initializer_list<std::string_view> comms) const {
  std::vector<const FoundProcess*> found;
  for (const FoundProcess& process : processes) {
    if (std::find(comms.begin(), comms.end(), process.comm) != comms.end()) {
      found.push_back(&process);
    }
  }
  return found;
}

std::vector<const FoundListener*> HostLook::listeners_of(int pid) const {
  std::vector<const FoundListener*> found;
  for (const FoundListener& listener : listeners) {
    if (listener.pid == pid && pid != 0) found.push_back(&listener);
  }
  return found;
}

const FoundListener* HostLook::on_port(unsigned short port) const {
  const auto found =
      std::find_if(listeners.begin(), listeners.end(),
                   [&](const FoundListener& listener) { return listener.port == port; });
  return found == listeners.end() ? nullptr : &*found;
}

std::vector<FoundListener> parse_tcp_listeners(std::string_view text) {
  constexpr std::string_view kListening = "0A";
  std::vector<FoundListener> found;
  base::for_each_line(text, [&](std::string_view line) {
    const auto fields = base::split_fields(line);
    if (fields.size() < 10 || fields[3] != kListening) return;
    const std::size_t colon = fields[1].find(':');
    if (colon == std::string_view::npos) return;
    const auto port = parse_hex(fields[1].substr(colon + 1));
    const auto inode = base::parse_u64(fields[9]);
    FoundListener listener;
    listener.address = address_of(fields[1].substr(0, colon));
    if (!port || *port > 65535 || !inode || listener.address.empty()) return;
    listener.port = static_cast<unsigned short>(*port);
    listener.inode = *inode;
    found.push_back(std::move(listener));
  });
  return found;
}

std::vector<std::string> parse_unix_listeners(std::string_view text) {
  constexpr std::string_view kAccepts = "00010000";
  std::vector<std::string> found;
  base::for_each_line(text, [&](std::string_view line) {
    const auto fields = base::split_fields(line);
    if (fields.size() < 8 || fields[3] != kAccepts || !fields[7].starts_with('/')) return;
    found.emplace_back(fields[7]);
  });
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

HostLook look_at_host(const base::FileSystem& files, const HostPaths& paths) {
  HostLook look;
  std::map<std::uint64_t, int> owners;
  const auto names = files.list(paths.proc);
  for (const std::string& name : names ? *names : std::vector<std::string>()) {
    const auto pid = base::parse_u64(name);
    if (!pid || look.processes.size() >= kProcessesMax) continue;
    const std::string folder = base::join_path(paths.proc, name);
    FoundProcess process;
    process.pid = static_cast<int>(*pid);
    const std::string stat_text = text_of(files, folder + "/stat");
    const auto stat = parse_proc_stat(stat_text);
    process.arguments = split_arguments(
        std::string_view(text_of(files, folder + "/cmdline")).substr(0, kArgumentsBytesMax));
    if (!stat || process.arguments.empty()) continue;
    process.comm = base::escape_control(stat->comm);
    process.unit = unit_of_cgroup(text_of(files, folder + "/cgroup"));
    add_sockets(files, folder + "/fd", process.pid, owners);
    look.processes.push_back(std::move(process));
  }
  std::sort(look.processes.begin(), look.processes.end(),
            [](const FoundProcess& a, const FoundProcess& b) { return a.pid < b.pid; });
  for (const char* file : {"/net/tcp", "/net/tcp6"}) {
    for (FoundListener& listener : parse_tcp_listeners(text_of(files, paths.proc + file))) {
      const auto owner = owners.find(listener.inode);
      if (owner != owners.end()) listener.pid = owner->second;
      look.listeners.push_back(std::move(listener));
    }
  }
  std::stable_sort(look.listeners.begin(), look.listeners.end(),
                   [](const FoundListener& a, const FoundListener& b) { return a.port < b.port; });
  look.unix_sockets = parse_unix_listeners(text_of(files, paths.proc + "/net/unix"));
  return look;
}

}  // namespace tocsin::agent

#include "agent/collectors/inventory/sockets.h"

#include <charconv>

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

// The kernel prints each 32 bits as a number of this machine: 0100007F is 127.0.0.1.
ListenScope scope_of(std::string_view address) {
  if (address.find_first_not_of('0') == std::string_view::npos) return ListenScope::All;
  if (address.size() == 8) {
    return address.ends_with("7F") ? ListenScope::Loopback : ListenScope::Address;
  }
  if (address == "00000000000000000000000001000000") return ListenScope::Loopback;
  constexpr std::string_view kMapped = "0000000000000000FFFF0000";
  if (address.starts_with(kMapped)) return scope_of(address.substr(kMapped.size()));
  return ListenScope::Address;
}

}  // namespace

std::string_view to_string(ListenScope scope) {
  switch (scope) {
    case ListenScope::All:
      return "all";
    case ListenScope::Address:
      return "address";
    case ListenScope::Loopback:
      break;
  }
  return "loopback";
}

std::vector<ListeningSocket> parse_listening(std::string_view text, std::string_view state) {
  std::vector<ListeningSocket> sockets;
  base::for_each_line(text, [&](std::string_view line) {
    const auto fields = base::split_fields(line);
    if (fields.size() < 10 || fields[3] != state) return;
    const std::size_t colon = fields[1].rfind(':');
    const auto inode = base::parse_u64(fields[9]);
    if (colon == std::string_view::npos || !inode) return;
    const std::string_view port_text = fields[1].substr(colon + 1);
    std::uint16_t port = 0;
    const char* const end = port_text.data() + port_text.size();
    const auto [stopped, code] = std::from_chars(port_text.data(), end, port, 16);
    if (code != std::errc{} || stopped != end) return;
    sockets.push_back({port, scope_of(fields[1].substr(0, colon)), *inode});
  });
  return sockets;
}

std::uint64_t socket_inode(std::string_view link) {
  constexpr std::string_view kHead = "socket:[";
  if (!link.starts_with(kHead) || !link.ends_with(']')) return 0;
  return base::parse_u64(link.substr(kHead.size(), link.size() - kHead.size() - 1)).value_or(0);
}

}  // namespace tocsin::agent

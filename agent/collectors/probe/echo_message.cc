#include "agent/collectors/probe/echo_message.h"

namespace tocsin::agent {

namespace {

constexpr unsigned char kRequestV4 = 8;
constexpr unsigned char kReplyV4 = 0;
constexpr unsigned char kRequestV6 = 128;
constexpr unsigned char kReplyV6 = 129;
constexpr std::size_t kHeaderBytes = 8;
constexpr std::size_t kTokenBytes = 8;

std::string token_bytes(std::uint64_t token) {
  std::string bytes;
  for (std::size_t i = 0; i < kTokenBytes; ++i)
    bytes += static_cast<char>(token >> (8 * i) & 0xffU);
  return bytes;
}

void put(std::string& bytes, std::size_t at, std::uint16_t number) {
  bytes[at] = static_cast<char>(number >> 8U);
  bytes[at + 1] = static_cast<char>(number & 0xffU);
}

}  // namespace

std::string make_echo_request(const EchoMessage& echo, bool v6) {
  std::string bytes(kHeaderBytes, '\0');
  bytes[0] = static_cast<char>(v6 ? kRequestV6 : kRequestV4);
  put(bytes, 4, echo.id);
  put(bytes, 6, echo.sequence);
  bytes += token_bytes(echo.token);
  // Over IPv6 the kernel fills it in, because it covers addresses.
  if (!v6) put(bytes, 2, internet_checksum(bytes));
  return bytes;
}

bool is_echo_reply(std::string_view bytes, bool v6, const EchoMessage& echo) {
  return bytes.size() == kHeaderBytes + kTokenBytes &&
         static_cast<unsigned char>(bytes[0]) == (v6 ? kReplyV6 : kReplyV4) &&
         bytes.substr(kHeaderBytes) == token_bytes(echo.token);
}

std::string_view without_ip_header(std::string_view bytes) {
  if (bytes.empty()) return {};
  const std::size_t header = (static_cast<unsigned char>(bytes[0]) & 0x0fU) * std::size_t{4};
  return header < bytes.size() ? bytes.substr(header) : std::string_view();
}

std::uint16_t internet_checksum(std::string_view bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    sum += static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i])) << 8U;
    if (i + 1 < bytes.size()) sum += static_cast<unsigned char>(bytes[i + 1]);
  }
  while (sum >> 16U != 0) sum = (sum & 0xffffU) + (sum >> 16U);
  return static_cast<std::uint16_t>(~sum);
}

}  // namespace tocsin::agent

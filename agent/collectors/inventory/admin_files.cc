#include "agent/collectors/inventory/admin_files.h"

#include <algorithm>
#include <optional>

#include "common/base/base64.h"
#include "common/base/hash.h"
#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

constexpr std::size_t kRsaBitsMin = 2048;

// Takes a string of the format of SSH: four bytes of length, big endian, and the bytes.
std::optional<std::string_view> take_string(std::string_view& blob) {
  if (blob.size() < 4) return std::nullopt;
  std::size_t length = 0;
  for (int i = 0; i < 4; ++i) length = length << 8U | static_cast<unsigned char>(blob[i]);
  if (blob.size() - 4 < length) return std::nullopt;
  const std::string_view taken = blob.substr(4, length);
  blob.remove_prefix(4 + length);
  return taken;
}

std::size_t bits_of(std::string_view number) {
  while (!number.empty() && number[0] == '\0') number.remove_prefix(1);
  if (number.empty()) return 0;
  std::size_t bits = (number.size() - 1) * 8;
  for (auto first = static_cast<unsigned char>(number[0]); first != 0; first >>= 1U) ++bits;
  return bits;
}

bool is_weak(std::string_view type, std::string_view blob) {
  if (type == "ssh-dss") return true;
  if (type != "ssh-rsa") return false;
  if (!take_string(blob) || !take_string(blob)) return true;
  const auto modulus = take_string(blob);
  return !modulus || bits_of(*modulus) < kRsaBitsMin;
}

std::string fingerprint_of(std::string_view blob) {
  const std::string hex = base::sha256_hex(blob);
  std::string digest;
  for (std::size_t at = 0; at < hex.size(); at += 2) {
    digest += static_cast<char>(std::stoi(hex.substr(at, 2), nullptr, 16));
  }
  std::string text = base::base64(digest);
  while (text.ends_with('=')) text.pop_back();
  return "SHA256:" + text;
}

bool is_key_type(std::string_view word) {
  return word.starts_with("ssh-") || word.starts_with("ecdsa-sha2-") || word.starts_with("sk-");
}

// The next word; spaces in double quotes belong to it.
std::string_view take_word(std::string_view& rest) {
  rest = base::trim(rest);
  bool quoted = false;
  std::size_t end = 0;
  for (; end < rest.size(); ++end) {
    if (rest[end] == '\\' && quoted && end + 1 < rest.size()) {
      ++end;
    } else if (rest[end] == '"') {
      quoted = !quoted;
    } else if (!quoted && (rest[end] == ' ' || rest[end] == '\t')) {
      break;
    }
  }
  const std::string_view word = rest.substr(0, end);
  rest.remove_prefix(end);
  return word;
}

}  // namespace

std::vector<AuthorizedKey> parse_authorized_keys(std::string_view text) {
  std::vector<AuthorizedKey> keys;
  base::for_each_line(text, [&](std::string_view line) {
    line = base::trim(line);
    if (line.empty() || line[0] == '#') return;
    std::string_view type = take_word(line);
    if (!is_key_type(type)) type = take_word(line);
    if (!is_key_type(type)) return;
    const auto blob = base::base64_decode(take_word(line));
    if (!blob || blob->empty()) return;
    keys.push_back({std::string(type), fingerprint_of(*blob), is_weak(type, *blob)});
  });
  return keys;
}

}  // namespace tocsin::agent

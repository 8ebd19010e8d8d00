#include "agent/collectors/inventory/git_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "common/base/strings.h"

namespace tocsin::agent {

using base::ErrorCode;

namespace {

constexpr std::size_t kHeadBytes = 12;
constexpr std::size_t kFlagsAt = 60;
constexpr std::size_t kFixedBytes = 62;
constexpr unsigned kExtended = 0x4000;

unsigned byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<unsigned char>(bytes[at]);
}

std::uint32_t u32_at(std::string_view bytes, std::size_t at) {
  return byte_at(bytes, at) << 24U | byte_at(bytes, at + 1) << 16U | byte_at(bytes, at + 2) << 8U |
         byte_at(bytes, at + 3);
}

base::Error damaged(const char* what) {
  return base::error(ErrorCode::Corruption,
                     fmt::format("no git index that is known here: {}", what));
}

class IndexReader {
 public:
  IndexReader(std::string_view bytes, std::uint32_t version) : bytes_(bytes), version_(version) {}

  base::Result<std::string> next() {
    const std::size_t begin = at_;
    if (bytes_.size() - at_ < kFixedBytes) return damaged("cut");
    const unsigned flags =
        byte_at(bytes_, at_ + kFlagsAt) << 8U | byte_at(bytes_, at_ + kFlagsAt + 1);
    at_ += kFixedBytes + (version_ >= 3 && (flags & kExtended) != 0 ? 2 : 0);
    std::string path;
    if (version_ == 4) {
      TC_TRY(const std::size_t strip, take_number());
      if (strip > before_.size()) return damaged("a name that shortens more than there is");
      path = before_.substr(0, before_.size() - strip);
    }
    const std::size_t end = at_ > bytes_.size() ? bytes_.npos : bytes_.find('\0', at_);
    if (end == bytes_.npos) return damaged("cut within a name");
    path.append(bytes_.substr(at_, end - at_));
    // Up to version 3 an entry is filled up with 1 to 8 zeros to a multiple of eight.
    at_ = version_ == 4 ? end + 1 : begin + ((end - begin + 8) & ~std::size_t{7});
    if (at_ > bytes_.size()) return damaged("cut");
    before_ = path;
    return path;
  }

 private:
  base::Result<std::size_t> take_number() {
    std::size_t value = 0;
    for (int i = 0; i < 5; ++i) {
      if (at_ >= bytes_.size()) return damaged("cut within a length");
      const unsigned byte = byte_at(bytes_, at_++);
      value = (i == 0 ? 0 : (value + 1) << 7U) | (byte & 0x7fU);
      if ((byte & 0x80U) == 0) return value;
    }
    return damaged("a length that is too long");
  }

  std::string_view bytes_;
  std::uint32_t version_;
  std::size_t at_ = kHeadBytes;
  std::string before_;
};

}  // namespace

base::Result<std::vector<std::string>> parse_git_index(std::string_view bytes,
                                                       std::size_t entries_max) {
  if (bytes.size() < kHeadBytes || !bytes.starts_with("DIRC"))
    return damaged("no DIRC at its head");
  const std::uint32_t version = u32_at(bytes, 4);
  const std::uint32_t entries = u32_at(bytes, 8);
  if (version < 2 || version > 4) return damaged("another version than 2, 3, 4");
  if (entries > entries_max) {
    return base::error(ErrorCode::LimitExceeded,
                       fmt::format("git index of {} files, limit {}", entries, entries_max));
  }
  std::vector<std::string> paths;
  IndexReader reader(bytes, version);
  for (std::uint32_t i = 0; i < entries; ++i) {
    TC_TRY(std::string path, reader.next());
    paths.push_back(std::move(path));
  }
  return paths;
}

SecretName secret_name(std::string_view path) {
  const std::string name = base::to_lower(path.substr(path.rfind('/') + 1));
  const auto ends_with_one = [&](std::initializer_list<std::string_view> ends) {
    return std::any_of(ends.begin(), ends.end(),
                       [&](std::string_view end) { return name.ends_with(end); });
  };
  if (name == ".env" || name.starts_with(".env.")) {
    return ends_with_one({".example", ".sample", ".template", ".dist", ".test"})
               ? SecretName::None
               : SecretName::Environment;
  }
  if (ends_with_one({".p12", ".pfx", ".ppk", ".jks", ".keystore"})) return SecretName::KeyStore;
  if (ends_with_one({".pem", ".key", ".crt"})) return SecretName::Key;
  const bool ssh = name.starts_with("id_rsa") || name.starts_with("id_dsa") ||
                   name.starts_with("id_ecdsa") || name.starts_with("id_ed25519");
  return ssh && !name.ends_with(".pub") ? SecretName::Key : SecretName::None;
}

bool holds_private_key(std::string_view text) {
  constexpr std::string_view kEnd = "PRIVATE KEY-----";
  constexpr std::string_view kBegin = "-----BEGIN ";
  for (std::size_t at = text.find(kBegin); at != text.npos; at = text.find(kBegin, at + 1)) {
    const std::string_view line = text.substr(at, text.find('\n', at) - at);
    if (line.find(kEnd) == line.npos || line.find("ENCRYPTED") != line.npos) continue;
    // The older way of OpenSSL says so in the two lines that follow.
    const std::string_view head = text.substr(at, line.size() + 40);
    if (head.find("Proc-Type: 4,ENCRYPTED") == head.npos) return true;
  }
  return false;
}

}  // namespace tocsin::agent

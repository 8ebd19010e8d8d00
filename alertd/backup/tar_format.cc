#include "alertd/backup/tar_format.h"

#include <fmt/core.h>

#include <numeric>

#include "common/base/clock.h"

namespace tocsin::backup {
namespace {

using base::ErrorCode;

struct Field {
  std::size_t at;
  std::size_t size;
};
constexpr Field kName{0, 100};
constexpr Field kMode{100, 8};
constexpr Field kOwner{108, 8};
constexpr Field kGroup{116, 8};
constexpr Field kSize{124, 12};
constexpr Field kTime{136, 12};
constexpr Field kSum{148, 8};
constexpr std::size_t kType = 156;
constexpr Field kMagic{257, 8};
constexpr Field kPrefix{345, 155};
constexpr std::string_view kUstar("ustar\00000", 8);
constexpr std::uint64_t kBytesMax = (1ULL << 33U) - 1;

void put(std::string& block, const Field& field, std::string_view text) {
  block.replace(field.at, text.size(), text);
}

void put_octal(std::string& block, const Field& field, std::uint64_t number) {
  put(block, field, fmt::format("{:0{}o}", number, field.size - 1));
}

std::string_view text_of(std::string_view block, const Field& field) {
  const std::string_view text = block.substr(field.at, field.size);
  return text.substr(0, text.find('\0'));
}

std::optional<std::uint64_t> octal_of(std::string_view block, const Field& field) {
  std::uint64_t number = 0;
  bool any = false;
  for (const char c : text_of(block, field)) {
    if (c == ' ') continue;
    if (c < '0' || c > '7') return std::nullopt;
    number = number * 8 + static_cast<std::uint64_t>(c - '0');
    any = true;
  }
  if (!any) return std::nullopt;
  return number;
}

/// Of the block with spaces in place of its sum.
std::uint64_t sum_of(std::string_view block) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    const bool in_sum = i >= kSum.at && i < kSum.at + kSum.size;
    sum += in_sum ? std::uint64_t{' '} : static_cast<unsigned char>(block[i]);
  }
  return sum;
}

}  // namespace

base::Result<std::string> tar_header(const TarHeader& header, base::WallTime modified) {
  if (header.bytes > kBytesMax) {
    return base::error(ErrorCode::LimitExceeded,
                       fmt::format("'{}' is {} bytes, a tar file takes 8 GiB a file: back up to a "
                                   "folder",
                                   header.path, header.bytes));
  }
  std::string_view name = header.path;
  std::string_view prefix;
  if (name.size() > kName.size) {
    const std::size_t slash = name.find('/', name.size() - kName.size - 1);
    if (slash == std::string_view::npos || slash > kPrefix.size || slash == 0) {
      return base::error(
          ErrorCode::LimitExceeded,
          fmt::format("the path '{}' is too long for a tar file: back up to a folder",
                      header.path));
    }
    prefix = name.substr(0, slash);
    name = name.substr(slash + 1);
  }
  std::string block(kTarBlockBytes, '\0');
  put(block, kName, name);
  put(block, kPrefix, prefix);
  put_octal(block, kMode, header.mode);
  put_octal(block, kOwner, 0);
  put_octal(block, kGroup, 0);
  put_octal(block, kSize, header.bytes);
  put_octal(block, kTime, static_cast<std::uint64_t>(base::to_ms(modified)) / 1000);
  block[kType] = '0';
  put(block, kMagic, kUstar);
  put(block, kSum, fmt::format("{:06o}", sum_of(block)));
  block[kSum.at + 7] = ' ';
  return block;
}

base::Result<std::optional<TarHeader>> parse_tar_header(std::string_view block) {
  if (block.find_first_not_of('\0') == std::string_view::npos) return std::optional<TarHeader>();
  const auto sum = octal_of(block, kSum);
  const auto bytes = octal_of(block, kSize);
  const auto mode = octal_of(block, kMode);
  if (block.size() != kTarBlockBytes || !sum || *sum != sum_of(block) || !bytes || !mode) {
    return base::error(ErrorCode::Corruption, "a header of the tar file is damaged");
  }
  TarHeader header{"", *bytes, static_cast<std::uint32_t>(*mode & 07777U)};
  if (block[kType] != '0' && block[kType] != '\0') return std::optional(std::move(header));
  header.path = std::string(text_of(block, kPrefix));
  if (!header.path.empty()) header.path += '/';
  header.path += text_of(block, kName);
  return std::optional(std::move(header));
}

}  // namespace tocsin::backup

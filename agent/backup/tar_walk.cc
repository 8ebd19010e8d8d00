#include "agent/backup/tar_walk.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

constexpr std::size_t kSpecialBytesMax = 16 << 10;

std::string_view text_field(std::string_view block, std::size_t offset, std::size_t length) {
  const std::string_view field = block.substr(offset, length);
  return field.substr(0, field.find('\0'));
}

/// Octal digits, or GNU's base-256 with the highest bit set.
std::optional<std::uint64_t> number_field(std::string_view block, std::size_t offset,
                                          std::size_t length) {
  const std::string_view field = block.substr(offset, length);
  std::uint64_t value = 0;
  if ((static_cast<unsigned char>(field[0]) & 0x80U) != 0) {
    for (const char c : field.substr(length - 8)) {
      value = value << 8U | static_cast<unsigned char>(c);
    }
    return value;
  }
  bool digits = false;
  for (const char c : field) {
    if (c == ' ' && !digits) continue;
    if (c == ' ' || c == '\0') break;
    if (c < '0' || c > '7') return std::nullopt;
    digits = true;
    value = value * 8 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

bool checksum_right(std::string_view block) {
  constexpr std::size_t kAt = 148;
  constexpr std::size_t kLength = 8;
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    const bool own = i >= kAt && i < kAt + kLength;
    sum += own ? ' ' : static_cast<unsigned char>(block[i]);
  }
  return number_field(block, kAt, kLength) == sum;
}

std::string name_of(std::string_view block) {
  std::string name(text_field(block, 0, 100));
  const std::string_view prefix = text_field(block, 345, 155);
  if (block.substr(257, 6) == std::string_view("ustar\0", 6) && !prefix.empty()) {
    name = fmt::format("{}/{}", prefix, name);
  }
  return name;
}

/// "25 path=some/name\n": the record of a pax header that counts here.
std::string pax_path(std::string_view records) {
  std::string path;
  base::for_each_line(records, [&](std::string_view record) {
    const std::size_t at = record.find(" path=");
    if (at != std::string_view::npos) path = record.substr(at + 6);
  });
  return path;
}

}  // namespace

bool TarWalk::looks_like(std::string_view block) {
  return block.size() >= kBlock && block.substr(257, 5) == "ustar" &&
         checksum_right(block.substr(0, kBlock));
}

Found TarWalk::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    if (ended_) return {};  // padding to the length of a record
    if (content_ > 0) {
      const std::string_view part = bytes.substr(
          0, static_cast<std::size_t>(std::min<std::uint64_t>(content_, bytes.size())));
      if (Found bad = take_content(part)) return bad;
      bytes.remove_prefix(part.size());
    } else if (padding_ > 0) {
      const std::size_t skipped =
          static_cast<std::size_t>(std::min<std::uint64_t>(padding_, bytes.size()));
      padding_ -= skipped;
      bytes.remove_prefix(skipped);
    } else {
      const std::size_t wanted = std::min(kBlock - block_.size(), bytes.size());
      block_.append(bytes.substr(0, wanted));
      bytes.remove_prefix(wanted);
      if (block_.size() < kBlock) return {};
      if (Found bad = header(block_)) return bad;
      block_.clear();
    }
  }
  return {};
}

Found TarWalk::header(std::string_view block) {
  if (block.find_first_not_of('\0') == std::string_view::npos) {
    ended_ = half_ended_;  // the mark is two empty blocks
    half_ended_ = true;
    return {};
  }
  half_ended_ = false;
  const auto size = number_field(block, 124, 12);
  if (!size || !checksum_right(block)) {
    return finding("damaged",
                   fmt::format("the header of entry {} of the archive is damaged", entries_ + 1));
  }
  ++entries_;
  type_ = block[156];
  const bool file = type_ == '0' || type_ == '\0' || type_ == '7';
  const bool has_content = file || type_ == 'L' || type_ == 'K' || type_ == 'x' || type_ == 'g';
  content_ = has_content ? *size : 0;
  padding_ = (kBlock - content_ % kBlock) % kBlock;
  special_ = has_content && !file;
  special_content_.clear();
  if (file) {
    std::string name = long_name_.empty() ? name_of(block) : long_name_;
    long_name_.clear();
    if (name.starts_with("./")) name.erase(0, 2);
    visiting_ = visitor_ != nullptr;
    if (visiting_) visitor_->begin(name, *size);
  }
  if (content_ == 0) return end_of_entry();
  return {};
}

Found TarWalk::take_content(std::string_view bytes) {
  content_ -= bytes.size();
  if (special_) {
    const std::size_t room = kSpecialBytesMax - special_content_.size();
    special_content_.append(bytes.substr(0, room));
  } else if (visiting_) {
    visitor_->content(bytes);
  }
  if (content_ == 0) return end_of_entry();
  return {};
}

Found TarWalk::end_of_entry() {
  if (type_ == 'L') long_name_ = special_content_.substr(0, special_content_.find('\0'));
  if (type_ == 'x') long_name_ = pax_path(special_content_);
  special_ = false;
  if (!visiting_) return {};
  visiting_ = false;
  return visitor_->end();
}

Found TarWalk::finish() const {
  if (ended_) return {};
  return finding("truncated", fmt::format("the archive ends in or after entry {} of it, without "
                                          "its end mark",
                                          entries_));
}

}  // namespace tocsin::agent

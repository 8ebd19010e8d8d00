#include "common/spool/acknowledgements.h"

#include <algorithm>

#include "common/base/hash.h"

namespace tocsin::spool {
namespace {

constexpr std::size_t kEntryBytes = 16;
constexpr std::size_t kFileBytesMax = 64 << 10;

void put_le(std::string& out, std::uint64_t value, int bytes) {
  for (int byte = 0; byte < bytes; ++byte)
    out.push_back(static_cast<char>(value >> (8 * byte) & 0xff));
}

std::uint64_t take_le(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t at = bytes.size(); at-- > 0;) {
    value = value << 8 | static_cast<unsigned char>(bytes[at]);
  }
  return value;
}

std::string encode_entry(std::uint64_t position) {
  std::string entry;
  put_le(entry, position, 8);
  put_le(entry, base::crc32(entry), 4);
  put_le(entry, 0, 4);
  return entry;
}

}  // namespace

Acknowledgements::Acknowledgements(base::FileSystem& files, std::string path)
    : files_(files), path_(std::move(path)) {}

base::Result<std::uint64_t> Acknowledgements::load() {
  const auto bytes = files_.read(path_, 4 * kFileBytesMax);
  if (!bytes) {
    if (bytes.error().code == base::ErrorCode::NotFound) return position_;
    return bytes.error();
  }
  const std::string_view view = *bytes;
  for (std::size_t at = 0; at + kEntryBytes <= view.size(); at += kEntryBytes) {
    const std::string_view entry = view.substr(at, kEntryBytes);
    if (take_le(entry.substr(8, 4)) != base::crc32(entry.substr(0, 8))) continue;
    position_ = std::max(position_, take_le(entry.substr(0, 8)));
  }
  return position_;
}

base::Result<void> Acknowledgements::advance(std::uint64_t sequence) {
  if (sequence <= position_) return base::ok();
  position_ = sequence;
  // The first entry of a process goes through rewrite(), so that a torn tail is never appended to.
  if (!file_ || file_->size() >= kFileBytesMax) return rewrite();
  dirty_ = true;
  auto appended = file_->append(encode_entry(sequence));
  if (!appended) file_.reset();
  return appended;
}

base::Result<void> Acknowledgements::sync() {
  if (!file_) return rewrite();
  if (!dirty_) return base::ok();
  auto synced = file_->sync();
  if (synced) {
    dirty_ = false;
  } else {
    file_.reset();  // After a failed sync the file is not to be trusted: the next call writes a new
                    // one.
  }
  return synced;
}

base::Result<void> Acknowledgements::rewrite() {
  file_.reset();
  TC_TRY(files_.write_atomic(path_, encode_entry(position_), 0600));
  dirty_ = false;
  TC_TRY(file_, files_.open_append(path_, 0600));
  return base::ok();
}

}  // namespace tocsin::spool

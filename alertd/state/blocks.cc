#include "alertd/state/blocks.h"

#include <algorithm>

#include "common/base/byte_codec.h"

namespace tocsin::state {

using base::Result;

Block block_at(const Statement& row) {
  Block block;
  block.id = row.integer_at(0);
  block.first = row.integer_at(1);
  block.last = row.integer_at(2);
  block.count = row.integer_at(3);
  block.keys = row.bytes_at(4);
  block.body = row.bytes_at(5);
  return block;
}

std::uint32_t block_key(unsigned field, std::string_view text) {
  return static_cast<std::uint32_t>(Database::number_of(text)) + field;
}

bool may_have(std::string_view keys, std::uint32_t key) {
  for (std::size_t at = 0; at + sizeof key <= keys.size(); at += sizeof key) {
    if (base::get_raw<std::uint32_t>(keys.substr(at)) == key) return true;
  }
  return false;
}

Result<void> BlockTable::open_newest() {
  block_ = {};
  exists_ = changed_ = false;
  Statement query = database_.statement(sql_.newest);
  TC_TRY(const bool found, query.next());
  if (found) {
    block_ = block_at(query);
    exists_ = block_.body.size() < kBlockBytesOpen;
    if (!exists_) block_ = {};
  }
  known_ = true;
  return base::ok();
}

Result<std::string*> BlockTable::next(std::int64_t position) {
  if (!known_) TC_TRY(open_newest());
  if (block_.body.size() >= kBlockBytesMax) {
    TC_TRY(write());
  }
  if (block_.count == 0) {
    block_.first = block_.last = position;
    if (ids_ == Ids::FirstPosition) block_.id = position;
  }
  block_.first = std::min(block_.first, position);
  block_.last = std::max(block_.last, position);
  ++block_.count;
  changed_ = true;
  return &block_.body;
}

void BlockTable::add_key(std::uint32_t key) {
  base::put_raw(key, block_.keys);
}

Result<void> BlockTable::write() {
  if (!changed_) return base::ok();
  {
    Statement statement = database_.statement(exists_ ? sql_.update : sql_.insert);
    if (!exists_ && ids_ == Ids::Own) {
      statement.optional_integer(std::nullopt);
    } else {
      statement.integer(block_.id);
    }
    statement.integer(block_.first).integer(block_.last).integer(block_.count);
    TC_TRY(statement.bytes(block_.keys).bytes(block_.body).run());
  }
  if (!exists_ && ids_ == Ids::Own) block_.id = database_.last_row();
  exists_ = true;
  changed_ = false;
  if (block_.body.size() < kBlockBytesOpen) return base::ok();
  block_ = {};  // the next record begins a new one
  exists_ = false;
  return base::ok();
}

void BlockTable::forget() {
  known_ = changed_ = false;
}

}  // namespace tocsin::state

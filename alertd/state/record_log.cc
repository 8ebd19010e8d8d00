// A block's body: records one after the other, each the key as a text, then 0 for a removal or the
// body's length plus one and the body. Numbers and texts as common/base/byte_codec.h puts them.

#include "alertd/state/record_log.h"

#include <fmt/format.h>

#include "alertd/state/blocks.h"
#include "alertd/state/columns.h"
#include "common/base/byte_codec.h"
#include "common/base/hash.h"
#include "common/base/log.h"

namespace tocsin::state {

using base::ByteReader;
using base::put_varint;
using base::Result;

namespace {

/// So many records may be out of date before blocks are moved for it.
constexpr std::size_t kOutdatedMin = 1'000;
/// In one transaction: some hundred microseconds each.
constexpr int kMovedMax = 8;

struct Entry {
  std::string_view key;
  bool removal = false;
  std::string_view body;
};

Entry next_entry(ByteReader& reader) {
  Entry entry;
  entry.key = reader.text();
  const std::uint64_t size = reader.varint();
  entry.removal = size == 0;
  if (!entry.removal) entry.body = reader.bytes(size - 1);
  return entry;
}

}  // namespace

RecordLog::KeyHash RecordLog::hash_of(std::string_view key) {
  return {base::hash64(key), base::xxh64(key)};
}

auto RecordLog::is(const KeyHash& key) {
  return [high = key.high](const Last& last) { return last.key_high == high; };
}

Result<void> RecordLog::learn() {
  if (known_) return base::ok();
  last_.clear();
  blocks_.clear();
  outdated_.clear();
  records_ = 0;
  open_id_ = 0;
  open_body_.clear();
  open_exists_ = open_changed_ = false;
  Statement query = database_.statement(sql_.all);
  while (true) {
    TC_TRY(const bool row, query.next());
    if (!row) break;
    open_id_ = query.integer_at(0);
    open_body_ = query.bytes_at(1);
    learn_block(open_id_, open_body_);
  }
  open_exists_ = open_id_ != 0;
  known_ = true;
  return base::ok();
}

// What follows a damaged record is left out, and is reported when it is read.
void RecordLog::learn_block(std::int64_t id, std::string_view body) {
  Block& block = blocks_[id];
  ByteReader reader(body);
  while (!reader.at_end()) {
    const Entry entry = next_entry(reader);
    if (!reader.ok()) return;
    ++records_;
    ++block.records;
    const KeyHash key = hash_of(entry.key);
    if (const std::int64_t known = last_block(key); known != 0) outdate(known);
    if (!entry.removal) {
      ++block.last;
      set_last(key, id);
      continue;
    }
    ++block.removals;
    forget_last(key);
  }
}

std::int64_t RecordLog::last_block(const KeyHash& key) const {
  return last_.find(key.low, is(key)).block;
}

void RecordLog::set_last(const KeyHash& key, std::int64_t block) {
  last_.put(key.low, {key.high, block}, is(key));
}

void RecordLog::forget_last(const KeyHash& key) {
  last_.erase(key.low, is(key));
}

void RecordLog::outdate(std::int64_t id) {
  Block& block = blocks_.at(id);
  if (--block.last == 0) outdated_.push_back(id);
}

Result<RecordLog::Blocks::iterator> RecordLog::open_block() {
  TC_TRY(learn());
  if (open_id_ != 0 && open_body_.size() >= kBlockBytesMax) TC_TRY(write_open());
  const bool full = open_exists_ && !open_changed_ && open_body_.size() >= kBlockBytesOpen;
  if (open_id_ == 0 || full) {
    ++open_id_;
    open_body_.clear();
    open_exists_ = false;
    blocks_[open_id_] = {};
  }
  open_changed_ = true;
  ++records_;
  const auto block = blocks_.find(open_id_);
  ++block->second.records;
  return block;
}

Result<void> RecordLog::put(std::string_view key, std::string_view body) {
  TC_TRY(const auto block, open_block());
  base::put_text(key, open_body_);
  put_varint(body.size() + 1, open_body_);
  open_body_ += body;
  ++block->second.last;
  const KeyHash hash = hash_of(key);
  if (const std::int64_t known = last_block(hash); known != 0) outdate(known);
  set_last(hash, open_id_);
  return base::ok();
}

Result<void> RecordLog::remove(std::string_view key) {
  TC_TRY(learn());
  const KeyHash hash = hash_of(key);
  const std::int64_t known = last_block(hash);
  if (known == 0) return base::ok();
  TC_TRY(const auto block, open_block());
  base::put_text(key, open_body_);
  put_varint(0, open_body_);
  ++block->second.removals;
  outdate(known);
  forget_last(hash);
  return base::ok();
}

Result<void> RecordLog::write_open() {
  if (!open_changed_) return base::ok();
  Statement statement = database_.statement(open_exists_ ? sql_.update : sql_.insert);
  TC_TRY(statement.integer(open_id_).bytes(open_body_).run());
  open_exists_ = true;
  open_changed_ = false;
  return base::ok();
}

Result<void> RecordLog::remove_block(std::int64_t id) {
  records_ -= blocks_.at(id).records;
  blocks_.erase(id);
  Statement remove = database_.statement(sql_.remove);
  return remove.integer(id).run();
}

Result<void> RecordLog::write() {
  if (!known_) return base::ok();
  for (int moved = 0; moved < kMovedMax && records_ > 2 * last_.size() + kOutdatedMin; ++moved) {
    TC_TRY(move_oldest());
  }
  TC_TRY(write_open());
  for (const std::int64_t id : std::exchange(outdated_, {})) {
    const auto block = blocks_.find(id);
    if (block == blocks_.end() || id == open_id_ || block->second.last > 0) continue;
    if (block->second.removals == 0) TC_TRY(remove_block(id));
  }
  // Before the oldest block there is nothing that its removals could be needed for.
  while (!blocks_.empty() && blocks_.begin()->first != open_id_ &&
         blocks_.begin()->second.last == 0) {
    TC_TRY(remove_block(blocks_.begin()->first));
  }
  return base::ok();
}

Result<void> RecordLog::move_oldest() {
  const std::int64_t id = blocks_.begin()->first;
  if (id == open_id_) return base::ok();
  std::string body;
  {
    Statement query = database_.statement(sql_.one);
    TC_TRY(const bool row, query.integer(id).next());
    if (row) body = query.bytes_at(0);
  }
  TC_TRY(visit_block(
      id, body, [this](std::string_view key, std::string_view value) { return put(key, value); }));
  return remove_block(id);
}

Result<void> RecordLog::visit_block(std::int64_t id, std::string_view body, const Visit& visit) {
  std::vector<Entry> entries;
  std::map<KeyHash, std::size_t> newest;  // of a key in this block
  ByteReader reader(body);
  while (!reader.at_end()) {
    const Entry entry = next_entry(reader);
    if (!reader.ok()) {
      base::log_error("alertd/state", "block {} of records is damaged: records may be missing", id);
      break;
    }
    newest[hash_of(entry.key)] = entries.size();
    entries.push_back(entry);
  }
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const KeyHash key = hash_of(entries[i].key);
    if (last_block(key) != id || newest[key] != i) continue;
    TC_TRY(visit(entries[i].key, entries[i].body));
  }
  return base::ok();
}

Result<std::size_t> RecordLog::size() {
  TC_TRY(learn());
  return last_.size();
}

Result<void> RecordLog::for_each(const Visit& visit) {
  TC_TRY(learn());
  Statement query = database_.statement(sql_.all);
  while (true) {
    TC_TRY(const bool row, query.next());
    if (!row) return base::ok();
    const std::string body = query.bytes_at(1);
    TC_TRY(visit_block(query.integer_at(0), body, visit));
  }
}

Result<void> RecordLog::clear() {
  TC_TRY(learn());
  while (!blocks_.empty()) {
    const std::int64_t id = blocks_.begin()->first;
    if (id == open_id_ && !open_exists_) {
      records_ -= blocks_.begin()->second.records;
      blocks_.erase(blocks_.begin());
      continue;
    }
    TC_TRY(remove_block(id));
  }
  last_.clear();
  outdated_.clear();
  open_body_.clear();
  open_exists_ = open_changed_ = false;
  if (open_id_ != 0) blocks_[open_id_] = {};
  return base::ok();
}

}  // namespace tocsin::state

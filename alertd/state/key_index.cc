#include "alertd/state/key_index.h"

namespace tocsin::state {

using base::Result;

Result<void> KeyedRows::learn() {
  if (known_) return base::ok();
  ids_.clear();
  Statement query = database_.statement(table_.numbers);
  while (true) {
    TC_TRY(const bool row, query.next());
    if (!row) break;
    ids_.emplace(query.integer_at(1), query.integer_at(0));
  }
  known_ = true;
  return base::ok();
}

Result<void> KeyedRows::upsert(const incident::Record& record) {
  TC_TRY(learn());
  const std::int64_t number = Database::number_of(record.key);
  const auto [begin, end] = ids_.equal_range(number);
  for (auto at = begin; at != end; ++at) {
    {
      Statement update = database_.statement(table_.update);
      TC_TRY(update.integer(at->second).lasting(record.key).bytes(record.body).run());
    }
    if (database_.changes() > 0) return base::ok();
  }
  Statement insert = database_.statement(table_.insert);
  TC_TRY(insert.integer(number).lasting(record.key).bytes(record.body).run());
  ids_.emplace(number, database_.last_row());
  return base::ok();
}

Result<void> KeyedRows::remove(const std::string& key) {
  TC_TRY(learn());
  const auto [begin, end] = ids_.equal_range(Database::number_of(key));
  for (auto at = begin; at != end; ++at) {
    {
      Statement remove = database_.statement(table_.remove);
      TC_TRY(remove.integer(at->second).text(key).run());
    }
    if (database_.changes() == 0) continue;
    ids_.erase(at);
    break;
  }
  return base::ok();
}

}  // namespace tocsin::state

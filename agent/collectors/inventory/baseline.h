// What was there, what is there now, and what that makes of changes. Pure.
//
// A family is one kind of thing: accounts, keys, ports. Each entry has a name and a value, whose
// change is a change. What could not be read is named by a prefix of the entries that it may hide:
// of those nothing is told, neither that they went nor, when they can be read again, that they
// came.
#pragma once

#include <boost/json/object.hpp>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/base/time.h"

namespace tocsin::agent {

/// One kind of thing as it is now.
struct InventoryFamily {
  std::map<std::string, std::string> entries;  ///< Name -> value; "" is a value not known.
  std::set<std::string> unread;  ///< Prefixes of names that may be missing here; "" is all.

  bool hides(std::string_view name) const;
};

/// InventoryFamily -> what is in it.
using Snapshot = std::map<std::string, InventoryFamily>;

/// How changes of a family are counted: the label `kind`. nullptr: it is no change.
struct FamilyKind {
  const char* family;
  const char* added;
  const char* removed;
  const char* changed;
  base::Duration linger{0};  ///< What went is remembered that long: a service that restarts.
};

/// Every family there is. Others are a bug.
const std::vector<FamilyKind>& family_kinds();
/// Every value of the label `kind`; sorted.
std::vector<std::string> change_kinds();

/// One change.
struct AccessChange {
  std::string kind;  ///< "key_added"
  std::string name;  ///< Of the entry.

  friend bool operator==(const AccessChange&, const AccessChange&) = default;
};

/// The memory of the inventory: what is known, how many changes there were, since when something
/// is so. Plain data; goes through JSON over restarts.
class Baseline {
 public:
  Baseline();

  /// Takes over what is there at `now` and returns the changes, which are counted. A family that
  /// was never read before gives none.
  std::vector<AccessChange> advance(const Snapshot& snapshot, base::WallTime now);

  /// Returns since when `name` is so: from the first call on that was not followed by one without.
  base::WallTime since(const std::string& name, bool is_so, base::WallTime now);

  const std::map<std::string, std::int64_t>& counts() const { return counts_; }
  /// When the last change of a kind was seen; milliseconds since 1970.
  const std::map<std::string, std::int64_t>& last_ms() const { return last_ms_; }

  boost::json::object to_json() const;
  /// What is missing or of another type counts as never read.
  static Baseline from_json(const boost::json::object& object);

 private:
  struct Known {
    InventoryFamily family;
    std::map<std::string, std::int64_t> gone_ms;  ///< Entries that linger: since when.
  };

  std::map<std::string, Known> known_;
  std::map<std::string, std::int64_t> counts_;   ///< Kind -> changes ever.
  std::map<std::string, std::int64_t> last_ms_;  ///< Kind -> the last one.
  std::map<std::string, std::int64_t> since_ms_;
};

}  // namespace tocsin::agent

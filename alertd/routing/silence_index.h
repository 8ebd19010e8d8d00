// Finds the silences that match an alert without trying each.
//
// 50,000 alerts against 1,000 silences are 50 million tries of some 50 ns. Nearly every silence
// names a value: instance="db1", or instance=~"db1|db2". Each matcher set is filed under the one of
// its values that is rarest among the silences, so an alert is tried only against sets that share a
// value with it, and against those few that name none.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "alertd/routing/alert_labels.h"

namespace tocsin::routing {

/// All must match.
using MatcherSet = std::vector<model::Matcher>;

/// Returns the values that a matcher accepts if they can be listed: of `=` its value, of `=~` the
/// alternatives when they are plain text; empty: cannot be listed, or "" is among them.
std::vector<std::string> listed_values(const model::Matcher& matcher);

/// Holds pointers to ids and sets: they must outlive it.
class SilenceIndex {
 public:
  /// Files the sets under an id.
  void add(const std::string& id, const std::vector<MatcherSet>& sets);
  void clear() { entries_.clear(); }
  /// After the last add(), before find().
  void build();

  /// Appends the ids of which some set matches; sorted, each once.
  void find(const AlertLabels& alert, std::vector<std::string>& ids) const;

 private:
  struct Entry {
    const std::string* id;
    const MatcherSet* set;
  };
  using ByValue = std::unordered_map<std::string, std::vector<Entry>>;

  static void try_all(const std::vector<Entry>& entries, const AlertLabels& alert,
                      std::vector<std::string>& ids);

  std::vector<Entry> entries_;
  std::map<std::string, ByValue> by_label_;
  std::vector<Entry> rest_;
};

}  // namespace tocsin::routing

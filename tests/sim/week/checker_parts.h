// What the parts of the checker share; only checker*.cc include this.
#pragma once

#include <fmt/format.h>

#include "tests/sim/week/checker.h"
#include "tests/sim/week/oracle.h"

namespace tocsin::week {

using Violations = std::vector<Violation>;

/// A row of the outbox, with what the checker needs of it worked out once.
struct Told {
  const incident::OutboxRow* row;
  bool copy = false;   ///< Of another message, for a failover channel.
  bool opens = false;  ///< It says that something fires: Firing, Update, Reopened.
};

/// Everything by the keys under which the checks look it up.
struct Index {
  Index(const Plan& the_plan, const Journal& the_journal);

  const Plan& plan;
  const Journal& journal;
  std::map<std::string, std::vector<Told>> rows;  ///< By incident; those without have none.
  std::map<std::string, std::vector<const Send*>> by_key;
  std::vector<Span> away;  ///< The daemon is down, or cannot write.
};

/// Returns "receiver/channel".
std::string channel_of(const incident::Notification& message);
std::string describe(const incident::Notification& message);

LabelMap labels_of(const model::Alert& alert);
/// Returns the last life of an alert with these labels that began by then, or nullptr.
const Life* life_of(const Plan& plan, const LabelMap& labels, base::WallTime at);

void check_once(const Index& index, Violations& found);
void check_order(const Index& index, Violations& found);
void check_ends(const Index& index, Violations& found);
void check_hidden(const Index& index, Violations& found);
void check_told(const Index& index, Violations& found);
void check_steps(const Index& index, Violations& found);
void check_digests(const Index& index, Violations& found);

}  // namespace tocsin::week

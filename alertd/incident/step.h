// What goes into one step of the engine, and what comes out.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "alertd/incident/command.h"
#include "alertd/incident/state_records.h"
#include "alertd/routing/edit.h"

namespace tocsin::incident {

struct StepInput {
  std::span<const model::Alert> alerts;
  std::span<const Command> commands;
  std::span<const DeliveryReport> reports;
  std::span<const routing::Edit> edits = {};
};

/// A decision, for counting.
struct Decided {
  Reason reason = Reason::Unchanged;
  bool sent = false;
};

struct StepResult {
  StateChange change;                                 ///< Commit it; empty: nothing to commit.
  std::vector<base::Result<IncidentRecord>> replies;  ///< One for each command, in order.
  std::vector<Decided> decisions;
  std::vector<base::Result<std::string>> edit_replies;  ///< One for each edit, in order.
};

}  // namespace tocsin::incident

// Runs a parsed template.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "common/gotemplate/tree.h"

namespace tocsin::gotemplate {

/// What one execution works with; all of it outlives the run.
struct World {
  const Template::Tree& tree;
  const Functions& functions;
  const Map& variables;
  MissingKey missing;
  const Limits& limits;
};

/// Runs the main text on `data`.
base::Result<std::string> run_template(const World& world, const Value& data);

/// A function of the language itself; `missing` decides what an absent key gives.
/// Errors: InvalidArgument.
base::Result<Value> call_builtin(std::string_view name, const std::vector<Value>& arguments,
                                 MissingKey missing);

}  // namespace tocsin::gotemplate

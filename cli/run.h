// The whole program but for main(): environment, terminal, parsing, dispatch.
#pragma once

#include <string>
#include <vector>

namespace tocsin::cli {

/// Runs the program with its arguments (without its name) and returns the exit code.
int run(const std::vector<std::string>& arguments);

}  // namespace tocsin::cli

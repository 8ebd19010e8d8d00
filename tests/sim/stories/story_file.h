// A prepared story: a configuration, what happened, and what `explain` must say about it.
// The language is described in tests/data/stories/README.md.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/base/time.h"

namespace tocsin::sim {

struct StoryLine {
  int number = 0;  ///< In the file.
  base::Duration at{0};
  std::string verb;
  std::string rest;
  std::vector<std::string> expected;  ///< Of `explain`: the indented lines below it.
};

struct StoryFile {
  std::string name;
  std::string config;
  std::string alertmanager;  ///< alertmanager.yml; empty: routing is ours.
  std::string rules;
  std::vector<StoryLine> lines;
};

/// Errors: InvalidArgument (names file and line).
base::Result<StoryFile> parse_story(const std::string& name, const std::string& text);

/// Returns whether the text is the pattern, in which `*` stands for anything.
bool is_like(std::string_view text, std::string_view pattern);

}  // namespace tocsin::sim

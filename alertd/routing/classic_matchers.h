// Matchers as Alertmanager read them before UTF-8 names, and its rule for which reading counts.
//
// The old reader is loose: foo=bar, foo=, foo="a, b", a quote only in front is an error, whatever
// stands between = and the next comma is the value. Alertmanager tries the new reader and falls
// back to the old one; where both read a text differently the old one counts. Source:
// shared/reference/routing.md, section 1, "Matchers".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/model/matcher.h"

namespace tocsin::routing {

/// Parses "foo=bar, baz=~\"x.*\"", with or without braces.
/// Errors: InvalidArgument, LimitExceeded (a pattern that is too large).
base::Result<std::vector<model::Matcher>> parse_classic_matchers(std::string_view text);

/// Which reader is asked.
enum class MatcherMode { Fallback, Utf8Strict, Classic };

struct ReadMatchers {
  std::vector<model::Matcher> matchers;
  std::string warning;  ///< Empty: both readers agree, or only one was asked.
};

/// Parses as Alertmanager does in that mode. Errors: those of the reader whose word counts.
base::Result<ReadMatchers> parse_alertmanager_matchers(std::string_view text,
                                                       MatcherMode mode = MatcherMode::Fallback,
                                                       std::size_t* error_offset = nullptr);

}  // namespace tocsin::routing

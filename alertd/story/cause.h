// The true cause in one line, from the evidence.
//
// An alert fires in occurrences: from a line of the decision log that takes it in until something
// says that it is over. Only the last one up to the time asked about counts: who was told a week
// ago says nothing about tonight. Within it, what was delivered comes first, then what failed, then
// what holds it back - nearest to the alert first: what hides it, the hours of its route, its
// incident, the decision of its group - and, if routing never saw it, its rule. Pure.
#pragma once

#include <string>

#include "alertd/story/evidence.h"

namespace tocsin::story {

struct Cause {
  std::string text;     ///< "Nobody was called because ...", "Called: ann by sms at ...".
  bool called = false;  ///< Somebody was reached.
};

Cause find_cause(const Evidence& evidence);

/// Returns the time for people, without fractions of a second.
std::string time_text(base::WallTime at);

/// Returns the text of a decision about one alert without the labels in front.
std::string without_labels(const std::string& text);

}  // namespace tocsin::story

// Why a selector finds nothing: is the metric gone, and since when, or which matcher removes all?
#include <fmt/core.h>

#include <algorithm>

#include "cli/explain/explain.h"
#include "common/base/strings.h"

namespace tocsin::explain {
namespace {

constexpr std::size_t kValuesShown = 5;

std::string braces(const std::vector<model::Matcher>& matchers) {
  std::string text;
  for (const model::Matcher& matcher : matchers) {
    text += (text.empty() ? "" : ", ") + matcher.to_string();
  }
  return '{' + text + '}';
}

/// The server refuses selectors that match everything.
bool selects_something(const std::vector<model::Matcher>& matchers) {
  return std::any_of(matchers.begin(), matchers.end(),
                     [](const model::Matcher& matcher) { return !matcher.matches_empty(); });
}

double first_value(const promql::Vector& vector) {
  return vector.empty() ? 0 : vector.front().sample.value;
}

}  // namespace

base::Result<std::string> Explainer::last_seen(const std::string& selector) {
  // timestamp() inside a subquery is the time of the sample, not of the step.
  for (const char* window : {"[1d:5m]", "[14d:1h]"}) {
    auto newest = query(fmt::format("max(max_over_time(timestamp({}){}))", selector, window));
    if (!newest) return std::move(newest).error();
    if (newest->empty()) continue;
    const double seconds = newest->front().sample.value;
    const auto time = base::wall_time(static_cast<std::int64_t>(seconds * 1000));
    const base::Duration age{(at_ - time).count() / 1000 * 1000};
    return fmt::format("last sample {} ({} before)", base::format_rfc3339(time),
                       base::format_duration(std::max(age, base::Duration{0})));
  }
  return std::string("no sample in the 14 days before");
}

base::Result<void> Explainer::look_into_selector(const promql::VectorSelector& selector,
                                                 Node& node) {
  if (!node.part.error.empty() || node.part.matching > 0) return base::ok();
  std::vector<model::Matcher> matchers = selector.matchers;
  if (node.part.total > 0) {
    node.part.notes.push_back(fmt::format("it has {} series, none of the label set asked for {}",
                                          node.part.total, wanted_.to_string()));
    return base::ok();
  }
  std::vector<std::string>& notes = node.part.notes;
  if (selector.shift.offset || selector.shift.at != promql::At::None) {
    notes.emplace_back("no series; looked for without its offset and @:");
  }
  const auto keep = [&](auto result, auto use) -> base::Result<void> {
    if (result) {
      use(*result);
    } else if (result.error().code == base::ErrorCode::Unavailable) {
      return std::move(result).error();
    } else {
      notes.push_back(result.error().message);
    }
    return base::ok();
  };
  TC_TRY(keep(last_seen(braces(matchers)),
              [&](const std::string& seen) { notes.push_back("no series: " + seen); }));
  bool found = false;
  for (std::size_t i = 0; i < matchers.size() && matchers.size() > 1; ++i) {
    std::vector<model::Matcher> others = matchers;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
    if (!selects_something(others)) continue;
    const std::string rest = braces(others);
    TC_TRY(keep(query(fmt::format("count({})", rest)), [&](const promql::Vector& count) {
      if (count.empty()) return;
      found = true;
      notes.push_back(fmt::format("{} removes all: without it there are {} series",
                                  matchers[i].to_string(), short_number(first_value(count))));
    }));
    if (notes.empty() || !notes.back().starts_with(matchers[i].to_string())) continue;
    TC_TRY(keep(query(fmt::format("count by ({}) ({})", matchers[i].name(), rest)),
                [&](const promql::Vector& values) {
                  std::vector<std::string> some;
                  for (const auto& one : values) {
                    const std::string value(one.labels.get(matchers[i].name()));
                    if (some.size() < kValuesShown) some.push_back('"' + value + '"');
                  }
                  const std::size_t more = values.size() - some.size();
                  notes.push_back(fmt::format("there {} is {}{}", matchers[i].name(),
                                              base::join(some, ", "),
                                              more > 0 ? fmt::format(" and {} more", more) : ""));
                }));
  }
  if (!found && matchers.size() > 1) {
    notes.emplace_back("leaving out any single matcher does not help: nothing comes near");
  }
  return base::ok();
}

}  // namespace tocsin::explain

#include "alertd/app/silence_values.h"

namespace tocsin::alertd {
namespace {

base::Result<model::Matcher> to_routing(const api::AlertmanagerMatcher& matcher) {
  using model::MatchOp;
  const MatchOp op = matcher.is_regex ? (matcher.is_equal ? MatchOp::Regex : MatchOp::NotRegex)
                                      : (matcher.is_equal ? MatchOp::Equal : MatchOp::NotEqual);
  auto made = model::Matcher::make(op, matcher.name, matcher.value);
  if (!made) return base::with_context(made.error(), "invalid label matcher");
  return made;
}

api::AlertmanagerMatcher to_api(const model::Matcher& matcher) {
  using model::MatchOp;
  const MatchOp op = matcher.op();
  return {matcher.name(), matcher.value(), op == MatchOp::Regex || op == MatchOp::NotRegex,
          op == MatchOp::Equal || op == MatchOp::Regex};
}

}  // namespace

base::Result<routing::Silence> to_routing(const api::AlertmanagerSilence& silence) {
  routing::Silence made;
  made.id = silence.id;
  for (const auto& set : silence.matcher_sets) {
    routing::MatcherSet matchers;
    for (const api::AlertmanagerMatcher& one : set) {
      TC_TRY(model::Matcher matcher, to_routing(one));
      matchers.push_back(std::move(matcher));
    }
    made.matcher_sets.push_back(std::move(matchers));
  }
  made.starts_at = silence.starts_at;
  made.ends_at = silence.ends_at;
  made.created_by = silence.created_by;
  made.comment = silence.comment;
  made.annotations = silence.annotations;
  return made;
}

api::AlertmanagerSilence to_api(const routing::Silence& silence, base::WallTime now) {
  api::AlertmanagerSilence shown;
  shown.id = silence.id;
  for (const routing::MatcherSet& set : silence.matcher_sets) {
    std::vector<api::AlertmanagerMatcher> matchers;
    for (const model::Matcher& matcher : set) matchers.push_back(to_api(matcher));
    shown.matcher_sets.push_back(std::move(matchers));
  }
  shown.starts_at = silence.starts_at;
  shown.ends_at = silence.ends_at;
  shown.updated_at = silence.updated_at;
  shown.created_by = silence.created_by;
  shown.comment = silence.comment;
  shown.annotations = silence.annotations;
  switch (silence.state(now)) {
    case routing::SilenceState::Pending:
      shown.state = api::SilenceState::Pending;
      break;
    case routing::SilenceState::Active:
      shown.state = api::SilenceState::Active;
      break;
    case routing::SilenceState::Expired:
      shown.state = api::SilenceState::Expired;
      break;
  }
  return shown;
}

}  // namespace tocsin::alertd

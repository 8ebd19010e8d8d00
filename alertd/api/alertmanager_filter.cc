#include "alertd/api/alertmanager_filter.h"

#include <algorithm>
#include <array>
#include <tuple>

#include "alertd/api/parameters.h"
#include "alertd/routing/matcher_text.h"
#include "common/base/strings.h"

namespace tocsin::api {
namespace {

using base::Result;

/// Alertmanager's generated layer takes many words for true, and all else for false.
bool flag(const net::ServerRequest& request, const std::string& name, bool missing) {
  const std::string value = base::to_lower(request.parameter(name));
  if (value.empty()) return missing;
  constexpr std::array<std::string_view, 10> kTrue{"true", "1", "yes",      "ok",      "y",
                                                   "on",   "t", "selected", "checked", "enabled"};
  return std::find(kTrue.begin(), kTrue.end(), value) != kTrue.end();
}

/// A matcher of a filter takes a silence if the silence has one on that label whose text it
/// matches. Source: Alertmanager, API v2, "CheckSilenceMatchesFilterLabels".
bool has_matcher(const AlertmanagerSilence& silence, const model::Matcher& wanted) {
  const auto names = [&](const AlertmanagerMatcher& one) {
    return one.name == wanted.name() && wanted.matches(one.value);
  };
  return std::any_of(silence.matcher_sets.begin(), silence.matcher_sets.end(),
                     [&](const auto& set) { return std::any_of(set.begin(), set.end(), names); });
}

}  // namespace

Result<std::vector<model::Matcher>> matchers_parameter(const net::ServerRequest& request,
                                                       const std::string& name) {
  std::vector<model::Matcher> matchers;
  for (const std::string& text : list_parameter(request, name)) {
    auto parsed = routing::parse_matchers(text);
    if (!parsed) {
      return base::error(base::ErrorCode::InvalidArgument,
                         "bad matcher format: " + parsed.error().message);
    }
    matchers.insert(matchers.end(), parsed->begin(), parsed->end());
  }
  return matchers;
}

Result<AlertFilter> AlertFilter::read(const net::ServerRequest& request) {
  AlertFilter filter;
  filter.active_ = flag(request, "active", true);
  filter.silenced_ = flag(request, "silenced", true);
  filter.inhibited_ = flag(request, "inhibited", true);
  filter.unprocessed_ = flag(request, "unprocessed", true);
  filter.muted_ = flag(request, "muted", true);
  TC_TRY(filter.matchers_, matchers_parameter(request, "filter"));
  TC_TRY(filter.receiver_matchers_, matchers_parameter(request, "receiver_matchers"));
  const std::string_view receiver = request.parameter("receiver");
  if (!receiver.empty()) {
    auto pattern = model::Matcher::make(model::MatchOp::Regex, "receiver", std::string(receiver));
    if (!pattern) {
      return base::error(base::ErrorCode::InvalidArgument,
                         "failed to parse receiver param: " + pattern.error().message);
    }
    filter.receiver_ = std::move(*pattern);
  }
  return filter;
}

bool AlertFilter::takes(const AlertmanagerAlert& one, base::WallTime now) const {
  if (one.resolved || one.alert.resolved(now)) return false;
  const AlertmanagerSuppression& by = one.suppression;
  const bool suppressed = !by.silenced_by.empty() || !by.inhibited_by.empty();
  if (!active_ && !suppressed && by.muted_by.empty()) return false;
  if (!silenced_ && !by.silenced_by.empty()) return false;
  if (!inhibited_ && !by.inhibited_by.empty()) return false;
  if (!muted_ && !by.muted_by.empty()) return false;
  if (!unprocessed_ && one.receivers.empty()) return false;
  return model::matches_all(matchers_, one.alert.labels);
}

bool AlertFilter::takes_receiver(const std::string& receiver) const {
  if (receiver_ && !receiver_->matches(receiver)) return false;
  return std::all_of(receiver_matchers_.begin(), receiver_matchers_.end(),
                     [&](const model::Matcher& matcher) {
                       const bool named = matcher.name() == "receiver" || matcher.name() == "name";
                       return matcher.matches(named ? std::string_view(receiver) : "");
                     });
}

bool AlertFilter::takes_any_receiver(const std::vector<std::string>& receivers) const {
  if (!receiver_ && receiver_matchers_.empty()) return true;
  return std::any_of(receivers.begin(), receivers.end(),
                     [this](const std::string& one) { return takes_receiver(one); });
}

Result<SilenceFilter> SilenceFilter::read(const net::ServerRequest& request) {
  SilenceFilter filter;
  filter.active_ = flag(request, "active", true);
  filter.pending_ = flag(request, "pending", true);
  filter.expired_ = flag(request, "expired", true);
  TC_TRY(filter.matchers_, matchers_parameter(request, "filter"));
  return filter;
}

bool SilenceFilter::takes(const AlertmanagerSilence& silence) const {
  const bool shown = silence.state == SilenceState::Active    ? active_
                     : silence.state == SilenceState::Pending ? pending_
                                                              : expired_;
  return shown && std::all_of(matchers_.begin(), matchers_.end(),
                              [&](const auto& matcher) { return has_matcher(silence, matcher); });
}

void sort_silences(std::vector<AlertmanagerSilence>& silences) {
  const auto order = [](const AlertmanagerSilence& one) {
    const std::int64_t ends = base::to_ms(one.ends_at);
    switch (one.state) {
      case SilenceState::Active:
        return std::tuple(0, ends, one.id);
      case SilenceState::Pending:
        return std::tuple(1, base::to_ms(one.starts_at), one.id);
      case SilenceState::Expired:
        break;
    }
    return std::tuple(2, -ends, one.id);
  };
  std::sort(silences.begin(), silences.end(),
            [&](const auto& a, const auto& b) { return order(a) < order(b); });
}

}  // namespace tocsin::api

#include "alertd/routing/silence.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "alertd/routing/matcher_text.h"

namespace tocsin::routing {
namespace {

using base::ErrorCode;
using base::WallTime;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

const WallTime kNow = base::wall_time(1'700'000'000'000);

MatcherSet set_of(std::string_view text) {
  auto matchers = parse_matchers(text);
  REQUIRE_MESSAGE(matchers, matchers);
  return *matchers;
}

Silence silence_of(std::vector<std::string> sets, WallTime starts = kNow,
                   WallTime ends = kNow + hours(1)) {
  Silence silence;
  for (const std::string& text : sets) silence.matcher_sets.push_back(set_of(text));
  silence.starts_at = starts;
  silence.ends_at = ends;
  silence.created_by = "ann";
  return silence;
}

model::Alert alert_of(std::initializer_list<model::LabelView> labels) {
  model::Alert alert;
  alert.labels = model::Labels(labels);
  return alert;
}

std::size_t count_matching(const Silences& silences,
                           std::initializer_list<model::LabelView> labels) {
  const model::Alert alert = alert_of(labels);
  return silences.matching(AlertLabels(alert, SeverityLabel::AsWritten)).size();
}

std::string error_of(const base::Result<std::string>& result) {
  return result ? "" : result.error().message;
}

TEST_CASE("silence: a set must have a matcher that does not match the empty string") {
  Silences silences;
  CHECK(error_of(silences.set(silence_of({}), kNow)) == "at least one matcher required");
  for (const char* text : {R"(a="")", R"(a!="x")", R"(a=~".*")", R"(a!~"x",b="")"}) {
    CHECK(error_of(silences.set(silence_of({text}), kNow)) ==
          "at least one matcher must not match the empty string");
    // One good set does not make up for one that matches everything.
    CHECK_FALSE(silences.set(silence_of({R"(a="1")", text}), kNow));
  }
  CHECK(silences.set(silence_of({R"(a="1",b!="x")"}), kNow));
  CHECK(error_of(silences.set(silence_of({R"(a="1")"}, kNow, kNow - hours(1)), kNow)) ==
        "end time must not be before start time");
  CHECK(error_of(silences.set(silence_of({R"(a="1")"}, kNow, WallTime{}), kNow)) ==
        "invalid zero end timestamp");
}

TEST_CASE("silence: sets are alternatives, matchers of a set must all hold, missing is empty") {
  Silences silences;
  REQUIRE(silences.set(silence_of({R"(a="1",b!="2")", R"(c=~"x|y")"}), kNow));
  CHECK(count_matching(silences, {{"a", "1"}}) == 0);  // not active before advance() saw it
  CHECK(silences.advance(kNow).size() == 1);
  CHECK(count_matching(silences, {{"a", "1"}}) == 1);
  CHECK(count_matching(silences, {{"a", "1"}, {"b", "2"}}) == 0);
  CHECK(count_matching(silences, {{"a", "1"}, {"b", "2"}, {"c", "y"}}) == 1);
  CHECK(count_matching(silences, {{"c", "xy"}}) == 0);  // anchored
  CHECK(count_matching(silences, {}) == 0);
}

TEST_CASE("silence: pending, active, expired, forgotten after 120 h") {
  Silences silences;
  const auto id =
      silences.set(silence_of({R"(a="1")"}, kNow + minutes(1), kNow + minutes(2)), kNow);
  REQUIRE(id);
  const auto state = [&](WallTime at) { return silences.find(*id)->state(at); };
  CHECK(state(kNow) == SilenceState::Pending);
  CHECK(silences.advance(kNow) == std::vector{*id});
  CHECK(silences.next_change() == kNow + minutes(1));
  CHECK(silences.advance(kNow + seconds(59)).empty());
  CHECK(silences.advance(kNow + minutes(1)) == std::vector{*id});
  CHECK(state(kNow + minutes(1)) == SilenceState::Active);
  CHECK(silences.next_change() == kNow + minutes(2));
  CHECK(silences.advance(kNow + minutes(2)) == std::vector{*id});
  CHECK(state(kNow + minutes(2)) == SilenceState::Expired);
  CHECK(count_matching(silences, {{"a", "1"}}) == 0);
  silences.take_dirty();
  silences.advance(kNow + minutes(2) + hours(120));
  CHECK(silences.find(*id));
  silences.advance(*silences.next_change());
  CHECK_FALSE(silences.find(*id));
  CHECK(silences.take_dirty() == std::set{*id});
  CHECK_FALSE(silences.next_change());
}

TEST_CASE("silence: when an edit keeps the id") {
  Silences silences;
  Silence first = silence_of({R"(a="1")"}, kNow - hours(1));
  const std::string id = *silences.set(first, kNow);
  CHECK(silences.find(id)->starts_at == kNow);  // a start in the past becomes now
  first = *silences.find(id);

  Silence longer = first;
  longer.ends_at += hours(1);
  longer.comment = "takes longer";
  CHECK(*silences.set(longer, kNow + minutes(1)) == id);
  CHECK(silences.find(id)->comment == "takes longer");

  Silence moved = longer;
  moved.starts_at += seconds(1);
  const std::string second = *silences.set(moved, kNow + minutes(2));
  CHECK(second != id);
  CHECK(silences.find(id)->state(kNow + minutes(2)) == SilenceState::Expired);

  Silence other = *silences.find(second);
  other.matcher_sets = {set_of(R"(a="2")")};
  const std::string third = *silences.set(other, kNow + minutes(3));
  CHECK(third != second);

  // An expired one is never changed: its edit is a new one, and history stays.
  Silence again = *silences.find(id);
  again.ends_at = kNow + hours(9);
  CHECK(*silences.set(again, kNow + minutes(4)) != id);
  CHECK(silences.find(id)->ends_at == kNow + minutes(2));

  Silence unknown = first;
  unknown.id = "nobody";
  const auto result = silences.set(unknown, kNow);
  REQUIRE_FALSE(result);
  CHECK(result.error().code == ErrorCode::NotFound);
}

TEST_CASE("silence: a pending one keeps its id while its start stays ahead") {
  Silences silences;
  const std::string id =
      *silences.set(silence_of({R"(a="1")"}, kNow + hours(1), kNow + hours(2)), kNow);
  Silence edited = *silences.find(id);
  edited.starts_at = kNow + minutes(30);
  CHECK(*silences.set(edited, kNow + minutes(1)) == id);
  edited.starts_at = kNow;
  const std::string second = *silences.set(edited, kNow + minutes(1));
  CHECK(second != id);
  CHECK(silences.find(second)->starts_at == kNow + minutes(1));
  const Silence& old = *silences.find(id);
  CHECK(old.starts_at == kNow + minutes(1));
  CHECK(old.ends_at == kNow + minutes(1));
}

TEST_CASE("silence: expire") {
  Silences silences;
  const std::string id = *silences.set(silence_of({R"(a="1")"}), kNow);
  CHECK(silences.expire(id, kNow + minutes(1)));
  CHECK(silences.find(id)->ends_at == kNow + minutes(1));
  const auto again = silences.expire(id, kNow + minutes(2));
  REQUIRE_FALSE(again);
  CHECK(again.error().message == fmt::format("silence {} already expired", id));
  CHECK(silences.expire("nobody", kNow).error().code == ErrorCode::NotFound);
}

TEST_CASE("silence: limits on number and size; an edit in place needs no room") {
  Silences silences({1, 200, hours(120)});
  const std::string id = *silences.set(silence_of({R"(a="1")"}), kNow);
  CHECK(error_of(silences.set(silence_of({R"(a="2")"}), kNow)) ==
        "exceeded maximum number of silences: 1 (limit: 1)");
  Silence edited = *silences.find(id);
  edited.comment = "still";
  CHECK(silences.set(edited, kNow));
  edited.comment = std::string(300, 'x');
  CHECK(silences.set(edited, kNow).error().code == ErrorCode::LimitExceeded);
  CHECK(silences.find(id)->comment == "still");
}

TEST_CASE("silence: of peers' words the last counts") {
  Silences silences;
  Silence theirs = silence_of({R"(a="1")"});
  theirs.id = "11111111-2222-3333-4444-555555555555";
  theirs.updated_at = kNow;
  CHECK(silences.merge(theirs, kNow));
  CHECK_FALSE(silences.merge(theirs, kNow));
  theirs.updated_at = kNow + seconds(1);
  theirs.ends_at = kNow + seconds(1);
  CHECK(silences.merge(theirs, kNow + seconds(1)));
  CHECK(silences.find(theirs.id)->state(kNow + seconds(1)) == SilenceState::Expired);
  Silence old = theirs;
  old.updated_at = kNow;
  CHECK_FALSE(silences.merge(old, kNow + seconds(2)));
  theirs.id = "ancient";
  theirs.ends_at = kNow - hours(121);
  theirs.starts_at = kNow - hours(122);
  CHECK_FALSE(silences.merge(theirs, kNow));
}

TEST_CASE("silence: the index finds what trying each finds") {
  Silences silences;
  std::vector<Silence> all;
  for (int i = 0; i < 200; ++i) {
    const std::string host = fmt::format("h{}", i % 50);
    const std::vector<std::string> texts{
        fmt::format(R"(host="{}",job="node")", host), fmt::format(R"(host=~"{}|h7")", host),
        fmt::format(R"(host=~"{}.*",job!="db")", host), fmt::format(R"(job="node",env!="")")};
    const std::string id =
        *silences.set(silence_of({texts[static_cast<std::size_t>(i) % texts.size()]}), kNow);
    all.push_back(*silences.find(id));
  }
  silences.advance(kNow);
  for (int i = 0; i < 60; ++i) {
    const std::string host = fmt::format("h{}", i);
    const model::Alert alert = alert_of(
        {{"host", host}, {"job", i % 3 == 0 ? "db" : "node"}, {"env", i % 2 == 0 ? "" : "prod"}});
    const AlertLabels labels(alert, SeverityLabel::AsWritten);
    std::vector<std::string> expected;
    for (const Silence& silence : all) {
      if (matches(silence, labels)) expected.push_back(silence.id);
    }
    std::sort(expected.begin(), expected.end());
    CHECK(silences.matching(labels) == expected);
  }
}

TEST_CASE("silence: which values a matcher lists") {
  const auto values = [](std::string_view text) { return listed_values(set_of(text).front()); };
  CHECK(values(R"(a="x.y")") == std::vector<std::string>{"x.y"});
  CHECK(values(R"(a=~"x|y-1")") == std::vector<std::string>{"x", "y-1"});
  CHECK(values(R"(a=~"x.y")").empty());
  CHECK(values(R"(a=~"x|")").empty());
  CHECK(values(R"re(a=~"(x|y)")re").empty());
  CHECK(values(R"(a!="x")").empty());
  CHECK(values(R"(a="")").empty());
}

TEST_CASE("silence: severity is the alert's own, or what was written") {
  Silences silences;
  REQUIRE(silences.set(silence_of({R"(severity="critical")"}), kNow));
  silences.advance(kNow);
  model::Alert alert = alert_of({{"severity", "page"}});
  alert.severity = model::Severity::Critical;
  CHECK(silences.matching(AlertLabels(alert)).size() == 1);
  CHECK(silences.matching(AlertLabels(alert, SeverityLabel::AsWritten)).empty());
}

}  // namespace
}  // namespace tocsin::routing

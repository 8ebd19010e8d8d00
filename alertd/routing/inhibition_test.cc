#include "alertd/routing/inhibition.h"

#include <doctest/doctest.h>

#include "alertd/routing/matcher_text.h"

namespace tocsin::routing {
namespace {

std::vector<model::Matcher> matchers_of(std::string_view text) {
  auto matchers = parse_matchers(text);
  REQUIRE_MESSAGE(matchers, matchers);
  return *matchers;
}

InhibitRule rule_of(std::vector<std::string> sources, std::string_view target,
                    std::vector<std::string> equal = {}) {
  InhibitRule rule;
  for (const std::string& source : sources) rule.sources.push_back(matchers_of(source));
  rule.target = matchers_of(target);
  rule.equal = std::move(equal);
  return rule;
}

model::Alert alert_of(std::initializer_list<model::LabelView> labels) {
  model::Alert alert;
  alert.labels = model::Labels(labels);
  return alert;
}

AlertLabels view(const model::Alert& alert) {
  return AlertLabels(alert, SeverityLabel::AsWritten);
}

std::set<Fingerprint> fire(Inhibition& inhibition, const model::Alert& alert) {
  return inhibition.fires(alert.fingerprint(), view(alert));
}

bool inhibited(const Inhibition& inhibition, const model::Alert& alert) {
  return !inhibition.inhibitors(view(alert)).empty();
}

const model::Alert kWarning = alert_of({{"n", "slow"}, {"sev", "warning"}, {"host", "a"}});

TEST_CASE("inhibition: while a source fires, and only where `equal` is equal") {
  Inhibition inhibition({rule_of({R"(sev="critical")"}, R"(sev="warning")", {"host"})});
  const auto down = alert_of({{"n", "down"}, {"sev", "critical"}, {"host", "a"}});
  const auto elsewhere = alert_of({{"n", "slow"}, {"sev", "warning"}, {"host", "b"}});
  fire(inhibition, kWarning);
  fire(inhibition, elsewhere);
  CHECK_FALSE(inhibited(inhibition, kWarning));
  CHECK(fire(inhibition, down) == std::set{kWarning.fingerprint()});
  CHECK(inhibition.inhibitors(view(kWarning)) == std::vector{down.fingerprint()});
  CHECK_FALSE(inhibited(inhibition, elsewhere));
  CHECK_FALSE(inhibited(inhibition, down));
  CHECK(inhibition.ends(down.fingerprint()) == std::set{kWarning.fingerprint()});
  CHECK_FALSE(inhibited(inhibition, kWarning));
}

TEST_CASE("inhibition: the other sources of a key go on when one resolves") {
  Inhibition inhibition({rule_of({R"(sev="critical")"}, R"(sev="warning")", {"host"})});
  const auto one = alert_of({{"n", "one"}, {"sev", "critical"}, {"host", "a"}});
  const auto two = alert_of({{"n", "two"}, {"sev", "critical"}, {"host", "a"}});
  fire(inhibition, kWarning);
  CHECK(fire(inhibition, one).contains(kWarning.fingerprint()));
  CHECK(fire(inhibition, two).empty());  // nothing changes for anybody
  CHECK(inhibition.ends(one.fingerprint()).empty());
  CHECK(inhibited(inhibition, kWarning));
  CHECK(inhibition.ends(one.fingerprint()).empty());  // twice: nothing
  CHECK(inhibition.ends(two.fingerprint()).contains(kWarning.fingerprint()));
  CHECK_FALSE(inhibited(inhibition, kWarning));
}

TEST_CASE("inhibition: missing is empty; without equal labels any source will do") {
  Inhibition equal({rule_of({R"(sev="critical")"}, R"(sev="warning")", {"zone"})});
  const auto source = alert_of({{"n", "down"}, {"sev", "critical"}, {"host", "z"}});
  fire(equal, source);
  CHECK(inhibited(equal, kWarning));
  CHECK_FALSE(inhibited(equal, alert_of({{"sev", "warning"}, {"zone", "x"}})));

  Inhibition any({rule_of({R"(sev="critical")"}, R"(sev="warning")")});
  fire(any, source);
  CHECK(inhibited(any, alert_of({{"sev", "warning"}, {"zone", "x"}})));
}

TEST_CASE("inhibition: who is on both sides is not inhibited by another who is") {
  Inhibition inhibition({rule_of({R"(n=~"down|both.*")"}, R"(host="a")")});
  const auto both1 = alert_of({{"n", "both1"}, {"host", "a"}});
  const auto both2 = alert_of({{"n", "both2"}, {"host", "a"}});
  const auto only_source = alert_of({{"n", "down"}, {"host", "b"}});
  fire(inhibition, both1);
  CHECK_FALSE(inhibited(inhibition, both1));
  fire(inhibition, both2);
  CHECK_FALSE(inhibited(inhibition, both1));
  CHECK_FALSE(inhibited(inhibition, both2));
  CHECK(inhibited(inhibition, kWarning));
  // A one-sided source does inhibit those, and is not hidden by the two-sided ones.
  CHECK(fire(inhibition, only_source) == std::set{both1.fingerprint(), both2.fingerprint()});
  CHECK(inhibition.inhibitors(view(both1)) == std::vector{only_source.fingerprint()});
  CHECK_FALSE(inhibited(inhibition, only_source));
}

TEST_CASE("inhibition: an empty rule inhibits nobody and does not crash") {
  InhibitRule everything;
  everything.sources = {{}};
  Inhibition inhibition({InhibitRule{}, everything});
  fire(inhibition, kWarning);
  const auto other = alert_of({{"n", "x"}});
  fire(inhibition, other);
  CHECK_FALSE(inhibited(inhibition, kWarning));
  inhibition.ends(other.fingerprint());
  CHECK_FALSE(inhibited(inhibition, kWarning));
}

TEST_CASE("inhibition: several kinds of sources must all fire") {
  Inhibition inhibition(
      {rule_of({R"(n="link_a_down")", R"(n="link_b_down")"}, R"(n="slow")", {"host"})});
  const auto a = alert_of({{"n", "link_a_down"}, {"host", "a"}});
  const auto b = alert_of({{"n", "link_b_down"}, {"host", "a"}});
  fire(inhibition, kWarning);
  CHECK(fire(inhibition, a).empty());
  CHECK_FALSE(inhibited(inhibition, kWarning));
  CHECK(fire(inhibition, b) == std::set{kWarning.fingerprint()});
  CHECK(inhibition.inhibitors(view(kWarning)).size() == 2);
  CHECK(inhibition.ends(a.fingerprint()) == std::set{kWarning.fingerprint()});
  CHECK_FALSE(inhibited(inhibition, kWarning));
}

TEST_CASE("inhibition: a severity that changes moves the alert to the other side") {
  Inhibition inhibition({rule_of({R"(severity="critical")"}, R"(severity="low")")});
  model::Alert alert = alert_of({{"n", "disk"}});
  const model::Alert small = alert_of({{"n", "small"}});
  alert.severity = model::Severity::Critical;
  model::Alert low = small;
  low.severity = model::Severity::Low;
  inhibition.fires(low.fingerprint(), AlertLabels(low));
  inhibition.fires(alert.fingerprint(), AlertLabels(alert));
  CHECK_FALSE(inhibition.inhibitors(AlertLabels(low)).empty());
  CHECK(inhibition.inhibiting_rule(AlertLabels(low)) == "#1");
  alert.severity = model::Severity::High;
  CHECK(inhibition.fires(alert.fingerprint(), AlertLabels(alert)) == std::set{low.fingerprint()});
  CHECK(inhibition.inhibitors(AlertLabels(low)).empty());
}

}  // namespace
}  // namespace tocsin::routing

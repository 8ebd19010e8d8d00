// Tests that run the daemon: incidents, who is told, acknowledgements, restarts.
#include <doctest/doctest.h>

#include "cli/ruletest/play_fixture.h"

namespace tocsin::ruletest {
namespace {

const std::string kRules = R"toml(
[[group]]
name = "test"
interval = "15s"
[[group.alert]]
name = "Full"
value = "used_percent"
medium = { above = 80, for = "1m" }
high = { above = 90, for = "30s" }
summary = '{{ $labels.disk }} is full'
runbook = "disk"
[[group.alert]]
name = "Down"
expr = "up == 0"
severity = "critical"
for = "30s"
no_data = "keep"
)toml";

const std::string kHead = R"toml(
rules = ["rules.toml"]
alertd = '''
[[receiver]]
name = "ops"
[[receiver.webhook]]
url = "http://hooks.test/ops"
[[receiver]]
name = "dba"
[[receiver.webhook]]
url = "http://hooks.test/dba"
[route]
receiver = "ops"
group_by = ["alertname", "disk"]
group_wait = "10s"
group_interval = "1m"
repeat_interval = "4h"
[[route.routes]]
matchers = ['severity="critical"']
receiver = "dba"
'''
)toml";

PlayFixture world() {
  PlayFixture play;
  play.put("/t/rules.toml", kRules);
  play.put("/t/runbooks/disk.md", "# Disk\n");
  return play;
}

}  // namespace

TEST_CASE("a test of the daemon: incidents and notifications") {
  PlayFixture play = world();
  play.run(kHead + R"toml(
[[test]]
name = "a disk fills and is emptied"
input = 'used_percent{disk="a"}: 85 for 5m, 95 for 5m, 10'
end = "20m"
alerts = [
  { at = "2m", firing = 'Full{disk="a"}', severity = "medium" },
  { at = "7m", firing = 'Full{disk="a"}', severity = "high" },
]
timelines = [
  { alert = 'Full{disk="a"}', states = ["1m firing medium", "5m30s firing high", "10m resolved"] },
]
incidents = [
  { at = "30s", none = "Full" },
  { at = "2m", alert = 'Full{disk="a"}', state = "open", severity = "medium" },
  { at = "7m", alert = 'Full{disk="a"}', state = "open", severity = "high" },
  { at = "20m", alert = 'Full{disk="a"}', state = "resolved", peak_severity = "high" },
]
notifications = [
  { at="1m", within="1m", receiver="ops", status="firing", severity="medium", alert='Full{...}' },
  { at = "5m30s", within = "2m", receiver = "ops", status = "update", severity = "high" },
  { at = "10m", within = "10m", receiver = "ops", status = "resolved" },
  { at = "0s", within = "20m", receiver = "dba", count = 0 },
]
queries = [ { at = "2m", expr = "used_percent", result = ['used_percent{disk="a"} 85'] } ]
)toml");
  CHECK(play.report() == "");
}

TEST_CASE("a test of the daemon: routes, acknowledgement, restart") {
  PlayFixture play = world();
  play.run(kHead + R"toml(
[[test]]
name = "acknowledged, and alertd restarts"
input = 'up{job="x"}: 0 for 30m, 1'
end = "45m"
events = [
  { at = "5m", ack = 'Down{job="x"}', by = "kim", comment = "on it", for = "2h" },
  { at = "10m", restart = "3m" },
]
incidents = [
  { at = "4m", alert = 'Down{job="x"}', state = "open", severity = "critical" },
  { at = "6m", alert = 'Down{job="x"}', state = "acknowledged" },
  { at = "20m", alert = 'Down{job="x"}', state = "acknowledged" },
  { at = "44m", alert = 'Down{job="x"}', state = "resolved" },
]
notifications = [
  { at = "30s", within = "1m", receiver = "dba", status = "firing", alert = 'Down{job="x"}' },
  { at = "5m", within = "2m", receiver = "dba", status = "acknowledged" },
  { at = "30m", within = "10m", receiver = "dba", status = "resolved" },
]
)toml");
  CHECK(play.report() == "");
}

TEST_CASE("a test of the daemon: what is not expected is a failure") {
  PlayFixture play = world();
  play.run(kHead + R"toml(
[[test]]
name = "too many"
input = 'up{job="x"}: 0'
events = [ { at = "10s", ack = 'Down', by = "kim" } ]
notifications = [ { at = "2m", within = "1m", receiver = "ops" } ]
incidents = [ { at = "3m", none = "Down" } ]
)toml");
  INFO(play.report());
  CHECK(play.reports("at 10s: no incident about Down is open"));
  CHECK(play.reports("0 such notifications, not 1"));
  CHECK(play.reports("more notifications than expected"));
  CHECK(play.reports("dba/webhook"));
  CHECK(play.reports("at 3m: the incidents are others\n  - no open incident about Down\n"));
}

TEST_CASE("a test of the daemon: mistakes of its configuration stand where they are") {
  PlayFixture play = world();
  play.run(R"toml(
rules = ["rules.toml"]
alertd = '''
[route]
reciever = "ops"
'''
[[test]]
name = "x"
input = 'up{job="x"}: 1'
incidents = [ { at = "3m", none = "Down" } ]
)toml");
  INFO(play.report());
  CHECK(play.reports("/t/a.test:5:1"));
  CHECK(play.reports("receiver"));
}

}  // namespace tocsin::ruletest

#!/usr/bin/env python3
"""alertd away and back, and an agent that dies: nothing false, nothing lost, and silence is said aloud.

The five-minute outage itself runs in simulated time (tests/sim); here the same with real programs and a
short one, kill -9 of the agent in the middle of it included.
"""

import signal
import time
import unittest

from harness import HookReceiver, World, route_to, wait_until

RULES = """
[[group]]
name = "agent"
interval = "1s"

[[group.alert]]
name = "AgentSilent"
expr = 'time() - max by (host, instance) (last_over_time(tocsin_agent_heartbeat_timestamp_seconds[1h])) > 4'
for = "20s"   # longer than the agent's back-off after this outage
severity = "critical"
summary = "{{ $labels.host }} has been silent for {{ humanizeDuration $value }}"

[[group.alert]]
name = "LoadNegative"
expr = 'node_load1 < 0'
severity = "high"
summary = "cannot be"
"""


class AgentOutageTest(unittest.TestCase):
    def setUp(self):
        self.world = self.enterContext(World())
        self.hook = HookReceiver()
        self.world.cleanups.append(self.hook.stop)
        self.world.alertd_config(RULES, route_to(self.hook.url, ["alertname", "instance"]))
        self.world.agent_config()
        self.world.start_alertd()
        self.world.start_agent()
        wait_until(lambda: self.world.query("node_load1"), 20, "the first sample")

    def told(self, alert):
        return [request["body"]["status"] for request in self.hook.distinct()
                if request["body"]["commonLabels"].get("alertname") == alert]

    def test_outage_is_spooled_and_caught_up_in_order(self):
        time.sleep(3)
        self.world.stop("alertd")
        time.sleep(6)
        # The agent dies too, in the middle: what it spooled must survive.
        self.world.stop("agent", signal.SIGKILL)
        self.world.start_agent()
        time.sleep(4)
        self.world.start_alertd()
        start = time.time()
        wait_until(lambda: self.world.query("time() - max(timestamp(node_load1)) < 3"), 30,
                   "the agent to catch up")
        print("caught up after %.1f s" % (time.time() - start))
        result = self.world.get_json("/api/v1/query?query=node_load1%5B60s%5D")["data"]["result"]
        self.assertEqual(len(result), 1)
        times = [at for at, _ in result[0]["values"]]
        self.assertEqual(times, sorted(times))
        gaps = [b - a for a, b in zip(times, times[1:])]
        # One round a second; the restart of the killed agent may cost one or two rounds, no more.
        self.assertLess(max(gaps), 4.0, gaps)
        self.assertGreater(len(times), 10)
        # Nobody was told anything because of it.
        time.sleep(3)
        self.assertEqual(self.told("AgentSilent"), [])
        self.assertEqual(self.told("LoadNegative"), [])

    def test_killed_agent_is_reported_by_name(self):
        self.world.stop("agent", signal.SIGKILL)
        wait_until(lambda: self.told("AgentSilent"), 60, "the page")
        body = self.hook.requests[0]["body"]
        self.assertEqual(body["alerts"][0]["labels"]["host"], "testhost")
        self.assertIn("testhost", body["alerts"][0]["annotations"]["summary"])
        self.world.start_agent()
        wait_until(lambda: self.told("AgentSilent")[-1:] == ["resolved"], 40, "the resolve")


if __name__ == "__main__":
    unittest.main()

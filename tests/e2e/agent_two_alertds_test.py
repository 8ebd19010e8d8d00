#!/usr/bin/env python3
"""One agent, two alertds: what hangs, is dead or was never there delays the other in nothing, and gets it all later.

Both are real and know nothing of each other. One is stopped (SIGSTOP: it takes connections and never answers),
the agent is killed (-9) meanwhile, then it goes on; then it is killed and started again.
"""

import signal
import subprocess
import time
import unittest

from harness import BIN, HookReceiver, World, route_to, wait_until

RULES = """
[[group]]
name = "agent"
interval = "1s"

[[group.alert]]
name = "AgentCannotReachAlertd"
expr = '''
time() - max by (host, alertd) (last_over_time(tocsin_agent_send_last_success_timestamp_seconds{alertd!=""}[1h])) > 6
'''
for = "5s"    # an agent that has just started has reached nobody yet
severity = "high"
summary = "{{ $labels.host }} does not reach {{ $labels.alertd }}"
"""
GAP = 3.0  # seconds between two samples at most; a round is made each second


class AgentTwoAlertdsTest(unittest.TestCase):
    def setUp(self):
        self.hook = HookReceiver()
        self.addCleanup(self.hook.stop)
        self.left, self.right = self.enterContext(World()), self.enterContext(World())
        for world in (self.left, self.right):
            world.alertd_config(RULES, route_to(self.hook.url, ["alertname", "alertd"]))
            world.start_alertd()
        self.urls = '["%s", "%s"]' % (self.left.url, self.right.url)
        config = self.left.agent_config(
            '[tasks]\ninbox = "%s/inbox"\nstate = "%s/tasks"\n[[task]]\nname = "nightly"\nexpect_every = "1h"\n'
            % (self.left.folder, self.left.folder))
        (self.left.folder / "inbox").mkdir()
        config.write_text(config.read_text().replace(
            'url = "%s"' % self.left.url, 'urls = %s\ntimeout = "2s"' % self.urls))
        self.config = config
        self.left.start_agent()
        for world in (self.left, self.right):
            wait_until(lambda: world.query("node_load1"), 30, "the first sample")

    @staticmethod
    def name(world):
        return "127.0.0.1:%d" % world.port

    @staticmethod
    def times(world, metric="node_load1", span="5m"):
        result = world.get_json("/api/v1/query?query=%s%%5B%s%%5D" % (metric, span))["data"]["result"]
        return [at for at, _ in result[0]["values"]] if result else []

    def gap(self, world):
        """The longest time without a sample that `world` has."""
        times = self.times(world)
        return max(b - a for a, b in zip(times, times[1:]))

    def told(self, world, status):
        return [one for one in self.hook.requests if one["body"]["status"] == status
                and one["body"]["groupLabels"] == {"alertname": "AgentCannotReachAlertd",
                                                   "alertd": self.name(world)}]

    def test_one_hangs_and_gets_it_later(self):
        hanging = self.right.processes["alertd"]
        hanging.send_signal(signal.SIGSTOP)
        try:
            begin = time.time()
            end = begin + 12
            while time.time() < end:
                newest = self.times(self.left, span="30s")[-1]
                self.assertLess(time.time() - newest, GAP, "the one that works waits for the other")
                time.sleep(0.3)
            waiting = 'tocsin_agent_spool_records{alertd="%s"}'
            self.assertGreater(max(self.left.query(waiting % self.name(self.right)).values()), 4)
            self.assertLess(max(self.left.query(waiting % self.name(self.left)).values()), 3)
            # The one that is reached tells of the other.
            wait_until(lambda: self.told(self.right, "firing"), 20, "the page about the one that hangs")
            self.assertEqual(self.told(self.left, "firing"), [])
            # What waits is on the disk, and so is a task that was done meanwhile.
            self.left.stop("agent", signal.SIGKILL)
            done = subprocess.run([str(BIN / "tocsin-agent"), "run-task", "nightly", "--config", str(self.config),
                                   "--", "true"], capture_output=True, text=True, timeout=30)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.left.start_agent()
            time.sleep(3)
        finally:
            hanging.send_signal(signal.SIGCONT)
        wait_until(lambda: self.right.query("time() - max(timestamp(node_load1)) < 3"), 40, "the other to catch up")
        for world in (self.left, self.right):
            # The kill of the agent costs a round or two.
            self.assertLess(self.gap(world), 4.0)
            times = self.times(world)
            self.assertEqual(times, sorted(times))
            wait_until(lambda: world.query('task_last_success_timestamp_seconds{task="nightly"}'), 20,
                       "the task's success")
        # Nothing was lost or sent twice: both have the same.
        wait_until(lambda: self.times(self.right)[0] <= begin, 5, "what came before")
        until = time.time() - 5
        left, right = ({round(at, 3) for at in self.times(world) if begin < at < until}
                       for world in (self.left, self.right))
        self.assertEqual(left, right)
        wait_until(lambda: self.told(self.right, "resolved"), 30, "the end of it")

    def test_one_is_dead_and_started_again(self):
        self.right.stop("alertd", signal.SIGKILL)
        time.sleep(6)
        self.assertLess(time.time() - self.times(self.left)[-1], GAP)
        begin = time.time() - 5
        self.right.start_alertd()
        wait_until(lambda: self.right.query("time() - max(timestamp(node_load1)) < 3"), 40, "the other to catch up")
        wait_until(lambda: self.times(self.right)[0] < begin, 10, "what waited for it")
        self.assertLess(self.gap(self.right), GAP)
        self.assertLess(self.gap(self.left), GAP)

    def test_from_one_address_to_two(self):
        """The queue of a single address goes on as that of the first."""
        self.left.stop("agent")
        two = self.config.read_text()
        self.config.write_text(two.replace("urls = " + self.urls, 'url = "%s"' % self.right.url))
        self.right.stop("alertd", signal.SIGKILL)
        self.left.start_agent()
        time.sleep(5)
        self.left.stop("agent")
        begin = time.time() - 3
        self.config.write_text(two.replace(self.urls, '["%s", "%s"]' % (self.right.url, self.left.url)))
        self.left.start_agent()
        self.right.start_alertd()
        wait_until(lambda: [at for at in self.times(self.right) if at < begin + 1], 30, "what waited")
        wait_until(lambda: self.right.query("time() - max(timestamp(node_load1)) < 3"), 30, "the other to catch up")
        self.assertLess(self.gap(self.right), 5.0)


if __name__ == "__main__":
    unittest.main()

"""A rule of an on-data group pages when the sample arrives, not on its slot; restarts keep what fires."""

import signal
import time
import unittest

import harness

RULES = """
[[group]]
name = "doors"
interval = "on-data"
min_interval = "0s"
fallback_interval = "4m"

[[group.record]]
name = "doors:open"
expr = 'sum by (host) (door_open)'

[[group.alert]]
name = "DoorOpen"
expr = 'doors:open > 0'
severity = "critical"
keep_firing_for = "10m"
runbook = "https://example.org/door"
summary = "{{ $labels.host }}: {{ $value }}"
"""


def door(value, host="gate"):
    labels = {"__name__": "door_open", "host": host, "instance": host, "door": "1"}
    return [(labels, [(int(time.time() * 1000), value)])]


class OnDataTest(unittest.TestCase):
    def test_page_in_the_moment_of_arrival_and_across_kill_9(self):
        with harness.World() as world:
            hook = harness.HookReceiver()
            world.cleanups.append(hook.stop)
            world.alertd_config(RULES, 'restart_window = "5s"\n' +
                                harness.route_to(hook.url, ["alertname", "host"]))
            world.start_alertd()
            self.assertEqual(world.send_samples(door(0))[0], 204)
            time.sleep(1)
            began = time.time()
            self.assertEqual(world.send_samples(door(1))[0], 204)
            harness.wait_until(lambda: hook.requests, 20, "the page")
            # The fallback is four minutes away: only the arrival can have done it. The bound is wide
            # because builds under sanitizers on busy machines run this, too.
            self.assertLess(hook.requests[0]["time"] - began, 15)
            alert = hook.requests[0]["body"]["alerts"][0]
            self.assertEqual(alert["labels"]["alertname"], "DoorOpen")
            self.assertEqual(alert["annotations"]["summary"], "gate: 1")

            # The door is shut, but keep_firing_for holds the alert; kill -9 does not end it.
            self.assertEqual(world.send_samples(door(0))[0], 204)
            time.sleep(1)
            world.stop("alertd", signal.SIGKILL)
            world.start_alertd()

            def firing():
                self.assertEqual(world.send_samples(door(0))[0], 204)
                time.sleep(0.5)
                groups = world.get_json("/api/v1/rules")["data"]["groups"]
                rules = [rule for group in groups for rule in group["rules"]]
                states = [rule["state"] for rule in rules if rule["name"] == "DoorOpen"]
                return states == ["firing"]

            # Restored alerts go on at the end of the restart window if their condition is over.
            harness.wait_until(firing, 120, "the alert after the restart")
            kinds = [request["body"]["status"] for request in hook.distinct()]
            self.assertEqual(kinds, ["firing"])

    def test_what_is_wrong_is_said(self):
        with harness.World() as world:
            world.alertd_config(RULES.replace('"4m"', '"5m"'))
            world.start_alertd_expecting_exit(2)
            self.assertIn("fallback_interval must be between 1s and 4m", world.log("alertd"))


if __name__ == "__main__":
    unittest.main()

"""Escalation over real time: two persons, kill -9 between the steps, an override, an acknowledgement, the end."""

import signal
import time
import unittest

import harness

RULES = """
[[group]]
name = "doors"
interval = "1s"

[[group.alert]]
name = "DoorOpen"
expr = 'door_open > 0'
severity = "critical"
runbook = "https://example.org/door"
summary = "the door is open"
"""


def config(first, second, chat):
    receivers = "".join('[[receiver]]\nname = "%s"\n[[receiver.webhook]]\nurl = "%s"\n' % pair
                        for pair in [("chat", chat), ("ada", first), ("ben", second)])
    return """restart_window = "3s"
%s
[route]
receiver = "chat"
group_by = ["alertname"]
group_wait = "0s"

[[person]]
name = "ada"
receiver = "ada"
[[person]]
name = "ben"
receiver = "ben"
[[schedule]]
name = "primary"
[[schedule.layer]]
persons = ["ada"]
start = "2026-01-05T00:00"
[[policy]]
name = "page"
[[policy.step]]
notify = "schedule:primary"
[[policy.step]]
after = "12s"
notify = "person:ben"
[policies]
critical = "page"
""" % receivers


def door(value):
    labels = {"__name__": "door_open", "host": "gate", "instance": "gate"}
    return [(labels, [(int(time.time() * 1000), value)])]


class EscalationTest(unittest.TestCase):
    def test_steps_acknowledgement_and_end(self):
        with harness.World() as world:
            hooks = {}
            for name in ("ada", "ben", "chat"):
                hooks[name] = harness.HookReceiver()
                world.cleanups.append(hooks[name].stop)
            world.alertd_config(RULES, config(hooks["ada"].url, hooks["ben"].url,
                                              hooks["chat"].url))
            world.start_alertd()
            self.assertIn("ada", world.tocsin("oncall", "now").stdout)

            def send(value):
                self.assertEqual(world.send_samples(door(value))[0], 204)
                return True

            harness.wait_until(lambda: send(1) and hooks["ada"].requests, 30, "the first step")
            first = hooks["ada"].requests[0]["time"]
            # The step is due 12 s after the first; the daemon dies and comes back meanwhile.
            world.stop("alertd", signal.SIGKILL)
            world.start_alertd()
            harness.wait_until(lambda: send(1) and hooks["ben"].requests, 60, "the second step")
            self.assertGreaterEqual(hooks["ben"].requests[0]["time"] - first, 11)
            self.assertEqual(len(hooks["ada"].distinct()), 1)

            incidents = world.get_json("/api/v1/incidents")["data"]["incidents"]
            self.assertEqual(len(incidents), 1)
            self.assertIn("step 2 of 2", incidents[0]["escalation"])
            name = incidents[0]["id"]
            world.tocsin("incident", "note", name, "-m", "looking", "--by", "ben")
            world.tocsin("ack", name, "--by", "ben")
            for person in ("ada", "ben"):
                harness.wait_until(lambda: len(hooks[person].distinct()) == 2, 20, "acknowledged")
            world.tocsin("oncall", "override", "primary", "ben", "--for", "1h", "--by", "ada")
            self.assertIn("ben", world.tocsin("oncall", "now").stdout)

            harness.wait_until(lambda: send(0) and len(hooks["ada"].distinct()) == 3, 30, "the end")
            harness.wait_until(lambda: len(hooks["ben"].distinct()) == 3, 20, "the end at ben's")
            for person in ("ada", "ben"):
                self.assertEqual(hooks[person].distinct()[-1]["body"]["status"], "resolved")
            self.assertEqual(hooks["chat"].requests, [])
            detail = world.get_json("/api/v1/incidents/" + name)["data"]
            kinds = [event["kind"] for event in detail["timeline"]]
            for kind in ("opened", "escalated", "comment", "acknowledged", "resolved"):
                self.assertIn(kind, kinds)
            self.assertEqual(detail["owner"], "ben")


if __name__ == "__main__":
    unittest.main()

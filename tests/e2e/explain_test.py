#!/usr/bin/env python3
"""Why was nobody called? Five stories against the real programs and SQLite; the CLI's first line is the cause."""

import datetime
import json
import time
import unittest

from harness import HookReceiver, World, wait_until

RULES = """
[[group]]
name = "explain"

[[group.alert]]
name = "Hot"
expr = 'probe_value > 5'
severity = "high"
for = "1h"
no_data = "ok"

[[group.alert]]
name = "Missing"
expr = 'nobody_sends_this > 5'
severity = "high"
no_data = "ok"
"""

CONFIG = """
[[receiver]]
name = "ops"
[[receiver.webhook]]
name = "hook"
url = "%s"
[[receiver]]
name = "broken"
[[receiver.webhook]]
name = "hook"
url = "%s"

[route]
receiver = "ops"
group_by = ["alertname"]
group_wait = "0s"
group_interval = "1s"
[[route.routes]]
name = "broken"
matchers = ['team="broken"']
receiver = "broken"
"""


def rfc3339(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime(
        "%Y-%m-%dT%H:%M:%S.%fZ")


class ExplainTest(unittest.TestCase):
    def setUp(self):
        self.world = self.enterContext(World())
        self.hook = HookReceiver()
        self.broken = HookReceiver(401)
        self.world.cleanups += [self.hook.stop, self.broken.stop]
        self.world.alertd_config(RULES, CONFIG % (self.hook.url, self.broken.url))
        self.world.start_alertd()

    def post(self, path, body):
        status, answer = self.world.request("POST", path, json.dumps(body),
                                            {"Content-Type": "application/json"})
        self.assertEqual(status, 200, answer)
        return json.loads(answer or b"null")

    def fire(self, **labels):
        self.post("/api/v2/alerts", [{"labels": labels, "endsAt": rfc3339(time.time() + 3600)}])

    def first_line(self, *arguments):
        return self.world.tocsin("explain", *arguments).stdout.split("\n", 1)[0]

    def wait_for(self, beginning, *arguments):
        line = ""

        def said():
            nonlocal line
            line = self.first_line(*arguments)
            return line.startswith(beginning)
        try:
            wait_until(said, 20, "the cause")
        except AssertionError:
            self.fail("it says: " + line)
        return line

    def test_stories(self):
        # 1: a silence, then told, and the past stays what it was; also after a restart.
        silence = self.post("/api/v2/silences", {
            "matchers": [{"name": "alertname", "value": "DiskFull", "isRegex": False, "isEqual": True}],
            "startsAt": rfc3339(time.time()), "endsAt": rfc3339(time.time() + 3600),
            "createdBy": "ann", "comment": "disks are replaced"})["silenceID"]
        self.fire(alertname="DiskFull", host="db1", severity="high")
        asked = ("--labels", 'alertname="DiskFull",host="db1"')
        line = self.wait_for("Nobody was called because it is silenced: ", *asked)
        self.assertIn("of ann (disks are replaced) until ", line)
        then = rfc3339(time.time())
        time.sleep(0.01)
        self.assertEqual(self.world.request("DELETE", "/api/v2/silence/" + silence)[0], 200)
        line = self.wait_for("Called: ops by hook at ", *asked)
        self.assertIn("delivered (", line)
        self.assertEqual(len(self.hook.requests), 1)
        self.world.stop("alertd")
        self.world.start_alertd()
        line = self.first_line(*asked, "--at", then)
        self.assertTrue(line.startswith("Nobody was called because it is silenced: "), line)

        # 2: the receiver refuses for good.
        self.fire(alertname="TokenGone", team="broken", severity="high")
        line = self.wait_for("Nobody was called because no delivery succeeded: broken by hook was given up",
                             "--labels", 'alertname="TokenGone"')
        self.assertIn("401", line)

        # 3: pending; 4: no data; 5: no such rule.
        self.world.send_samples([({"__name__": "probe_value", "item": "a"},
                                  [(int(time.time() * 1000), 9.0)])])
        line = self.wait_for("Nobody was called yet because the alert is pending: ",
                             "--labels", 'alertname="Hot",item="a"')
        self.assertIn("`for` is 1h: ", line)
        line = self.wait_for("Nobody was called because rule 'Missing' (",
                             "--labels", 'alertname="Missing"')
        self.assertIn("finds no data: there is no series nobody_sends_this", line)
        line = self.first_line("--labels", 'alertname="Mising"')
        self.assertIn("there is no rule 'Mising'; did you mean 'Missing'?", line)

        # The evidence below the first line, and what is wrong to ask.
        whole = self.world.tocsin("explain", "--labels", 'alertname="TokenGone"').stdout
        self.assertIn("team=\"broken\": matches", whole)
        self.assertIn("Incident T-", whole)
        self.assertIn("Decisions", whole)
        missing = self.world.tocsin("explain", "--incident", "T-999999", check=False)
        self.assertEqual(missing.returncode, 1)
        self.assertIn("T-999999", missing.stderr)
        wrong = self.world.tocsin("explain", "--labels", 'alertname=~"x"', check=False)
        self.assertEqual(wrong.returncode, 1)
        self.assertIn("names no one alert", wrong.stderr)


if __name__ == "__main__":
    unittest.main()

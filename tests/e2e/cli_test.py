#!/usr/bin/env python3
"""What a person types, against the real daemon: alerts, incidents, ack, resolve, send-test, status, query."""

import json
import subprocess
import time
import unittest

from harness import HookReceiver, World, probe_rules, route_to, wait_until

RULES = probe_rules('{{ $labels.item }} is {{ $value }}')


class CliTest(unittest.TestCase):
    def setUp(self):
        self.world = self.enterContext(World())
        self.hook = HookReceiver()
        self.world.cleanups.append(self.hook.stop)
        self.world.alertd_config(RULES, route_to(self.hook.url, ["alertname", "item"]))
        self.world.start_alertd()

    def send(self, value):
        self.world.send_samples([({"__name__": "probe_value", "item": "a\x1b[31m"},
                                  [(int(time.time() * 1000), value)])])

    def json(self, *arguments):
        return json.loads(self.world.tocsin(*arguments, "-o", "json").stdout)

    def test_an_incident_from_page_to_resolve(self):
        def fired():
            self.send(9.0)
            return self.hook.requests
        wait_until(fired, 20, "the page")
        incident = self.json("incidents")["incidents"][0]["id"]
        listing = self.world.tocsin("incidents").stdout
        self.assertIn(incident, listing)
        self.assertIn("critical", listing.lower())
        self.assertNotIn("\x1b", listing)  # neither our colours nor the label's
        alerts = self.world.tocsin("alerts").stdout
        self.assertIn("ProbeHigh", alerts)
        self.assertNotIn("\x1b", alerts)

        acked = self.world.tocsin("ack", incident, "-m", "looking", "--by", "ana")
        self.assertIn(incident, acked.stdout)
        detail = self.json("incidents", incident)
        self.assertEqual(detail["state"], "acknowledged")
        self.assertTrue(any(event["actor"] == "ana" for event in detail["timeline"]))
        self.assertTrue(any(d["state"] == "delivered" for d in detail["deliveries"]))

        self.world.tocsin("resolve", incident, "-m", "restarted it", "--by", "ana")
        self.assertEqual(self.json("incidents", incident)["state"], "resolved")
        again = self.world.tocsin("resolve", incident, check=False)
        self.assertNotEqual(again.returncode, 0)
        self.assertIn("resolved", again.stderr)
        missing = self.world.tocsin("ack", "T-999999", check=False)
        self.assertNotEqual(missing.returncode, 0)
        self.assertIn("T-999999", missing.stderr)

    def test_query_status_and_test_message(self):
        self.send(1.0)
        out = self.world.tocsin("query", "probe_value + 1").stdout
        self.assertIn("2", out)
        bad = self.world.tocsin("query", "sum(probe_value", check=False)
        self.assertNotEqual(bad.returncode, 0)
        self.assertIn("unexpected end", bad.stderr)
        self.assertEqual(self.world.tocsin("status").returncode, 0)
        self.world.tocsin("send-test", "ops/hook")
        wait_until(lambda: self.hook.requests, 10, "the test message")
        unknown = self.world.tocsin("send-test", "nobody", check=False)
        self.assertNotEqual(unknown.returncode, 0)
        self.world.stop("alertd")
        down = self.world.tocsin("status", check=False)
        self.assertEqual(down.returncode, 2)
        self.assertIn(str(self.world.port), down.stderr)

    def test_completion_is_valid_bash(self):
        script = self.world.tocsin("completion", "bash").stdout
        path = self.world.write("completion.bash", script)
        self.assertEqual(subprocess.run(["bash", "-n", path]).returncode, 0)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""One sender with a valid token floods; twenty honest ones must not notice, and an alert names it.

TOCSIN_HOSTILE_SECONDS (default 25) is how long the flood lasts at least.
"""

import contextlib
import http.client
import json
import os
import subprocess
import sys
import threading
import time
import unittest

from harness import SOURCE, WRITE_HEADERS, HookReceiver, World, route_to, wait_until, write_request

HONEST = 20
SERIES = 100
SECONDS = float(os.environ.get("TOCSIN_HOSTILE_SECONDS", "25"))


class Honest(threading.Thread):
    """An agent with SERIES series that sends twice a second and waits when it is told to."""

    def __init__(self, port, name, token):
        super().__init__(daemon=True)
        self.port, self.agent = port, name
        self.headers = dict(WRITE_HEADERS, Authorization="Bearer " + token)
        self.stopping = threading.Event()
        self.latencies, self.bad = [], []

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        while not self.stopping.wait(0.5):
            now_ms = int(time.time() * 1000)
            body = write_request([({"__name__": "honest", "n": str(n)}, [(now_ms, n)])
                                  for n in range(SERIES)])
            begin = time.monotonic()
            try:
                connection.request("POST", "/api/v1/write", body, self.headers)
                response = connection.getresponse()
                text = response.read()
                if response.status != 204:
                    self.bad.append("%d %r" % (response.status, text[:200]))
            except OSError as failure:
                self.bad.append(repr(failure))
                connection.close()
            self.latencies.append(time.monotonic() - begin)
        connection.close()

    def stop(self):
        self.stopping.set()
        self.join(35)


class HostileSenderTest(unittest.TestCase):
    def setUp(self):
        self.world = self.enterContext(World())
        self.hook = HookReceiver()
        self.world.cleanups.append(self.hook.stop)

    def start(self, extra):
        rules = (SOURCE / "rules/ingest.toml").read_text().replace('interval = "15s"',
                                                                   'interval = "2s"')
        for runbook in ("ingest-limited.md", "ingest-series.md"):
            self.world.write("rules/runbooks/" + runbook,
                             (SOURCE / "rules/runbooks" / runbook).read_text())
        self.world.alertd_config(rules, extra + route_to(self.hook.url, ["alertname", "sender"]))
        self.world.start_alertd()

    def enrol(self, name):
        status, body = self.world.request("POST", "/api/v1/agents", json.dumps({"name": name}),
                                          {"Content-Type": "application/json"})
        self.assertEqual(status, 201, body)
        return json.loads(body)["data"]["token"]

    def agent(self, name):
        agents = self.world.get_json("/api/v1/agents")["data"]["agents"]
        return next(agent for agent in agents if agent["name"] == name)

    def alerts_about(self, alert, sender):
        return [alert_sent["labels"] for request in self.hook.requests
                for alert_sent in request["body"].get("alerts", [])
                if alert_sent["labels"].get("alertname") == alert
                and alert_sent["labels"].get("sender") == sender]

    def test_one_floods_and_twenty_do_not_notice(self):
        self.start("")
        honest = [Honest(self.world.port, name, self.enrol(name))
                  for name in ("honest-%02d" % n for n in range(HONEST))]
        token = self.enrol("hostile")
        for sender in honest:
            sender.start()
        time.sleep(2)
        hostile = subprocess.Popen(
            [sys.executable, str(SOURCE / "tests/e2e/hostile_sender.py"), str(self.world.port), token,
             str(SECONDS + 60)], stdout=subprocess.PIPE, text=True)
        self.world.cleanups.append(hostile.kill)
        begin = time.monotonic()
        before = [len(sender.latencies) for sender in honest]
        wait_until(lambda: self.alerts_about("SenderLimited", "hostile"), SECONDS + 60,
                   "an alert that names the hostile one")
        time.sleep(max(0, begin + SECONDS - time.monotonic()))
        for sender in honest:
            sender.stop()
        hostile.kill()
        hostile.wait()

        latencies = sorted(latency for sender, skip in zip(honest, before)
                           for latency in sender.latencies[skip:])
        p99 = latencies[int(0.99 * (len(latencies) - 1))]
        limited = self.agent("hostile")["requestsLimited"]
        print("honest: %d writes, p50 %.3f s, p99 %.3f s, worst %.3f s; hostile: %s" %
              (len(latencies), latencies[len(latencies) // 2], p99, latencies[-1], limited))
        self.assertGreater(len(latencies), HONEST * SECONDS / 2)
        self.assertLess(p99, 1)
        self.assertEqual([bad for sender in honest for bad in sender.bad], [])
        self.assertGreater(sum(limited.values()), 100)
        for sender in honest:
            self.assertEqual(self.agent(sender.agent)["requestsLimited"], {})
            self.assertEqual(self.agent(sender.agent)["series"], SERIES)
        # Nobody else is named.
        self.assertEqual({alert["sender"] for request in self.hook.requests
                          for alert in (one["labels"] for one in request["body"].get("alerts", []))
                          if "sender" in alert}, {"hostile"})
        self.assertIn("hostile", self.world.tocsin("top", "series", "--by", "agent").stdout)

    def test_beyond_the_series_limit_existing_series_go_on(self):
        self.start("""
[[ingest.agent]]
name = "small"
series = 10
""")
        token = self.enrol("small")

        def send(names):
            now_ms = int(time.time() * 1000)
            connection = http.client.HTTPConnection("127.0.0.1", self.world.port, timeout=10)
            body = write_request([({"__name__": name}, [(now_ms, 1)]) for name in names])
            connection.request("POST", "/api/v1/write", body,
                               dict(WRITE_HEADERS, Authorization="Bearer " + token))
            with contextlib.closing(connection), connection.getresponse() as response:
                return response.status, response.headers, response.read().decode()

        old = ["old_%d" % n for n in range(10)]
        self.assertEqual(send(old)[0], 204)
        status, headers, text = send(old + ["new_%d" % n for n in range(3)])
        self.assertEqual(status, 400)
        self.assertIn("sender 'small' has 10 series and may have 10; refused 3 new series", text)
        self.assertEqual(headers["X-Prometheus-Remote-Write-Samples-Written"], "10")
        self.assertEqual(send(old)[0], 204)
        self.assertEqual(len(self.world.query('{__name__=~"old_.*"}')), 10)
        self.assertEqual(self.world.query('{__name__=~"new_.*"}'), {})
        agent = self.agent("small")
        self.assertEqual((agent["series"], agent["seriesLimit"], agent["seriesRefused"]), (10, 10, 3))
        # A restart forgets who had what; what exists goes on all the same.
        self.world.stop("alertd")
        self.world.start_alertd()
        self.assertEqual(send(old)[0], 204)
        self.assertEqual(send(["another"])[0], 400)

        status = self.world.get_json("/api/v1/status/tsdb?limit=2")["data"]
        self.assertGreaterEqual(status["headStats"]["numSeries"], 10)
        self.assertEqual(len(status["seriesCountByMetricName"]), 2)
        self.assertIn({"name": "small", "value": 10}, status["seriesCountByAgent"])
        hosts = self.world.get_json("/api/v1/status/tsdb")["data"]["seriesCountByHost"]
        self.assertIn("small", [host["name"] for host in hosts])
        self.assertIn("small", self.world.tocsin("top", "series").stdout)

        def refuse():
            send(["more"])
            return self.alerts_about("SenderSeriesLimit", "small")

        wait_until(refuse, 60, "an alert about the series limit")


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""The alert daemon itself dies, or lives and cannot page: somebody outside stops hearing from it, and the agents call
people past it; nothing that happened meanwhile is lost.
"""

import http.server
import signal
import threading
import time
import unittest

from harness import HookReceiver, World, wait_until
from postgres_server import PostgresServer


class Outside:
    """A dead-man's-switch service: remembers when it heard something."""

    def __init__(self):
        outside = self
        self.heard = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outside.heard.append((time.time(), self.path, self.headers.get("Authorization")))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = "http://127.0.0.1:%d/key" % self.server.server_address[1]

    def since(self, moment):
        return [one for one in self.heard if one[0] > moment]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class DaemonDeathTest(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.__exit__)
        self.outside = Outside()
        self.addCleanup(self.outside.stop)
        self.world.write("token", "s3cret-beat").chmod(0o600)
        self.heartbeat = ('[[heartbeat]]\nname = "service"\nurl = "%s"\nmethod = "GET"\ninterval = "5s"\n'
                          'token_file = "%s/token"\n' % (self.outside.url, self.world.folder))

    def test_the_agent_calls_past_a_dead_daemon(self):
        phone = HookReceiver()
        self.addCleanup(phone.stop)
        self.world.alertd_config(extra=self.heartbeat)
        self.world.agent_config('[host]\nenabled = ["time"]\n[emergency]\nurl = "%s"\nafter = "4s"\n' % phone.url)
        self.world.start_alertd()
        self.world.start_agent()
        wait_until(lambda: self.world.query("node_time_seconds"), 20, "the first samples")
        wait_until(lambda: self.outside.heard, 20, "a sign of life")
        self.assertEqual(self.outside.heard[0][1:], ("/key", "Bearer s3cret-beat"))
        self.assertEqual(phone.requests, [])

        self.world.stop("alertd", signal.SIGKILL)
        died = time.time()
        wait_until(lambda: phone.requests, 30, "the agent's call")
        self.assertLess(phone.requests[0]["time"] - died, 20)
        call = phone.requests[0]["body"]
        self.assertEqual(call["status"], "firing")
        self.assertEqual(call["commonLabels"],
                         {"alertname": "AlertdUnreachable", "host": "testhost", "severity": "critical"})
        self.assertIn("connect", call["commonAnnotations"]["description"])
        time.sleep(6)
        self.assertEqual(self.outside.since(died + 1), [])
        self.assertEqual(len(phone.requests), 1, "one call for one outage")

        self.world.start_alertd()
        wait_until(lambda: len(phone.requests) == 2, 60, "the end to be told")
        self.assertEqual(phone.requests[1]["body"]["status"], "resolved")
        self.assertEqual(phone.requests[1]["body"]["groupKey"], call["groupKey"])
        wait_until(lambda: self.outside.since(died + 1), 20, "a sign of life again")

        def no_hole():
            (series,) = self.world.get_json("/api/v1/query?query=node_time_seconds%5B5m%5D")["data"]["result"]
            times = [sample[0] for sample in series["values"]]
            return times[0] < died and max(after - before for before, after in zip(times, times[1:])) <= 1.5

        wait_until(no_hole, 30, "the samples of the outage, at their own times")

    def test_a_daemon_that_cannot_keep_incidents_gives_no_sign_of_life(self):
        database = PostgresServer()
        self.addCleanup(database.stop)
        self.world.alertd_config(extra=database.config() + self.heartbeat)
        self.world.start_alertd()
        wait_until(lambda: self.outside.heard, 30, "a sign of life")
        database.signal_all(signal.SIGSTOP)
        self.addCleanup(database.signal_all, signal.SIGCONT)
        wait_until(lambda: "no sign of life is sent" in self.world.log("alertd"), 40, "the reason in the log")
        stopped = time.time()
        time.sleep(6)
        self.assertEqual(self.outside.since(stopped), [])
        withheld = wait_until(lambda: self.world.query(
            'tocsin_alertd_heartbeats_total{heartbeat="service",outcome="withheld"}'), 30, "the count")
        self.assertGreaterEqual(list(withheld.values())[0], 1)
        database.signal_all(signal.SIGCONT)
        wait_until(lambda: self.outside.since(stopped), 60, "signs of life again")


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""`[promql]` of alertd.toml: what is experimental is refused until switched on, for rules, the API and `tocsin check`
alike; limits hold; a query whose client hangs up ends."""

import socket
import time
import unittest
import urllib.parse

from harness import World, wait_until

RULES = """
[[group]]
name = "experimental"
interval = "1s"
[[group.record]]
name = "spread"
expr = "max(mad_over_time(vector(1)[2s:1s]))"
"""

ON = """
[promql]
experimental_functions = true
duration_expressions = true
samples_max = 1000000
points_max = 20000
query_timeout = "60s"
"""


class PromqlSettings(unittest.TestCase):
    def query_error(self, world, query):
        status, body = world.get("/api/v1/query?query=" + urllib.parse.quote(query))
        return status, body.decode()

    def test_off_by_default(self):
        with World() as world:
            config = world.alertd_config(RULES)
            checked = world.tocsin("check", config, check=False)
            self.assertNotEqual(checked.returncode, 0)
            self.assertIn("test.toml:7:", checked.stdout + checked.stderr)
            self.assertIn("'mad_over_time' is experimental", checked.stdout + checked.stderr)
            world.alertd_config("")
            world.start_alertd()
            status, body = self.query_error(world, "limitk(1, up)")
            self.assertEqual(status, 400)
            self.assertIn("'limitk' is experimental", body)
            self.assertEqual(self.query_error(world, "up[5m + 1m]")[0], 400)

    def test_switched_on(self):
        with World() as world:
            config = world.alertd_config(RULES, ON)
            checked = world.tocsin("check", config)
            self.assertNotIn("experimental", checked.stdout)
            world.start_alertd()
            wait_until(lambda: world.query("spread") == {(("__name__", "spread"),): 0.0}, 15,
                       "the rule with an experimental function")
            status, body = self.query_error(world, "count_over_time(vector(1)[2m - 1m:10s])")
            self.assertEqual(status, 200, body)
            status, body = self.query_error(world, "sum_over_time(vector(1)[30d:1s])")
            self.assertEqual(status, 422)
            self.assertIn("limit 1000000 samples", body)
            status, body = self.query_error(world, "histogram_count(up)")
            self.assertEqual(status, 422)
            self.assertIn("not supported yet (1:1)", body)

            # 15,000 windows of 86,400 samples would take long; nobody waits for the answer.
            now = int(time.time())
            path = "/api/v1/query_range?" + urllib.parse.urlencode({
                "query": "stddev_over_time(vector(1)[1d:1s])", "start": now - 15000, "end": now,
                "step": 1})

            def cancelled():
                metrics = world.get("/metrics")[1].decode()
                return 'tocsin_alertd_queries_total{outcome="cancelled"} 1' in metrics

            with socket.create_connection(("127.0.0.1", world.port)) as client:
                client.sendall(("GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" %
                                (path, world.port)).encode())
                time.sleep(0.7)
                self.assertFalse(cancelled(), "the client still waits")

            began = time.monotonic()
            wait_until(cancelled, 20, "the query without a client to end")
            print("given up after %.1f s" % (time.monotonic() - began))
            self.assertEqual(world.query("vector(1)"), {(): 1.0})


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""Debian's prometheus as a client: it remote-writes to alertd, and both answer the same numbers."""

import json
import shutil
import time
import unittest
import urllib.parse
import urllib.request

from harness import World, free_port, wait_until

QUERIES = [
    "up",
    "prometheus_build_info",
    "go_goroutines",
    "{__name__=~'go_.*'}",
    "sum by (__name__) ({__name__=~'prometheus_.*_total'})",
    "increase(prometheus_http_requests_total[20s])",
    "histogram_quantile(0.9, rate(prometheus_http_request_duration_seconds_bucket[20s]))",
    "prometheus_tsdb_head_series",
    "process_resident_memory_bytes / 1024",
    "sum(go_gc_duration_seconds_count)",
    "count by (job) ({__name__=~'go_.*'})",
    "topk(3, go_memstats_alloc_bytes)",
    "max(prometheus_http_request_duration_seconds_bucket) by (handler)",
    "avg_over_time(go_goroutines[20s])",
    "max_over_time(go_memstats_alloc_bytes[20s])",
    "count_over_time(up[15s])",
    "absent(no_such_metric)",
    "label_replace(up, 'port', '$1', 'instance', '.*:(.*)')",
    "go_goroutines > bool 5",
    "up and on(instance) go_goroutines",
    "clamp_max(go_goroutines, 10)",
    "time() - process_start_time_seconds",
]


class PrometheusClientTest(unittest.TestCase):
    def test_same_numbers(self):
        if not shutil.which("prometheus"):
            self.skipTest("Debian's prometheus is not installed")
        world = self.enterContext(World())
        world.alertd_config()
        world.start_alertd()
        port = free_port()
        world.write("prometheus.yml", """
global:
  scrape_interval: 1s
scrape_configs:
  - job_name: self
    static_configs:
      - targets: ["127.0.0.1:%d"]
remote_write:
  - url: http://127.0.0.1:%d/api/v1/write
    queue_config:
      batch_send_deadline: 200ms
""" % (port, world.port))
        process = world.start("prometheus", "prometheus", "--config.file=prometheus.yml",
                              "--storage.tsdb.path=prometheus-data",
                              "--web.listen-address=127.0.0.1:%d" % port)

        def ask(expr, at):
            url = "http://127.0.0.1:%d/api/v1/query?query=%s&time=%f" % (
                port, urllib.parse.quote(expr), at)
            with urllib.request.urlopen(url, timeout=10) as response:
                result = json.load(response)["data"]["result"]
            return {tuple(sorted(one["metric"].items())): float(one["value"][1]) for one in result}

        wait_until(lambda: len(world.query("{__name__=~'go_.*'}")) > 20, 40, "samples by remote write")
        time.sleep(25)
        # A moment a few seconds back: both have every sample up to it.
        at = int(time.time()) - 4 + 0.5
        compared = 0
        for expr in QUERIES:
            with self.subTest(expr=expr):
                theirs, ours = ask(expr, at), world.query(expr, at)
                self.assertEqual(set(ours), set(theirs))
                for labels, value in theirs.items():
                    self.assertAlmostEqual(ours[labels], value, delta=abs(value) * 1e-9 + 1e-9)
                    compared += 1
        print("%d queries, %d series compared" % (len(QUERIES), compared))
        self.assertGreater(compared, 50)
        self.assertIsNone(process.poll())


if __name__ == "__main__":
    unittest.main()

"""Everything that comes in goes on to prometheus and victoria-metrics, through outages and kill -9 of all of them."""

import os
import signal
import threading
import time
import unittest

from engines import Prometheus, VictoriaMetrics
from harness import WRITE_HEADERS, World, free_port, wait_until, write_request

PART_SECONDS = float(os.environ.get("TOCSIN_FORWARD_SECONDS", "3"))
HOSTS = ("a", "b", "c")

RULES = """
[[group]]
name = "g"
interval = "1s"
[[group.record]]
name = "value:sum"
expr = 'sum(e2e_value)'
[[group.alert]]
name = "ValueThere"
expr = 'e2e_value > 0'
severity = "low"
no_data = "ok"
runbook = "https://example.org"
"""


class Writer(threading.Thread):
    """Sends one sample a host and round; knows which were acknowledged and which may have arrived."""

    def __init__(self, world):
        super().__init__(daemon=True)
        self.world = world
        self.sent, self.acknowledged = {}, {}
        self.ending = threading.Event()

    def run(self):
        number = 0
        while not self.ending.wait(0.05):
            number += 1
            samples = {(host, int(time.time() * 1000)): number + index / 10
                       for index, host in enumerate(HOSTS)}
            self.sent.update(samples)
            body = write_request([({"__name__": "e2e_value", "host": host}, [(timestamp, value)])
                                  for (host, timestamp), value in samples.items()])
            status, _ = self.world.request("POST", "/api/v1/write", body, WRITE_HEADERS)
            if 200 <= status < 300:
                self.acknowledged.update(samples)

    def end(self):
        self.ending.set()
        self.join(20)


class Forwarding(unittest.TestCase):
    def test_outages_and_kill_9_lose_nothing_and_invent_nothing(self):
        with World() as world:
            receivers = [Prometheus(world, "prometheus").start(), VictoriaMetrics(world, "vm").start()]
            config = "".join("""
[[forward]]
name = "%s"
url = "%s%s"
external_labels = { site = "a" }
timeout = "5s"
""" % (one.name, one.url, one.write_path) for one in receivers)
            config += """
[[forward]]
name = "dead"
url = "http://127.0.0.1:%d/api/v1/write"
""" % free_port()
            world.alertd_config(RULES, config)
            world.start_alertd()
            writer = Writer(world)
            writer.start()
            time.sleep(PART_SECONDS)
            for one in receivers:
                one.stop()
            time.sleep(PART_SECONDS)
            world.stop("alertd", signal.SIGKILL)
            world.start_alertd()
            time.sleep(PART_SECONDS)
            world.stop("alertd", signal.SIGKILL)
            for one in receivers:
                one.start()
            world.start_alertd()
            time.sleep(1)
            writer.end()
            self.assertGreater(len(writer.acknowledged), 30)

            for one in receivers:
                end = time.time() + 5

                def missing():
                    got = one.samples("e2e_value", end)
                    return [key for key, value in writer.acknowledged.items() if got.get(key) != value]

                wait_until(lambda: not missing(), 60, "all of %d samples at %s"
                           % (len(writer.acknowledged), one.name))
                got = one.samples("e2e_value", end)
                invented = [key for key, value in got.items() if writer.sent.get(key) != value]
                self.assertEqual(invented, [])
                print("%s: %d acknowledged, %d sent, %d there" % (
                    one.name, len(writer.acknowledged), len(writer.sent), len(got)))
                # What alertd makes itself goes too, and labels of the site are on all of it.
                for own in ('ALERTS{alertname="ValueThere",site="a"}', 'value:sum{site="a"}',
                            'tocsin_alertd_forward_samples_sent_total{site="a"}'):
                    wait_until(lambda: one.query("last_over_time(%s[10m])" % own), 20, own)
            dropped = world.query('sum by (receiver) (tocsin_alertd_forward_samples_dropped_total{reason!="refused"})')
            self.assertEqual(sum(dropped.values()), 0)
            # Who is dead is behind, and nobody else is.
            behind = {dict(labels)["receiver"]: value
                      for labels, value in world.query("tocsin_alertd_forward_spool_records").items()}
            self.assertGreater(behind["dead"], 0)


if __name__ == "__main__":
    unittest.main()

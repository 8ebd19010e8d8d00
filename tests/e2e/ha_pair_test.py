#!/usr/bin/env python3
"""Two alertds on one PostgreSQL: one works, the other takes over within 15 s; nothing lost or doubled.

Both get every sample, as agents send to both. The active one is killed (-9), then stopped past its
lease and let go on (SIGSTOP, SIGCONT), then its PostgreSQL is killed (-9); alerts fire and resolve all
the while. A receiver that honours the idempotency key acts once for each change.
"""

import signal
import threading
import time
import unittest

from harness import HookReceiver, World, probe_rules, route_to, wait_until
from postgres_server import PostgresServer

TAKE_OVER = 15  # seconds: what is promised

RULES = probe_rules('{{ $labels.item }} is {{ $value }}')


class Writer(threading.Thread):
    """Sends the probes to both, as agents do."""

    def __init__(self, worlds):
        super().__init__(daemon=True)
        self.worlds = worlds
        self.probes = {}  # item -> value
        self.stopping = threading.Event()

    def run(self):
        while not self.stopping.is_set():
            now_ms = int(time.time() * 1000)
            series = [({"__name__": "probe_value", "item": item}, [(now_ms, value)])
                      for item, value in list(self.probes.items())]
            for world in self.worlds:
                if series and not world.paused:
                    world.send_samples(series)
            self.stopping.wait(0.2)


class HaPairTest(unittest.TestCase):
    def setUp(self):
        self.server = PostgresServer()
        self.addCleanup(self.server.stop)
        self.hook = HookReceiver()
        self.addCleanup(self.hook.stop)
        self.worlds = [self.enterContext(World()), self.enterContext(World())]
        for world in self.worlds:
            world.paused = False
            world.alertd_config(RULES, 'resend_delay = "2s"\n[tasks]\ninterval = "1s"\n'
                                + route_to(self.hook.url, ["alertname", "item"])
                                + self.server.config('lease = "8s"\nstatement_timeout = "2s"'))
            world.start_alertd()
        self.writer = Writer(self.worlds)
        self.writer.start()

    def tearDown(self):
        self.writer.stopping.set()
        self.writer.join(20)

    def active(self):
        """Index of the one that has the lease, by its own word."""
        held = [number for number, world in enumerate(self.worlds) if not world.paused
                and b"\ntocsin_alertd_lease_held 1" in world.get("/metrics")[1]]
        return held[0] if len(held) == 1 else None

    def told(self, item):
        return [one["body"]["status"] for one in self.hook.distinct()
                if one["body"]["groupLabels"].get("item") == item]

    def wait_told(self, item, wanted, seconds):
        try:
            begin = time.monotonic()
            wait_until(lambda: self.told(item) == wanted, seconds, "%s of %s" % (wanted, item))
            return time.monotonic() - begin
        except AssertionError as failure:
            raise AssertionError("%s; got %s" % (failure, self.told(item))) from None

    def beat(self, worlds, task):
        for world in worlds:
            status, body = world.request("POST", "/api/v1/tasks/%s/success?expect_every=6s" % task)
            self.assertEqual(status, 200, body)

    def tasks(self, world):
        """{task: overdue} as this daemon sees it."""
        return {one["task"]: one["overdue"] for one in world.get_json("/api/v1/tasks")["data"]["tasks"]}

    def test_heartbeats_go_to_both(self):
        """Each daemon has a clock of its own: who tells both is overdue at none, whoever dies."""
        first = wait_until(lambda: self.active() is not None and [self.active()], 10, "a lease")[0]
        second = 1 - first
        self.beat(self.worlds, "told_both")
        self.beat([self.worlds[first]], "told_one")
        self.assertEqual(self.tasks(self.worlds[second]), {"told_both": False})
        # The active one dies; who says it to both goes on with the one that answers.
        self.worlds[first].stop("alertd", signal.SIGKILL)
        end = time.monotonic() + 8
        while time.monotonic() < end:
            self.beat([self.worlds[second]], "told_both")
            time.sleep(1)
        self.assertEqual(self.tasks(self.worlds[second]), {"told_both": False})
        # Back again, it missed some; the first that comes sets it right. What nobody repeats is overdue.
        self.worlds[first].start_alertd()
        self.beat(self.worlds, "told_both")
        wait_until(lambda: self.tasks(self.worlds[first]) == {"told_both": False, "told_one": True}
                   or self.beat(self.worlds, "told_both"), 30, "the clocks of the one that was away")
        self.worlds[first].stop("alertd")
        wait_until(lambda: self.tasks(self.worlds[second]) == {"told_both": True}, 40, "silence to be noticed")

    def test_take_over(self):
        first = wait_until(lambda: self.active() is not None and [self.active()], 10, "a lease")[0]
        second = 1 - first

        # While both live, one tells.
        self.writer.probes["calm"] = 9.0
        self.wait_told("calm", ["firing"], 10)
        self.assertIn("stands by", self.worlds[second].log("alertd"))
        status, body = self.worlds[second].request(
            "POST", "/api/v1/incidents/T-1001/ack", b'{"by": "ann"}',
            {"Content-Type": "application/json"})
        self.assertEqual(status, 503, body)
        self.assertIn(b"stands by", body)

        # kill -9 of the active one at the instant an alert begins.
        self.writer.probes["killed"] = 9.0
        time.sleep(0.5)
        self.worlds[first].stop("alertd", signal.SIGKILL)
        print("kill -9: told after %.1f s" % self.wait_told("killed", ["firing"], TAKE_OVER))
        self.worlds[first].start_alertd()
        self.writer.probes["calm"] = 1.0
        self.wait_told("calm", ["firing", "resolved"], 20)
        self.assertEqual(self.active(), second)

        # SIGSTOP past the lease: the other takes over; SIGCONT: the stopped one does no harm.
        stopped = self.worlds[second]
        stopped.paused = True
        self.writer.probes["stopped"] = 9.0
        time.sleep(0.7)
        stopped.processes["alertd"].send_signal(signal.SIGSTOP)
        print("SIGSTOP: told after %.1f s" % self.wait_told("stopped", ["firing"], TAKE_OVER))
        self.writer.probes["killed"] = 1.0
        self.wait_told("killed", ["firing", "resolved"], 20)
        self.writer.probes["while stopped"] = 9.0
        self.wait_told("while stopped", ["firing"], 20)
        stopped.processes["alertd"].send_signal(signal.SIGCONT)
        stopped.paused = False
        wait_until(lambda: "the lease is lost" in stopped.log("alertd"), 20, "it to notice")
        wait_until(lambda: self.active() == first, 10, "one to be active")

        # kill -9 of PostgreSQL: nobody can send; both go on when it is back.
        self.writer.probes["stopped"] = 1.0
        self.server.crash()
        self.writer.probes["no database"] = 9.0
        time.sleep(2)
        self.server.start()
        self.wait_told("no database", ["firing"], 30)

        # An orderly stop gives the lease back at once.
        active = wait_until(lambda: self.active() is not None and [self.active()], 20, "a lease")[0]
        self.worlds[active].stop("alertd")
        self.writer.probes["no database"] = 1.0
        self.writer.probes["while stopped"] = 1.0
        for item in ("stopped", "no database", "while stopped"):
            self.wait_told(item, ["firing", "resolved"], 30)
        self.assertEqual(self.active(), 1 - active)
        time.sleep(3)  # a late double would come now
        for item in self.writer.probes:
            self.assertEqual(self.told(item), ["firing", "resolved"], item)
        repeats = len(self.hook.requests) - len(self.hook.distinct())
        print("deliveries %d, repeats with the same key %d" % (len(self.hook.requests), repeats))


if __name__ == "__main__":
    unittest.main()

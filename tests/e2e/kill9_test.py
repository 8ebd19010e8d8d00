#!/usr/bin/env python3
"""kill -9 of alertd at 50 random instants while alerts fire and resolve; the state is in SQLite.

kill9_postgres_test.py does the same with the state in PostgreSQL.

Afterwards: every sample that was acknowledged is in the store; every alert that fired was delivered, and
every delivered firing got its resolve; a receiver that honours the idempotency key acted once for each.
The random instants come from a seed that a failure prints: TOCSIN_KILL_SEED repeats them.
"""

import os
import random
import signal
import threading
import time
import unittest

from harness import HookReceiver, World, probe_rules, route_to, wait_until

KILLS = int(os.environ.get("TOCSIN_KILLS", "50"))
SEED = int(os.environ.get("TOCSIN_KILL_SEED", str(int(time.time()))))

RULES = probe_rules('{{ $labels.item }} is {{ $value }}')


class Writer(threading.Thread):
    """Sends one series of increasing numbers and the probes, and keeps what was acknowledged."""

    def __init__(self, world):
        super().__init__(daemon=True)
        self.world = world
        self.acknowledged = []
        self.probes = {}  # item -> value
        self.stopping = threading.Event()

    def run(self):
        number = 0
        while not self.stopping.is_set():
            number += 1
            now_ms = int(time.time() * 1000)
            series = [({"__name__": "kill_counter"}, [(now_ms, float(number))])]
            series += [({"__name__": "probe_value", "item": item}, [(now_ms, value)])
                       for item, value in list(self.probes.items())]
            status, _ = self.world.send_samples(series)
            if status in (200, 204):
                self.acknowledged.append((now_ms, float(number)))
            self.stopping.wait(0.02)


class Kill9Test(unittest.TestCase):
    def test_nothing_lost_nothing_doubled(self):
        self.run_kills(KILLS)

    def run_kills(self, kills, state_config="", between=lambda kill: None):
        """`between` is called after each kill of alertd, before it is started again."""
        print("seed %d (TOCSIN_KILL_SEED repeats it), %d kills" % (SEED, kills))
        dice = random.Random(SEED)
        world = self.enterContext(World())
        hook = HookReceiver()
        world.cleanups.append(hook.stop)
        # The writer does not pause: three seconds are enough for what it sends to be there again.
        world.alertd_config(RULES, 'restart_window = "3s"\n'
                            + route_to(hook.url, ["alertname", "item"]) + state_config)
        world.start_alertd()
        writer = Writer(world)
        writer.start()

        fired = []
        for kill in range(kills):
            # Every few kills another alert begins; it ends a few kills later.
            if kill % 5 == 0:
                item = "item%d" % kill
                fired.append(item)
                writer.probes[item] = 9.0
            if kill % 5 == 4:
                writer.probes[fired[-1]] = 1.0
            time.sleep(dice.uniform(0.0, 1.2))
            world.stop("alertd", signal.SIGKILL)
            between(kill)
            world.start_alertd(ready_within=30)

        for item in fired:
            writer.probes[item] = 1.0

        def statuses(item):
            return [request["body"]["status"] for request in hook.distinct()
                    if request["body"]["groupLabels"].get("item") == item]

        try:
            # An alert whose whole life fell between two evaluations may have been seen by nobody; each
            # that is in ALERTS history as firing must have been told, and then resolved.
            end = time.time()
            seen = {dict(labels)["item"] for labels in world.query(
                'count_over_time(ALERTS{alertname="ProbeHigh",alertstate="firing"}[10m])', end)}
            self.assertGreaterEqual(len(seen), len(fired) // 2)
            for item in sorted(seen):
                wait_until(lambda: statuses(item)[-1:] == ["resolved"], 60,
                           "the resolve of %s; got %s" % (item, statuses(item)))
                self.assertIn("firing", statuses(item))
                told = statuses(item)
                self.assertTrue(all(a != b for a, b in zip(told, told[1:])),
                                "%s was told twice: %s" % (item, told))
            repeats = len(hook.requests) - len(hook.distinct())
            print("deliveries %d, repeats with the same key %d" % (len(hook.requests), repeats))
            self.assertLessEqual(repeats, kills)

            writer.stopping.set()
            writer.join(10)
            self.assertGreater(len(writer.acknowledged), kills)
            self.check_samples(world, writer.acknowledged)
        except AssertionError as failure:
            raise AssertionError("seed %d: %s" % (SEED, failure)) from failure

    def check_samples(self, world, acknowledged):
        end = acknowledged[-1][0] / 1000 + 1
        seconds = int(end - acknowledged[0][0] / 1000) + 2
        result = world.get_json("/api/v1/query?query=kill_counter%%5B%ds%%5D&time=%f"
                                % (seconds, end))["data"]["result"]
        stored = {(round(t * 1000), float(v)) for t, v in result[0]["values"]}
        missing = [sample for sample in acknowledged if sample not in stored]
        print("acknowledged %d samples, stored %d" % (len(acknowledged), len(stored)))
        self.assertEqual(missing, [])


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""kill -9 of alertd in the middle of escalations, its state in SQLite and in a real PostgreSQL.

A policy of five steps to three persons, two seconds apart. Before each kill another incident begins, so that
every kill finds several of them at different steps. Each must make the deliveries of the first one, during which
nothing was killed: the same persons in the same order, no step before its time, the end to everybody.
5 kills, or as many as TOCSIN_KILLS says (100 before a release); TOCSIN_KILL_SEED repeats their instants.
"""

import datetime
import os
import random
import signal
import time
import unittest

from harness import HookReceiver, Probes, World, probe_rules, wait_until
from postgres_server import PostgresServer

KILLS = int(os.environ.get("TOCSIN_KILLS", "5"))
SEED = int(os.environ.get("TOCSIN_KILL_SEED", str(int(time.time()))))
PERSONS = ("ada", "ben", "eva")
STEP = 2.0  # seconds between them
STEPS = ("ada", "ben", "eva", "ada", "ben")


def config(hooks, state):
    people = "".join("""
[[receiver]]
name = "%s"
[[receiver.webhook]]
url = "%s"
[[person]]
name = "%s"
receiver = "%s"
""" % (name, hook.url, name, name) for name, hook in hooks.items())
    steps = "".join("""
[[policy.step]]
after = "%ds"
notify = "person:%s"
""" % (STEP if i else 0, name) for i, name in enumerate(STEPS))
    return """restart_window = "3s"
%s
[route]
receiver = "ada"
group_by = ["alertname", "item"]
group_wait = "0s"
%s
[[policy]]
name = "page"
%s
[policies]
critical = "page"
""" % (people, state, steps)


class Kill9EscalationTest(unittest.TestCase):
    def test_sqlite(self):
        self.run_kills("", lambda kill: None)

    def test_postgres(self):
        server = PostgresServer()
        self.addCleanup(server.stop)

        def between(kill):
            if kill % 4 == 3:
                server.crash()
                server.start()

        self.run_kills(server.config(), between)

    def run_kills(self, state, between):
        """`between` is called after each kill of alertd, before it is started again."""
        print("seed %d (TOCSIN_KILL_SEED repeats it), %d kills" % (SEED, KILLS))
        dice = random.Random(SEED)
        world = self.enterContext(World())
        hooks = {}
        for name in PERSONS:
            hooks[name] = HookReceiver()
            world.cleanups.append(hooks[name].stop)
        world.alertd_config(probe_rules("{{ $labels.item }}"), config(hooks, state))
        world.start_alertd()
        probes = Probes(world)

        def told(item):
            """Who was told what of the item, in order: (time, person, status)."""
            return sorted((request["time"], name, request["body"]["status"])
                          for name, hook in hooks.items() for request in hook.distinct()
                          if request["body"]["groupLabels"].get("item") == item)

        def firing(item):
            return [(at, name) for at, name, status in told(item) if status == "firing"]

        probes.values["calm"] = 9.0
        wait_until(lambda: len(firing("calm")) == len(STEPS), 60, "the escalation that nothing disturbs")
        wanted = [name for _, name in firing("calm")]
        self.assertEqual(wanted, list(STEPS))

        items = ["item%d" % kill for kill in range(KILLS)]
        for kill, item in enumerate(items):
            probes.values[item] = 9.0
            time.sleep(dice.uniform(0.0, STEP))
            world.stop("alertd", signal.SIGKILL)
            between(kill)
            world.start_alertd(ready_within=30)
        try:
            for item in items:
                wait_until(lambda item=item: len(firing(item)) >= len(STEPS), 60,
                           "the steps of %s; got %s" % (item, told(item)))
            for item in ["calm"] + items:
                probes.values[item] = 1.0
            for item in ["calm"] + items:
                wait_until(lambda item=item: len(told(item)) >= len(STEPS) + len(PERSONS), 60,
                           "the end of %s; got %s" % (item, told(item)))
                self.check_one(told(item), wanted)
            self.check_times(world)
        except AssertionError as failure:
            raise AssertionError("seed %d: %s" % (SEED, failure)) from failure
        print("%d escalations, requests %d, with a key of their own %d"
              % (len(items) + 1, sum(len(hook.requests) for hook in hooks.values()),
                 sum(len(hook.distinct()) for hook in hooks.values())))

    def check_one(self, told, wanted):
        self.assertEqual([name for _, name, status in told if status == "firing"], wanted, told)
        self.assertEqual(sorted(name for _, name, status in told if status == "resolved"),
                         sorted(PERSONS), told)

    def check_times(self, world):
        """No step came before its time, by the timelines: a message may be late, its step is not early."""
        for incident in world.get_json("/api/v1/incidents?limit=1000")["data"]["incidents"]:
            timeline = world.get_json("/api/v1/incidents/" + incident["id"])["data"]["timeline"]
            steps = [datetime.datetime.fromisoformat(event["at"]) for event in timeline
                     if event["kind"] == "escalated"]
            self.assertEqual(len(steps), len(STEPS), timeline)
            for before, at in zip(steps, steps[1:]):
                self.assertGreaterEqual((at - before).total_seconds(), STEP, timeline)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""kill -9 of alertd at 50 random instants during the main job: agent, full disk, mail, webhook, chat.

The disk fills and is freed again and again while alertd dies at random instants, in its start too. Each
time exactly one firing and one resolve must reach each channel, counted as a receiver counts that drops
what it has seen: by Idempotency-Key, and for mail by Message-ID. Every sample that was acknowledged to
the agent must be in the store. A failure prints the seed: TOCSIN_KILL_SEED repeats its instants.
"""

import json
import os
import random
import signal
import threading
import time
import unittest
import urllib.parse

from disk_scenario import DiskScenario
from harness import wait_until
from recording_proxy import RecordingProxy, samples_of

KILLS = int(os.environ.get("TOCSIN_KILLS", "50"))
SEED = int(os.environ.get("TOCSIN_KILL_SEED", str(int(time.time()))))


class Killer(threading.Thread):
    """Kills alertd at random instants and starts it again at once, `KILLS` times."""

    def __init__(self, world):
        super().__init__(daemon=True)
        self.world = world
        self.dice = random.Random(SEED)
        self.kills = 0

    def run(self):
        for self.kills in range(1, KILLS + 1):
            # Long lives let a page through, short ones hit the start.
            time.sleep(self.dice.choice((0.3, 3.0)) * self.dice.random())
            self.world.stop("alertd", signal.SIGKILL)
            self.world.start_alertd_process()


class Kill9MainJobTest(DiskScenario):
    def test_no_page_lost_none_doubled(self):
        print("seed %d (TOCSIN_KILL_SEED repeats it), %d kills" % (SEED, KILLS))
        proxy = RecordingProxy(self.world.port)
        self.world.cleanups.append(proxy.stop)
        self.start_everything(agent_port=proxy.port)
        killer = Killer(self.world)
        killer.start()
        try:
            turns = 0
            while killer.is_alive() or turns == 0:
                turns += 1
                self.fill()
                self.wait_for_channels("firing", turns, turns - 1)
                self.free()
                self.wait_for_channels("resolved", turns, turns)
            killer.join()
            wait_until(lambda: self.world.get("/-/ready")[0] == 200, 30, "alertd to be ready")
            time.sleep(5)  # a late double would come now
            for channel, told in self.told().items():
                self.assertEqual(told, ["firing", "resolved"] * turns, channel)
            print("%d kills, %d fillings; deliveries %d + %d + %d, distinct %d each" % (
                killer.kills, turns, len(self.webhook.requests), len(self.chat.requests),
                len(self.mail_messages()), 2 * turns))
            self.assertEqual(killer.kills, KILLS)
            self.check_samples(proxy.acknowledged)
        except AssertionError as failure:
            raise AssertionError("seed %d: %s" % (SEED, failure)) from failure

    def told(self):
        """What each channel's reader saw: "firing" and "resolved" in the order of arrival."""
        def word(text):
            return "resolved" if "resolved" in text.lower() else "firing"

        mails = {mail["Message-ID"]: word(mail["Subject"]) for mail in self.mail_messages()}
        return {
            "webhook": [one["body"]["status"] for one in self.webhook.distinct()],
            "chat": [word(json.dumps(one["body"])) for one in self.chat.distinct()],
            "mail": list(mails.values()),
        }

    def wait_for_channels(self, state, firing, resolved):
        def reached():
            return all((told.count("firing"), told.count("resolved")) == (firing, resolved)
                       for told in self.told().values())

        try:
            wait_until(reached, 90, "%s number %d on each channel" % (state, firing))
        except AssertionError as failure:
            raise AssertionError("%s; got %s" % (failure, self.told())) from None

    def check_samples(self, bodies):
        wanted = {}  # labels -> {timestamp: value}
        for body in bodies:
            for labels, timestamp_ms, value in samples_of(body):
                wanted.setdefault(labels, {})[timestamp_ms] = value
        instants = [timestamp for one in wanted.values() for timestamp in one]
        end = max(instants) / 1000 + 1
        window = int(end - min(instants) / 1000) + 2
        missing = []
        for name in sorted({dict(labels)["__name__"] for labels in wanted}):
            expr = urllib.parse.quote('{__name__="%s"}[%ds]' % (name, window))
            result = self.world.get_json("/api/v1/query?query=%s&time=%f" % (expr, end))
            stored = {tuple(sorted(one["metric"].items())):
                      {round(float(t) * 1000): float(v) for t, v in one["values"]}
                      for one in result["data"]["result"]}
            for labels, samples in wanted.items():
                if dict(labels)["__name__"] != name:
                    continue
                have = stored.get(labels, {})
                missing += [(labels, timestamp) for timestamp, value in samples.items()
                            if timestamp not in have or (have[timestamp] != value and value == value)]
        print("%d requests acknowledged with %d samples of %d series" % (
            len(bodies), len(instants), len(wanted)))
        self.assertGreater(len(instants), 10000)
        self.assertEqual(missing[:10], [])


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""kill -9 of alertd at random instants while several senders write: every acknowledged sample is there.

Checkpoints and segments are small, so that the instants also fall into the writing of these; some kills come
while alertd still reads what the one before left. TOCSIN_KILLS says how many (default 6), TOCSIN_KILL_SEED
repeats them.
"""

import os
import random
import signal
import threading
import time
import unittest

from harness import World

KILLS = int(os.environ.get("TOCSIN_KILLS", "6"))
SEED = int(os.environ.get("TOCSIN_KILL_SEED", str(int(time.time()))))
WRITERS = 4
SERIES = 10  # of each sender
STEP_MS = 1000



class Sender(threading.Thread):
    """Sends series of its own, many samples of each at once, and keeps what was acknowledged.

    Its time runs faster than ours, from an hour ago on, so that whole chunks come to be. What was refused or not
    answered is sent again, as an agent does, until it is acknowledged.
    """

    def __init__(self, world, number, dice, begin_ms):
        super().__init__(daemon=True)
        self.world = world
        self.number = number
        self.dice = dice
        self.now_ms = begin_ms
        self.acknowledged = {}  # series name -> {timestamp_ms: value}
        self.refused = 0
        self.generation = 0  # of series that come and go
        self.stopping = threading.Event()

    def labels(self, index):
        # The last few change their names now and then: new series all the time.
        run = self.generation if index >= SERIES - 3 else 0
        return {"__name__": "kill_value", "sender": str(self.number), "series": str(index), "run": str(run)}

    def next_batch(self):
        samples = self.dice.randint(1, 20)
        times = [self.now_ms + i * STEP_MS for i in range(samples)]
        self.now_ms += samples * STEP_MS
        if self.dice.random() < 0.1:
            self.generation += 1
        batch = []
        for index in range(SERIES):
            values = [(at, self.dice.choice([0.0, 1.0, self.dice.random()])) for at in times]
            batch.append((self.labels(index), values))
        if self.dice.random() < 0.2:  # late ones, between those of a moment ago
            late = self.now_ms - self.dice.randint(1, 300) * STEP_MS - STEP_MS // 2
            batch.append((self.labels(0), [(late, self.dice.random())]))
        return batch

    def run(self):
        while not self.stopping.is_set():
            if self.now_ms > time.time() * 1000:  # not ahead of the clock
                self.stopping.wait(0.1)
                continue
            batch = self.next_batch()
            while not self.stopping.is_set():
                status, _ = self.world.send_samples(batch)
                if status in (200, 204):
                    for labels, samples in batch:
                        known = self.acknowledged.setdefault(tuple(sorted(labels.items())), {})
                        for at, value in samples:
                            known.setdefault(at, value)
                    break
                self.refused += 1
                self.stopping.wait(0.01)
            self.stopping.wait(self.dice.uniform(0, 0.1))


class StoreKill9Test(unittest.TestCase):
    def test_everything_acknowledged_is_there(self):
        print("seed %d (TOCSIN_KILL_SEED repeats it), %d kills" % (SEED, KILLS))
        dice = random.Random(SEED)
        world = self.enterContext(World())
        config = world.alertd_config()
        config.write_text(config.read_text().replace(
            "[rules]", 'checkpoint_log = "256KiB"\nsegment_flush = "64KiB"\nretention = "30d"\n\n[rules]'))
        world.start_alertd()
        begin_ms = int(time.time() * 1000) - 20 * 86_400_000
        self.begin = begin_ms / 1000
        senders = [Sender(world, number, random.Random(SEED * 100 + number), begin_ms)
                   for number in range(WRITERS)]
        for sender in senders:
            sender.start()
            world.cleanups.append(sender.stopping.set)

        during_start = 0
        for kill in range(KILLS):
            time.sleep(dice.uniform(0.05, 1.5))
            world.stop("alertd", signal.SIGKILL)
            # While the next one reads the log, moves files away, writes its first checkpoint.
            while dice.random() < 0.3:
                world.start_alertd_process()
                time.sleep(dice.uniform(0, 0.4))
                world.stop("alertd", signal.SIGKILL)
                during_start += 1
            world.start_alertd(ready_within=60)
            if kill % 50 == 49:
                self.compare(world, senders, "after kill %d" % (kill + 1))
        for sender in senders:
            sender.stopping.set()
        for sender in senders:
            sender.join(15)
        print("%d kills, %d more during a start; %d pushes refused or unanswered"
              % (KILLS, during_start, sum(sender.refused for sender in senders)))
        self.compare(world, senders, "at the end")
        # And after an orderly end.
        world.stop("alertd")
        world.start_alertd(ready_within=60)
        self.compare(world, senders, "after an orderly restart")
        self.assertEqual([p.name for p in (world.folder / "store").rglob("*.damaged")], [])
        names = [p.name for p in (world.folder / "store").rglob("*")]
        print("files: %s" % ", ".join(sorted(names)[:12]))

    def compare(self, world, senders, when):
        total = missing = wrong = 0
        first = ""
        for sender in senders:
            # A copy: the sender goes on. What it adds meanwhile is not asked for.
            wanted = {series: dict(samples) for series, samples in list(sender.acknowledged.items())}
            end_ms = max((max(samples) for samples in wanted.values()), default=0)
            stored = self.stored(world, sender.number, end_ms / 1000)
            for series, samples in wanted.items():
                have = stored.get(series, {})
                for at, value in samples.items():
                    total += 1
                    if at not in have:
                        missing += 1
                        first = first or "%s at %d" % (dict(series), at)
                    elif have[at] != value:
                        wrong += 1
                        first = first or "%s at %d: %r, sent %r" % (dict(series), at, have[at], value)
        print("%s: %d acknowledged samples, %d missing, %d wrong" % (when, total, missing, wrong))
        self.assertGreater(total, 100)
        self.assertEqual((missing, wrong), (0, 0), "seed %d, %s: %s" % (SEED, when, first))

    def stored(self, world, number, end):
        seconds = int(end - self.begin) + 700
        result = world.get_json('/api/v1/query?query=kill_value%%7Bsender%%3D%%22%d%%22%%7D%%5B%ds%%5D&time=%.3f'
                                % (number, seconds, end + 1))["data"]["result"]
        return {tuple(sorted(one["metric"].items())):
                {round(at * 1000): float(value) for at, value in one["values"]} for one in result}


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""The timelines of generator.py: whatever moves them, what they say can be done in that order."""

import unittest

import generator


class TimelineTest(unittest.TestCase):
    def test_what_is_placed_is_apart_from_every_tick_and_can_be_done(self):
        placed = wanted = expiries = 0
        for seed in range(1, 120):
            world = generator.World(seed, "http://127.0.0.1:1/hook")
            wanted += len(world.operations)

            def ticks_of(operations):  # a second after each operation, and every three seconds from then on
                return [at + 1 + 3 * turn for at, _ in operations for turn in range(9)][:40]
            world.settle(ticks_of)
            placed += len(world.operations)
            ticks = ticks_of(world.operations)
            for moment in world.moments(world.operations):
                self.assertFalse([tick for tick in ticks if abs(tick - moment) < generator.APART - 1e-9], "seed %d" % seed)
            self.assertEqual(world.operations, sorted(world.operations, key=lambda one: one[0]))
            ends = {}
            for at, operation in world.operations:
                if operation["op"] == "post":
                    self.assertLessEqual(operation["since"], at, "seed %d" % seed)
                if operation["op"] == "silence":
                    ends[operation["name"]] = at + operation["lasts"]
                if operation["op"] == "expire":
                    expiries += 1
                    self.assertLess(at, ends[operation["name"]], "seed %d" % seed)
        self.assertGreater(placed, wanted * 0.3)
        self.assertGreater(expiries, 10)

    def test_the_same_seed_gives_the_same_world(self):
        one, other = (generator.World(7, "http://127.0.0.1:1/hook") for _ in range(2))
        self.assertEqual(one.config, other.config)
        self.assertEqual(one.operations, other.operations)


if __name__ == "__main__":
    unittest.main()

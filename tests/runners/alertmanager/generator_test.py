#!/usr/bin/env python3
"""The timelines of generator.py: whatever moves them, what they say can be done in that order."""

import unittest

import generator


class TimelineTest(unittest.TestCase):
    def test_a_silence_is_expired_while_it_is_active(self):
        seen = 0
        for seed in range(1, 120):
            world = generator.World(seed, "http://127.0.0.1:1/hook")
            for round_number in range(20):
                # A tick at every third of a second is near everything, so that everything moves.
                world.shake([tick / 3 for tick in range(3 * generator.SECONDS)])
                ends = {}
                for at, operation in world.operations:
                    if operation["op"] == "silence":
                        ends[operation["name"]] = at + operation["lasts"]
                    if operation["op"] == "expire":
                        seen += 1
                        where = "seed %d, round %d" % (seed, round_number)
                        self.assertIn(operation["name"], ends, where)
                        self.assertLess(at, ends[operation["name"]], where)
        self.assertGreater(seen, 100)

    def test_the_same_seed_gives_the_same_world(self):
        one, other = (generator.World(7, "http://127.0.0.1:1/hook") for _ in range(2))
        self.assertEqual(one.config, other.config)
        self.assertEqual(one.operations, other.operations)


if __name__ == "__main__":
    unittest.main()

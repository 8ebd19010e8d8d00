#!/usr/bin/env python3
"""Both programs with no file at all: the agent finds what is here, talks to localhost, and is taken."""

import socket
import unittest

from harness import World, wait_until

DEFAULT_PORT = 9464


class NoConfigTest(unittest.TestCase):
    def test_it_works_at_once(self):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", DEFAULT_PORT)) == 0:
                self.skipTest("something listens on port %d already" % DEFAULT_PORT)
        world = self.enterContext(World())
        world.port, world.url = DEFAULT_PORT, "http://127.0.0.1:%d" % DEFAULT_PORT
        home = {"HOME": str(world.folder)}
        world.start("alertd", world.bin("tocsin-alertd"), env=home)
        wait_until(lambda: world.get("/-/ready")[0] == 200, 20, "alertd")
        self.assertIn("nobody will be told", world.log("alertd"))
        world.start("agent", world.bin("tocsin-agent"), env=home)
        wait_until(lambda: world.query("node_load1"), 40, "the first sample")
        self.assertTrue(world.query("tocsin_agent_collector_success == 1"))
        self.assertTrue(world.query("tocsin_alertd_build_info"))
        self.assertIn("node_load1", world.tocsin("query", "node_load1").stdout)


if __name__ == "__main__":
    unittest.main()

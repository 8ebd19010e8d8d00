#!/usr/bin/env python3
"""kill -9 of alertd at random instants, its state in a real PostgreSQL that dies with it now and then.

The scenario and its checks are kill9_test.py's: nothing lost, nothing doubled. 12 kills, or as many as
TOCSIN_KILLS says (100 before a release); every fourth also kills PostgreSQL (-9).
"""

import os
import unittest

import kill9_test
from postgres_server import PostgresServer

KILLS = int(os.environ.get("TOCSIN_KILLS", "12"))


class Kill9PostgresTest(kill9_test.Kill9Test):
    def test_nothing_lost_nothing_doubled(self):
        server = PostgresServer()
        self.addCleanup(server.stop)

        def between(kill):
            if kill % 4 == 3:
                server.crash()
                server.start()

        self.run_kills(KILLS, server.config(), between)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""The agent as its service runs it: an unprivileged user without capabilities. Every collector of the host works, a
database and a Redis are read, and after its start it never executes anything.
"""

import os
import shutil
import subprocess
import time
import unittest

from harness import BIN, World, wait_until
from postgres_server import PostgresServer
from redis_server import RedisServer

USER = "nobody"


class AgentLimitsTest(unittest.TestCase):
    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("needs root, to become somebody with fewer rights")
        for program in ("strace", "setpriv"):
            if shutil.which(program) is None:
                self.skipTest(program + " is not installed (packaging/install-deps --tests)")
        if subprocess.run(["strace", "-qq", "-o", "/dev/null", "/bin/true"], capture_output=True).returncode:
            self.skipTest("strace may not trace here")
        self.world = World()
        self.addCleanup(self.world.__exit__)
        self.server = PostgresServer()
        self.addCleanup(self.server.stop)
        self.redis = RedisServer()
        self.addCleanup(self.redis.stop)

    def start_agent(self, extra):
        folder = self.world.folder
        self.world.agent_config('[[postgres]]\nname = "main"\ntimeout = "900ms"\ndsn = "%s"\n'
                                '[[redis]]\nname = "main"\naddress = "127.0.0.1:%d"\ntimeout = "900ms"\n'
                                '[[scrape]]\njob = "alertd"\nurl = "%s/metrics"\n%s'
                                % (self.server.dsn, self.redis.port, self.world.url, extra))
        # The user may not look into the folder of the build.
        program = shutil.copy(BIN / "tocsin-agent", folder / "tocsin-agent")
        folder.chmod(0o755)
        (folder / "spool").mkdir()
        shutil.chown(folder / "spool", USER)
        self.world.start("agent", "strace", "-D", "-f", "-qq", "-s", "200", "-e", "trace=execve,execveat",
                         "-e", "signal=none", "-o", folder / "executed",
                         "setpriv", "--reuid", USER, "--clear-groups", "--no-new-privs", "--bounding-set", "-all",
                         "--inh-caps", "-all", program, "--config", folder / "agent.toml")

    def executed(self):
        """What was executed after the agent itself, without searches along the path that failed."""
        lines = (self.world.folder / "executed").read_text().splitlines()
        done = [line for line in lines if " = 0" in line]
        own = [i for i, line in enumerate(done) if '"--config"' in line and "tocsin-agent" in line.split(",")[0]]
        self.assertEqual(len(own), 1, done)
        return done[own[0] + 1:]

    def test_without_rights_all_is_read_and_nothing_is_executed(self):
        self.world.alertd_config()
        self.world.start_alertd()
        self.start_agent("")
        wait_until(lambda: self.world.query("pg_up == 1 and on () redis_up == 1"), 30, "the first samples")
        began = time.time()
        wait_until(lambda: time.time() > began + 10, 15, "ten rounds")
        failing = self.world.query("tocsin_agent_collector_success == 0")
        self.assertEqual(failing, {}, self.world.log("agent")[-2000:])
        self.assertEqual(self.world.query("tocsin_agent_check_failed"), {})
        self.assertTrue(self.world.query('up{job="alertd"} == 1'))
        self.assertEqual(self.executed(), [])


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""Snapshots of a host: one by hand, without the secrets of what runs; one by itself when the kernel has killed a
process, told as an alert of low severity; and no more of them than was said.
"""

import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import time
import unittest

from harness import BIN, SOURCE, World, wait_until

SECRET = "hunter2-very-secret"


def shipped_rules():
    """The alerts about snapshots in rules/agent.toml, in a group that is evaluated each second."""
    text = (SOURCE / "rules/agent.toml").read_text()
    rules = re.findall(r'\[\[group\.alert\]\]\nname = "HostSnapshot\w+"\n(?:(?!\n\n).)*', text, re.S)
    return '[[group]]\nname = "snapshots"\ninterval = "1s"\n' + "\n\n".join(rules)


class SnapshotTest(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.__exit__)

    def take(self, *arguments):
        return subprocess.run([BIN / "tocsin-agent", "snapshot", *arguments], capture_output=True, text=True,
                              timeout=60)

    def test_by_hand(self):
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        self.world.start("app", sys.executable, "-c", "import time; time.sleep(300)", "--db-password", SECRET,
                         "--dsn", "postgres://shop:%s@db/shop" % SECRET, env={"SHOP_TOKEN": SECRET})
        self.world.agent_config()
        file = self.world.folder / "snapshot.json"
        began = time.time()
        done = self.take("--to", str(file), "--config", str(self.world.folder / "agent.toml"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertLess(time.time() - began, 20)
        self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600)
        text = file.read_text()
        self.assertNotIn(SECRET, text)
        snapshot = json.loads(text)
        pid = self.world.processes["app"].pid
        (app,) = [process for process in snapshot["processes"] if process["pid"] == pid]
        self.assertIn("--db-password ***", app["command"])
        self.assertIn("postgres://***@db/shop", app["command"])
        self.assertEqual(app["parent"], os.getpid())
        self.assertLess(abs(app["started_timestamp_seconds"] - began), 60)
        local = "127.0.0.1:%d" % listener.getsockname()[1]
        (ours,) = [one for one in snapshot["sockets"] if one["local"] == local]
        self.assertEqual((ours["state"], ours.get("pid")), ("listens", os.getpid()))
        self.assertIn(" / ", snapshot["texts"]["/proc/1/mounts"])
        self.assertIn("node_load1 ", snapshot["samples"])
        for member in ("logs", "missing", "host", "began", "ended"):
            self.assertIn(member, snapshot)
        again = self.take("--to", str(file))
        self.assertEqual(again.returncode, 1)
        self.assertIn("overwrites nothing", again.stderr)
        self.assertEqual(self.take("--to", "x.tar").returncode, 2)

    def kill_count(self, number):
        """What the kernel would say after `number` kills."""
        vmstat = self.proc / "vmstat"
        text, changed = re.subn(r"^oom_kill \d+$", "oom_kill %d" % number, vmstat.read_text(), flags=re.M)
        self.assertEqual(changed, 1)
        fresh = self.proc / "vmstat.new"
        fresh.write_text(text)
        fresh.rename(vmstat)

    def test_by_itself(self):
        self.proc = self.world.folder / "proc"
        shutil.copytree(SOURCE / "tests/data/proc/proc", self.proc)
        kept = self.world.folder / "kept"
        self.world.alertd_config(shipped_rules())
        self.world.write("rules/runbooks/host-snapshot.md", (SOURCE / "rules/runbooks/host-snapshot.md").read_text())
        self.world.agent_config('[snapshots]\ninterval = "1s"\nfolder = "%s"\nproc_path = "%s"\nroot_path = "%s"\n'
                                % (kept, self.proc, self.world.folder))
        self.kill_count(7)
        self.world.start_alertd()
        self.world.start_agent()
        taken = 'tocsin_agent_snapshots_taken_total{trigger="oom_kill"} == %d'
        wait_until(lambda: self.world.query(taken % 0), 30, "the first look")
        self.assertFalse(kept.exists())  # kills before the agent's start are no news
        self.kill_count(8)
        wait_until(lambda: self.world.query(taken % 1), 30, "the snapshot")
        (file,) = kept.iterdir()
        self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600)
        self.assertTrue(file.name.endswith("-oom_kill.json.zst"), file.name)
        if shutil.which("zstd"):
            plain = subprocess.run(["zstd", "-dc", str(file)], capture_output=True, check=True)
            self.assertEqual(json.loads(plain.stdout)["reason"], "oom_kill")
        wait_until(lambda: self.world.query('ALERTS{alertname="HostSnapshotTaken",alertstate="firing",severity="low"}'),
                   20, "the alert")
        self.kill_count(9)
        wait_until(lambda: self.world.query("tocsin_agent_snapshots_passed_over_total == 1"), 30, "the second kill")
        self.assertEqual(len(list(kept.iterdir())), 1)
        self.assertTrue(self.world.query("tocsin_agent_snapshots == 1 and tocsin_agent_snapshots_bytes > 0"))
        self.assertEqual(self.world.query('tocsin_agent_check_failed{server="snapshots"} == 1'), {})


if __name__ == "__main__":
    unittest.main()

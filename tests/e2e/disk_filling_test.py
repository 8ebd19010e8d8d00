#!/usr/bin/env python3
"""A disk that will be full within four hours: a real file system fills while the agent looks, and the shipped rule says
so long before it is full. Beside it one that grows as fast but is mostly empty, one that grows slowly, and one whose
files come and go: of these nothing is said.

The shipped rule waits ten minutes before it fires; here five seconds. TOCSIN_LONG=1 runs it as it ships.
"""

import os
import re
import subprocess
import threading
import time
import unittest

from harness import SOURCE, HookReceiver, World, route_to, wait_until

MIB = 1 << 20
LONG = os.environ.get("TOCSIN_LONG") == "1"


def shipped_rule():
    """The text of FilesystemFullSoon in rules/host.toml, in a group of its own."""
    text = (SOURCE / "rules/host.toml").read_text()
    (rule,) = re.findall(r'\[\[group\.alert\]\]\nname = "FilesystemFullSoon"\n(?:(?!\n\n).)*', text, re.S)
    if not LONG:
        rule, changed = re.subn(r'for = "10m"', 'for = "5s"', rule)
        assert changed == 1
    return '[[group]]\nname = "disk"\ninterval = "%s"\n%s\n' % ("15s" if LONG else "1s", rule)


class Disk:
    """An ext4 in a file, `used` of it (0 to 1) taken, to which `step(disk)` writes each second."""

    def __init__(self, world, name, size_mib, used, step):
        self.path, self.step, self.number = world.folder / name, step, 0
        image = world.folder / (name + ".img")
        with open(image, "wb") as file:
            file.truncate(size_mib * MIB)
        self.path.mkdir()
        make = ["mkfs.ext4", "-q", "-m", "0", "-b", "1024", "-O", "^has_journal", "-E", "lazy_itable_init=0", image]
        for command in (make, ["mount", "-o", "loop", image, self.path]):
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode != 0:
                raise unittest.SkipTest("no file system of its own here: " + done.stderr.strip())
        world.cleanups.append(lambda: subprocess.run(["umount", "-l", self.path]))
        room = os.statvfs(self.path)
        self.write(int(room.f_bavail * room.f_frsize - (1 - used) * size_mib * MIB))

    def write(self, size, name=None):
        self.number += 1
        with open(self.path / (name or "part%d" % self.number), "wb") as file:
            # Zeros that were written take room; a hole would not.
            while size > 0:
                size -= file.write(bytes(min(size, MIB)))
            file.flush()
            os.fsync(file.fileno())

    def free_ratio(self):
        room = os.statvfs(self.path)
        return room.f_bavail / room.f_blocks


class DiskFillingTest(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.__exit__)
        rate = 8 << 10 if LONG else MIB // 2
        self.fills = Disk(self.world, "fills", 128, 0.7, lambda disk: disk.write(rate))
        self.quiet = [
            Disk(self.world, "roomy", 128, 0.1, lambda disk: disk.write(rate)),
            Disk(self.world, "slow", 128, 0.7, lambda disk: disk.write(1)),  # a KiB: 14 MiB in four hours, of 38 left
            Disk(self.world, "turnover", 128, 0.7, lambda disk: disk.write((disk.number % 2) * 2048, "journal")),
        ]
        self.stopping = threading.Event()
        self.addCleanup(self.stopping.set)

    def write_all(self):
        while not self.stopping.wait(1):
            for disk in [self.fills, *self.quiet]:
                disk.step(disk)

    def alerts(self, hook):
        """What was told of the test's own disks; those of the machine may be filling too."""
        return [alert for request in hook.distinct() for alert in request["body"]["alerts"]
                if alert["labels"]["mountpoint"].startswith(str(self.world.folder))]

    def test_said_long_before_it_is_full_and_of_no_other(self):
        hook = HookReceiver()
        self.addCleanup(hook.stop)
        self.world.alertd_config(shipped_rule(), route_to(hook.url, ["alertname", "mountpoint"]))
        self.world.write("rules/runbooks/disk-filling.md", (SOURCE / "rules/runbooks/disk-filling.md").read_text())
        self.world.agent_config()
        self.world.start_alertd()
        writer = threading.Thread(target=self.write_all, daemon=True)
        writer.start()
        self.world.start_agent()
        wait_until(lambda: self.alerts(hook), 1200 if LONG else 45, "the alert")
        self.assertGreater(self.fills.free_ratio(), 0.05, "it is told before 95 %")
        settle = time.time()
        wait_until(lambda: time.time() > settle + 10, 15, "what the others do")
        self.stopping.set()
        writer.join(10)
        alerts = self.alerts(hook)
        self.assertEqual({alert["labels"]["mountpoint"] for alert in alerts}, {str(self.fills.path)})
        self.assertEqual({alert["labels"]["severity"] for alert in alerts}, {"critical"})
        self.assertIn("will be full within four hours", alerts[0]["annotations"]["summary"])
        self.assertTrue(self.world.query('ALERTS{alertstate="firing",mountpoint="%s"}' % self.fills.path))
        for disk in self.quiet:
            self.assertEqual(self.world.query('ALERTS{alertstate="firing",mountpoint="%s"}' % disk.path), {})


if __name__ == "__main__":
    unittest.main()

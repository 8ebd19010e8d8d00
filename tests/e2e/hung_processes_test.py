#!/usr/bin/env python3
"""A host with a hundred thousand processes: the agent goes through them, everything else is told on time, its threads,
files and memory stay as many.

The processes are a recorded /proc in a temporary file system. TOCSIN_ROUNDS is how many rounds are watched.
"""

import os
import pathlib
import shutil
import subprocess
import time
import unittest

from harness import SOURCE, World, wait_until

PROCESSES = 100_000
WORKERS = 500  # of which are in the group that is watched
ROUNDS = int(os.environ.get("TOCSIN_ROUNDS", "25"))

STAT = "%d (%s) S 1 %d %d 0 -1 4194304 11 0 2 0 20 50 0 0 20 0 3 0 1000 1048576 100 18446744073709551615 1 1\n"
STATUS = ("Name:\t%s\nUid:\t%d\t%d\t%d\t%d\nVmSwap:\t     4 kB\nvoluntary_ctxt_switches:\t7\n"
          "nonvoluntary_ctxt_switches:\t3\n")

CONFIG = """
[host]
proc_path = "{proc}"
[[process_group]]
name = "worker"
comm = ["worker"]
min = {workers}
[inventory]
checks = ["ports"]
proc_path = "{proc}"
interval = "5s"
[packages]
checks = ["reboot"]
proc_path = "{proc}"
interval = "5s"
[[scrape]]
job = "alertd"
url = "{url}/metrics"
"""


class HungProcessesTest(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.__exit__)
        self.proc = self.world.folder / "many/proc"
        self.proc.parent.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "nr_inodes=1m", "tmpfs", self.proc.parent],
                              capture_output=True)
        if done.returncode != 0:
            self.skipTest("cannot mount a tmpfs here")
        self.world.cleanups.append(lambda: subprocess.run(["umount", "-l", self.proc.parent]))
        shutil.copytree(SOURCE / "tests/data/proc/proc", self.proc)
        for number in range(1000, 1000 + PROCESSES):
            self.put(number, "worker" if number < 1000 + WORKERS else "sleeper%d" % (number % 50))

    def put(self, number, name):
        folder = os.path.join(self.proc, str(number))
        os.mkdir(folder)
        for file, text in (("stat", STAT % (number, name, number, number)),
                           ("status", STATUS % ((name,) + (33,) * 4)),
                           ("cmdline", "/usr/bin/%s\0--id\0%d\0" % (name, number))):
            with open(os.path.join(folder, file), "w") as out:
                out.write(text)

    def sizes(self):
        """(threads, open files, resident MiB) of the agent."""
        process = pathlib.Path("/proc/%d" % self.world.processes["agent"].pid)
        resident = int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 2 ** 20
        return len(list((process / "task").iterdir())), len(list((process / "fd").iterdir())), resident

    def cpu_seconds(self):
        stat = pathlib.Path("/proc/%d/stat" % self.world.processes["agent"].pid).read_text()
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def samples(self, metric, since):
        data = self.world.get_json("/api/v1/query?query=%s%%5B%ds%%5D" % (metric, time.time() - since))
        (series,) = data["data"]["result"]
        return [(float(when), float(value)) for when, value in series["values"]]

    def test_a_host_full_of_processes_is_read_in_time(self):
        self.world.alertd_config()
        self.world.agent_config(CONFIG.format(proc=self.proc, workers=WORKERS, url=self.world.url))
        self.world.start_alertd()
        self.world.start_agent()
        count = 'namedprocess_namegroup_num_procs{groupname="worker"} == %d' % WORKERS
        # 20,000 are looked at in a round.
        wait_until(lambda: self.world.query(count), 40, "all workers to be found among the others")
        began, cpu = time.time(), self.cpu_seconds()
        seen = []
        while time.time() < began + ROUNDS + 1:
            seen.append(self.sizes())
            time.sleep(0.5)
        cpu = (self.cpu_seconds() - cpu) / (time.time() - began)

        for metric in ("node_time_seconds", "node_load1", "node_memory_MemTotal_bytes", "up"):
            times = [when for when, _ in self.samples(metric, began)]
            gaps = [after - before for before, after in zip(times, times[1:])]
            self.assertGreaterEqual(len(times), ROUNDS - 1, metric)
            self.assertLessEqual(max(gaps), 1.5, metric)
        late = sorted(value - when for when, value in self.samples("node_time_seconds", began))
        self.assertLess(late[len(late) // 2], 0.5)
        threads, files, resident = zip(*seen)
        print("%d processes: %.2f CPU seconds a second, %d threads, resident %.1f to %.1f MiB, late by %.0f ms" % (
            PROCESSES, cpu, max(threads), min(resident), max(resident), 1000 * late[len(late) // 2]))
        self.assertLessEqual(max(threads) - min(threads), 1, sorted(set(threads)))
        self.assertLessEqual(max(files) - min(files), 4, sorted(set(files)))
        self.assertLess(resident[-1], 96)
        self.assertLess(resident[-1] - resident[0], 8)
        self.assertTrue(self.world.query(count))
        self.assertTrue(self.world.query("node_processes_pids >= %d" % PROCESSES))
        self.assertEqual(self.world.stop("agent"), 0)


if __name__ == "__main__":
    unittest.main()

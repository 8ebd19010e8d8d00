"""Our groups of processes against Debian's prometheus-process-exporter, over the same processes: for every name that both
have the same label sets and the same values at rest; and the same growth of counters while the processes work."""

import os
import pathlib
import shutil
import signal
import sys
import unittest

from exporter import differences, one_round, scrape
from harness import World, free_port, wait_until

EXPORTER = shutil.which("prometheus-process-exporter")
PREFIX = "namedprocess_namegroup_"

# Idle until SIGUSR1; then works for a while, and says so by touching a file of its own.
WORKER = """
import os, signal, subprocess, sys, threading, time
folder = sys.argv[1]
files = [open("/dev/null") for _ in range(7)]
for _ in range(2):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
child = subprocess.Popen(["sleep", "600"]) if sys.argv[2] == "child" else None
def work(*_):
    end = time.process_time() + 0.3
    while time.process_time() < end:
        bytearray(1 << 20)
    with open("%s/%d.data" % (folder, os.getpid()), "wb") as out:
        out.write(b"x" * (1 << 20))
        out.flush()
        os.fsync(out.fileno())
    for _ in range(100):
        time.sleep(0.0005)
    open("%s/%d.done" % (folder, os.getpid()), "w").close()
signal.signal(signal.SIGUSR1, work)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
open("%s/%d.ready" % (folder, os.getpid()), "w").close()
try:
    while True:
        signal.pause()
finally:
    if child:
        child.kill()
"""

COUNTERS = {  # name: how far the growth may differ, of a group
    "cpu_seconds_total": 0.25, "context_switches_total": 60, "major_page_faults_total": 5,
    "minor_page_faults_total": 600, "read_bytes_total": 1 << 20, "write_bytes_total": 256 << 10,
}
# Not compared: `states`, of which theirs counts each process and each of its threads besides, ours processes.
GAUGES = {"num_procs": 0, "memory_bytes": 0, "open_filedesc": 0, "worst_fd_ratio": 1e-9, "num_threads": 0,
          "oldest_start_time_seconds": 1.001}


@unittest.skipIf(EXPORTER is None, "prometheus-process-exporter is not installed (packaging/install-deps --tests)")
class ProcessExporterParityTest(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.__exit__)
        self.script = self.world.write("worker.py", WORKER)
        self.pids = []
        python = pathlib.Path(sys.executable).resolve()
        for name in ("parityweb", "paritydb"):  # the kernel's name of a process is the file's
            (self.world.folder / name).symlink_to(python)
        for index, (name, child) in enumerate((("parityweb", "child"), ("parityweb", "none"), ("paritydb", "none"))):
            process = self.world.start("worker%d" % index, self.world.folder / name, self.script, self.world.folder,
                                       child)
            self.pids.append(process.pid)
        self.each("ready")
        config = self.world.write("exporter.yml", "process_names:\n- {name: web, comm: [parityweb]}\n"
                                                  "- {name: db, comm: [paritydb]}\n")
        self.port = free_port()
        self.world.start("exporter", EXPORTER, "-config.path", config, "-gather-smaps=false", "-threads=false",
                         "-web.listen-address", "127.0.0.1:%d" % self.port)

        def up():
            try:
                return self.theirs()
            except OSError:
                return None

        wait_until(up, 30, "the exporter")

    def each(self, what):
        wait_until(lambda: all((self.world.folder / ("%d.%s" % (pid, what))).exists() for pid in self.pids), 30, what)

    def theirs(self):
        return scrape(self.port, PREFIX)

    def ours(self):
        return one_round(self.world, '[[process_group]]\nname = "web"\ncomm = ["parityweb"]\n'
                                     '[[process_group]]\nname = "db"\ncomm = ["paritydb"]\n', PREFIX)

    def test_shared_names_have_the_same_values(self):
        before, ours, after = self.theirs(), self.ours(), self.theirs()
        self.assertEqual(ours[PREFIX + "num_procs"][frozenset({("groupname", "web")})], 3)
        gauges = sorted(PREFIX + name for name in GAUGES)
        self.assertEqual([name for name in gauges if name not in before or name not in ours], [])
        self.assertEqual(differences(gauges, before, ours, after,
                                     {PREFIX + name: slack for name, slack in GAUGES.items()}), [])
        for pid in self.pids:
            os.kill(pid, signal.SIGUSR1)
        self.each("done")
        # Theirs begin at 0 with the first look, ours with what the processes had used before: the growth is compared.
        ours_later, theirs_later = self.ours(), self.theirs()
        for name, slack in COUNTERS.items():
            self.assertEqual(set(ours[PREFIX + name]), set(after[PREFIX + name]), name)
            for labels, value in ours_later[PREFIX + name].items():
                grown = value - ours[PREFIX + name][labels]
                theirs = theirs_later[PREFIX + name][labels] - after[PREFIX + name][labels]
                self.assertLessEqual(abs(grown - theirs), slack, (name, sorted(labels), grown, theirs))
        web = frozenset({("groupname", "web"), ("mode", "user")})
        self.assertGreater(ours_later[PREFIX + "cpu_seconds_total"][web]
                           - ours[PREFIX + "cpu_seconds_total"][web], 0.2)


if __name__ == "__main__":
    unittest.main()

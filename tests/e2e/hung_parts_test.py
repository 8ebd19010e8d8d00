#!/usr/bin/env python3
"""Parts of a host that hang: a mount whose server is gone, a PostgreSQL that is stopped, a Redis that accepts and
says nothing. Over a hundred rounds everything else is told on time, and the agent's threads and files stay as many.
"""

import ctypes
import os
import pathlib
import signal
import socket
import threading
import time
import unittest

from harness import World, wait_until
from postgres_server import PostgresServer

ROUNDS = 100


class DeadMount:
    """A file system whose server never answers, as an NFS server that is gone: FUSE, and nobody reads its device."""

    def __init__(self, folder):
        self.path = str(folder)
        self.libc = ctypes.CDLL(None, use_errno=True)
        try:
            self.device = os.open("/dev/fuse", os.O_RDWR)
        except OSError as error:
            raise unittest.SkipTest("no dead mount without /dev/fuse: %s" % error) from error
        options = "fd=%d,rootmode=40000,user_id=0,group_id=0" % self.device
        if self.libc.mount(b"tocsin-dead", self.path.encode(), b"fuse", 0, options.encode()) != 0:
            error = os.strerror(ctypes.get_errno())
            os.close(self.device)
            raise unittest.SkipTest("no dead mount without the right to mount: " + error)

    def stop(self):
        self.libc.umount2(self.path.encode(), 2)  # MNT_DETACH
        os.close(self.device)  # ends every call that waits


class MuteRedis:
    """Accepts, reads and never answers."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.connections = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                self.connections.append(self.listener.accept()[0])
            except OSError:
                return

    def stop(self):
        self.listener.close()
        for connection in self.connections:
            connection.close()


class HungPartsTest(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.__exit__)
        folder = self.world.folder / "dead"
        folder.mkdir()
        self.mount = DeadMount(folder)
        self.addCleanup(self.mount.stop)
        self.server = PostgresServer()
        self.addCleanup(self.server.stop)
        self.redis = MuteRedis()
        self.addCleanup(self.redis.stop)
        self.world.alertd_config()
        self.world.agent_config('[[postgres]]\nname = "main"\ntimeout = "900ms"\ndsn = "%s"\n'
                                '[[redis]]\nname = "mute"\naddress = "127.0.0.1:%d"\ntimeout = "900ms"\n'
                                % (self.server.dsn, self.redis.port))
        self.world.start_alertd()
        self.world.start_agent()

    def sizes(self):
        """(threads, open files) of the agent."""
        process = pathlib.Path("/proc/%d" % self.world.processes["agent"].pid)
        return len(list((process / "task").iterdir())), len(list((process / "fd").iterdir()))

    def on_time(self, metric, since):
        """Returns the times of the series' samples, and fails if one round is missing."""
        data = self.world.get_json("/api/v1/query?query=%s%%5B%ds%%5D" % (metric, time.time() - since))
        (series,) = data["data"]["result"]
        times = [sample[0] for sample in series["values"]]
        gaps = [after - before for before, after in zip(times, times[1:])]
        self.assertLessEqual(max(gaps), 1.5, "%s has a hole" % metric)
        return series["values"]

    def test_what_hangs_holds_up_nothing_else(self):
        wait_until(lambda: self.world.query('pg_up{server="main"} == 1'), 30, "PostgreSQL's first round")
        self.server.signal_all(signal.SIGSTOP)
        self.addCleanup(self.server.signal_all, signal.SIGCONT)
        wait_until(lambda: self.world.query('pg_up{server="main"} == 0'), 30, "the stopped server to be told")
        began = time.time()
        seen = set()
        while time.time() < began + ROUNDS + 1:
            seen.add(self.sizes())
            time.sleep(0.5)

        for metric in ("node_time_seconds", "node_load1", "node_memory_MemTotal_bytes"):
            samples = self.on_time(metric, began)
            self.assertGreaterEqual(len(samples), ROUNDS - 1, metric)
        # The clock was read when the round was due, not after what hangs had its time.
        late = [float(value) - when for when, value in self.on_time("node_time_seconds", began)]
        self.assertLess(sorted(late)[len(late) // 2], 0.5)

        threads, files = zip(*seen)
        self.assertLessEqual(max(threads) - min(threads), 1, "threads: %s" % sorted(set(threads)))
        self.assertLessEqual(max(files) - min(files), 4, "open files: %s" % sorted(set(files)))

        self.assertTrue(self.world.query('node_filesystem_device_error{mountpoint="%s"} == 1' % self.mount.path))
        self.assertTrue(self.world.query('node_filesystem_size_bytes{mountpoint="/"} > 0'))
        self.assertTrue(self.world.query('redis_up{server="mute"} == 0'))
        self.assertTrue(self.world.query('pg_up{server="main"} == 0'))

        self.server.signal_all(signal.SIGCONT)
        wait_until(lambda: self.world.query('pg_up{server="main"} == 1'), 20, "PostgreSQL to be back")
        self.assertEqual(self.world.stop("agent"), 0)


if __name__ == "__main__":
    unittest.main()

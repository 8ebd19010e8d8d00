"""A PostgreSQL server of the test's own, in the world's folder; an unprivileged user if run as root."""

import contextlib
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from harness import free_port, wait_until


def installed():
    """Returns the folder of the newest PostgreSQL's programs, or None."""
    versions = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"),
                      key=lambda path: int(path.parts[-3]))
    return versions[-1].parent if versions else None


class PostgresServer:
    """Listens on a free loopback port and a Unix socket; the superuser is "tocsin", without password."""

    def __init__(self, settings=()):
        """`settings`: "name=value", beside those of a server's defaults."""
        self.settings = settings
        self.programs = installed()
        if self.programs is None:
            raise unittest.SkipTest("PostgreSQL is not installed (packaging/install-deps --tests)")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tocsin-pg-"))
        self.port = free_port()
        self.user = None
        if os.geteuid() == 0:  # initdb refuses root
            names = {entry.pw_name for entry in pwd.getpwall()}
            self.user = "postgres" if "postgres" in names else "nobody"
            shutil.chown(self.folder, self.user)
        self.process = None
        done = subprocess.run(
            [self.programs / "initdb", "-D", self.folder / "data", "-U", "tocsin", "-A", "trust",
             "-E", "UTF8", "--locale=C", "--no-sync"],
            capture_output=True, text=True, user=self.user, cwd=self.folder)
        if done.returncode != 0:
            raise AssertionError("initdb: " + done.stderr)
        self.start()
        subprocess.run([self.programs / "createdb", "-h", self.folder, "-p", str(self.port), "-U",
                        "tocsin", "alerts"], check=True, user=self.user, cwd=self.folder)

    @property
    def dsn(self):
        return "host=127.0.0.1 port=%d dbname=alerts user=tocsin sslmode=disable" % self.port

    def config(self, extra=""):
        return '\n[state]\nengine = "postgresql"\ndsn = "%s"\n%s\n' % (self.dsn, extra)

    def start(self):
        def up():
            if self.process is None or self.process.poll() is not None:
                log = open(self.folder / "log", "ab")
                self.process = subprocess.Popen(
                    [self.programs / "postgres", "-D", self.folder / "data", "-k", self.folder,
                     "-c", "listen_addresses=127.0.0.1", "-c", "port=%d" % self.port]
                    + [part for setting in self.settings for part in ("-c", setting)],
                    stdout=log, stderr=log, user=self.user, cwd=self.folder)
                log.close()
                time.sleep(0.1)
            return subprocess.run(
                [self.programs / "pg_isready", "-q", "-h", self.folder, "-p", str(self.port)],
                user=self.user, cwd=self.folder).returncode == 0

        wait_until(up, 60, "PostgreSQL")

    def crash(self):
        """kill -9; its children end when they see it."""
        self.process.kill()
        self.process.wait()

    def signal_all(self, number):
        """To the server and its sessions: SIGSTOP makes one that accepts and never answers."""
        os.kill(self.process.pid, number)  # first: stopped, it begins no more sessions
        children = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True)
        for pid in children.stdout.split():
            with contextlib.suppress(ProcessLookupError):  # one may just have ended
                os.kill(int(pid), number)

    def query(self, sql):
        done = subprocess.run([self.programs / "psql", "-h", self.folder, "-p", str(self.port), "-U",
                               "tocsin", "-d", "alerts", "-At", "-c", sql],
                              capture_output=True, text=True, user=self.user, cwd=self.folder)
        if done.returncode != 0:
            raise AssertionError("psql: " + done.stderr)
        return done.stdout.strip()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)  # fast shutdown
            self.process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)

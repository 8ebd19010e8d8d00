"""A Redis server of the test's own on a free loopback port, and a client of a few lines."""

import os
import shutil
import socket
import subprocess
import tempfile
import unittest

from harness import free_port, wait_until


class RedisServer:
    def __init__(self, *settings):
        """`settings`: "--maxmemory", "3mb" ..."""
        program = shutil.which("redis-server")
        if program is None:
            raise unittest.SkipTest("Redis is not installed (packaging/install-deps --tests)")
        self.folder = tempfile.mkdtemp(prefix="tocsin-redis-")
        self.port = free_port()
        self.process = subprocess.Popen([program, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.folder,
                                         "--save", "", *settings],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def up():
            try:
                return self.run("PING") == "PONG"
            except OSError:
                return False

        wait_until(up, 20, "Redis")

    def run(self, *words):
        """One command; its answer as str, int, list or None."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            parts = [str(word).encode() for word in words]
            connection.sendall(b"*%d\r\n" % len(parts)
                               + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))
            return self.answer(connection.makefile("rb"))

    def answer(self, stream):
        line = stream.readline().rstrip().decode()
        kind, rest = line[0], line[1:]
        if kind == "-":
            raise AssertionError("Redis: " + rest)
        if kind == ":":
            return int(rest)
        if kind == "$":
            return None if rest == "-1" else stream.read(int(rest) + 2)[:-2].decode(errors="replace")
        if kind == "*":
            return [self.answer(stream) for _ in range(int(rest))]
        return rest

    def signal(self, number):
        os.kill(self.process.pid, number)

    def stop(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

#!/usr/bin/env python3
"""A sender with a valid token and bad manners: everything at once, as fast as it goes.

Usage: hostile_sender.py PORT TOKEN SECONDS      Prints what it was answered, by status, as JSON.
"""

import collections
import json
import socket
import struct
import sys
import threading
import time

from harness import field, snappy_block, varint, write_request

SOURCE = "127.0.0.7"  # another host, so far as a server can tell


def request(token, body, length=None, encoding="snappy"):
    return ("POST /api/v1/write HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
            "Content-Type: application/x-protobuf\r\nContent-Encoding: %s\r\n"
            "Content-Length: %d\r\n\r\n" % (token, encoding, length or len(body))).encode() + body


def repeated(size):
    """A valid snappy block of `size` zero bytes: a literal of one and copies of 64, 3 bytes each."""
    copies, rest = divmod(size - 1, 64)
    block = varint(size) + b"\x00\x00" + struct.pack("<BH", 63 << 2 | 2, 1) * copies
    return block + (struct.pack("<BH", (rest - 1) << 2 | 2, 1) if rest else b"")


def bodies(token):
    """What the kinds of attackers send, each again and again."""
    now_ms = int(time.time() * 1000)
    many_samples = write_request([({"__name__": "flood", "n": str(n)},
                                   [(now_ms - 1000 + k, k) for k in range(10)]) for n in range(2000)])
    empty_series = snappy_block(b"\x0a\x00" * 1_000_000)
    deep = snappy_block(field(1, field(1, b"\x0a\x01x" * 100_000)))
    return {
        "valid": lambda: request(token, many_samples),
        "new_series": lambda: request(token, write_request(
            [({"__name__": "churn", "id": "%d-%d" % (time.monotonic_ns(), n)}, [(now_ms, 1)])
             for n in range(500)])),
        "garbage": lambda: request(token, b"\xff" * 3_000_000),
        "bomb_declared": lambda: request(token, varint(0xFFFFFFFF) + b"\x00\x00"),
        "bomb_real": lambda: request(token, repeated(16 << 20)),
        "empty_series": lambda: request(token, empty_series),
        "malformed": lambda: request(token, deep),
        "too_large": lambda: request(token, b"", length=1 << 30),
    }


class Hostile:
    def __init__(self, port, token, seconds):
        self.port, self.token, self.end = port, token, time.monotonic() + seconds
        self.answers = collections.Counter()

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), 5, source_address=(SOURCE, 0))

    def flood(self, make):
        """Sends as fast as it is taken, and never waits as it is told to."""
        connection = None
        while time.monotonic() < self.end:
            try:
                connection = connection or self.connect()
                connection.sendall(make())
                answer = connection.recv(65536)
                self.answers[answer[9:12].decode() or "closed"] += 1
                if not answer or b"Connection: close" in answer:
                    connection.close()
                    connection = None
            except OSError:
                self.answers["broken"] += 1
                if connection:
                    connection.close()
                connection = None

    def drip(self):
        """Many bodies, a byte at a time."""
        connections = []
        while time.monotonic() < self.end:
            try:
                if len(connections) < 30:
                    connections.append(self.connect())
                    connections[-1].sendall(request(self.token, b"", length=4_000_000))
                for connection in connections:
                    connection.sendall(b"x")
            except OSError:
                self.answers["drip_closed"] += 1
                connections = []
            time.sleep(0.02)

    def idle(self):
        """Connections that never ask anything."""
        held = []
        while time.monotonic() < self.end:
            try:
                held.append(self.connect())
            except OSError:
                self.answers["refused"] += 1
            held = held[-400:]
            time.sleep(0.002)

    def run(self):
        kinds = bodies(self.token)
        threads = [threading.Thread(target=self.flood, args=(make,), daemon=True)
                   for make in kinds.values() for _ in range(4)]
        threads += [threading.Thread(target=one, daemon=True) for one in (self.drip, self.idle)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0, self.end - time.monotonic()) + 10)
        print(json.dumps(self.answers))


if __name__ == "__main__":
    Hostile(int(sys.argv[1]), sys.argv[2], float(sys.argv[3])).run()

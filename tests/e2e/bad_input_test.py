#!/usr/bin/env python3
"""Hostile and broken requests: each gets its clear error, the daemon stays up, memory stays bounded."""

import gzip
import json
import socket
import struct
import time
import unittest

from harness import WRITE_HEADERS, World, field, snappy_block, varint, wait_until, write_request

MEMORY_GROWTH_MAX = 64 << 20
NOW_MS = int(time.time() * 1000)
GOOD = write_request([({"__name__": "good", "host": "web1"}, [(NOW_MS, 1.0)])])


def label(name, value):
    return field(1, field(1, name) + field(2, value))


def series(*labels, samples=b""):
    body = b"".join(label(name, value) for name, value in labels)
    return field(1, body + samples)


SAMPLE = field(2, b"\x09" + struct.pack("<d", 1.0) + b"\x10" + varint(NOW_MS))
NAME = (b"__name__", b"m")

# (what, body, headers that replace the usual ones, wanted status, word of the message)
REQUESTS = [
    ("empty body", b"", {}, 400, "snappy"),
    ("not snappy", b"hello, this is not snappy at all", {}, 400, "snappy"),
    ("truncated snappy", GOOD[:-7], {}, 400, "snappy"),
    ("declared 4 GiB", b"\xff\xff\xff\xff\x0f" + b"\x00" * 64, {}, 413, "limit"),
    ("declared length lies", varint(1000) + b"\x00a", {}, 413, "limit"),
    ("truncated protobuf", snappy_block(field(1, b"x" * 40)[:-9]), {}, 400, "protobuf"),
    ("protobuf of another kind", snappy_block(b"\x0d\x01\x02\x03"), {}, 400, "protobuf"),
    ("a million empty series", snappy_block(b"\x0a\x00" * 1_000_000), {}, 400, "__name__"),
    ("no labels", snappy_block(field(1, SAMPLE)), {}, 400, "label"),
    ("no metric name", snappy_block(series((b"a", b"b"), samples=SAMPLE)), {}, 400, "__name__"),
    ("empty label name", snappy_block(series(NAME, (b"", b"b"), samples=SAMPLE)), {}, 400, "label"),
    ("duplicate label", snappy_block(series(NAME, (b"a", b"1"), (b"a", b"2"), samples=SAMPLE)), {},
     400, "twice"),
    ("label value not UTF-8", snappy_block(series(NAME, (b"a", b"\xff\xfe"), samples=SAMPLE)), {},
     400, "UTF-8"),
    ("huge label value", snappy_block(series(NAME, (b"a", b"v" * 70000), samples=SAMPLE)), {},
     413, "limit"),
    ("huge label name", snappy_block(series(NAME, (b"n" * 5000, b"v"), samples=SAMPLE)), {},
     413, "limit"),
    ("too many labels", snappy_block(series(NAME, *[(b"l%03d" % i, b"v") for i in range(300)],
                                            samples=SAMPLE)), {}, 413, "labels"),
    ("reserved metric", snappy_block(series((b"__name__", b"ALERTS"), samples=SAMPLE)), {}, 400,
     "ALERTS"),
    ("reserved prefix", snappy_block(series((b"__name__", b"tocsin_alertd_x"), samples=SAMPLE)), {},
     400, "tocsin_alertd_"),
    ("JSON instead of protobuf", b'{"a":1}', {"Content-Type": "application/json"}, 415, "protobuf"),
    ("unknown protobuf message", GOOD, {"Content-Type": "application/x-protobuf;proto=a.B"}, 415,
     "a.B"),
    ("gzip", gzip.compress(GOOD), {"Content-Encoding": "gzip"}, 415, "snappy"),
    ("no encoding named", GOOD, {"Content-Encoding": None}, 415, "snappy"),
    ("2.0 without symbols", snappy_block(field(5, b"\x0a\x01\x07")),
     {"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request"}, 400, "symbol"),
    ("wrong token", GOOD, {"Authorization": "Bearer tca_wrong"}, 401, "token"),
    ("malformed authorization", GOOD, {"Authorization": "Basic eDp5"}, 401, "token"),
    ("foreign host", write_request([({"__name__": "m", "host": "db9"}, [(NOW_MS, 1.0)])]),
     {"Authorization": "TOKEN"}, 403, "db9"),
]

# (what, request line and headers as bytes, wanted status)
RAW_REQUESTS = [
    ("not HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    ("unknown method", b"BREW /api/v1/write HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    ("header of 64 KiB", b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 65536 + b"\r\n\r\n", 431),
    ("path traversal", b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
    ("bad percent", b"GET /%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 400),
    ("NUL in path", b"GET /a%00b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 400),
    ("negative length", b"POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", 400),
    ("length over the limit", b"POST /api/v1/write HTTP/1.1\r\nHost: x\r\n"
     b"Content-Length: 99999999999\r\n\r\n", 413),
]


class BadInputTest(unittest.TestCase):
    def setUp(self):
        self.world = self.enterContext(World())
        self.world.alertd_config()
        self.world.start_alertd()

    def resident_bytes(self):
        pid = self.world.processes["alertd"].pid
        with open("/proc/%d/status" % pid) as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))

    def add_agent(self, name):
        status, body = self.world.request("POST", "/api/v1/agents", json.dumps({"name": name}),
                                          {"Content-Type": "application/json"})
        self.assertIn(status, (200, 201), body)
        return json.loads(body)["data"]["token"]

    def test_each_bad_request_gets_its_error(self):
        token = self.add_agent("web1")
        self.assertIn(self.world.send_samples(
            [({"__name__": "good", "host": "web1"}, [(NOW_MS, 1.0)])], token)[0], (200, 204))
        base = self.resident_bytes()
        for what, body, changes, wanted, word in REQUESTS:
            with self.subTest(what=what):
                headers = dict(WRITE_HEADERS)
                for name, value in changes.items():
                    if value is None:
                        del headers[name]
                    else:
                        headers[name] = "Bearer " + token if value == "TOKEN" else value
                status, answer = self.world.request("POST", "/api/v1/write", body, headers)
                self.assertEqual(status, wanted, answer)
                self.assertIn(word.lower(), answer.decode().lower())
                self.assertNotIn(token, answer.decode())
        for what, request, wanted in RAW_REQUESTS:
            with self.subTest(what=what):
                self.assertEqual(self.raw_status(request), wanted)
        growth = self.resident_bytes() - base
        print("%d malformed requests, memory grew by %.1f MiB" % (
            len(REQUESTS) + len(RAW_REQUESTS), growth / 2**20))
        self.assertLess(growth, MEMORY_GROWTH_MAX)
        self.assertGreaterEqual(len(REQUESTS) + len(RAW_REQUESTS), 30)
        # Still alive and well.
        self.assertEqual(self.world.get("/-/healthy")[0], 200)
        self.assertIn(self.world.send_samples(
            [({"__name__": "good", "host": "web1"}, [(NOW_MS + 1, 2.0)])], token)[0], (200, 204))
        refused = self.world.get("/metrics")[1].decode()
        self.assertIn('tocsin_alertd_ingest_refused_total{reason="foreign_host"} 1', refused)

    def raw_status(self, request):
        with socket.create_connection(("127.0.0.1", self.world.port), timeout=10) as connection:
            try:
                connection.sendall(request)
            except OSError:
                pass  # it may answer and close before it has read everything
            answer = b""
            while b"\r\n" not in answer:
                try:
                    part = connection.recv(4096)
                except ConnectionResetError:
                    break
                if not part:
                    break
                answer += part
        self.assertTrue(answer.startswith(b"HTTP/1."), answer[:80])
        return int(answer.split()[1])

    def test_many_slow_and_broken_connections_leave_room_for_good_ones(self):
        base = self.resident_bytes()
        half_open = []
        for _ in range(300):
            connection = socket.create_connection(("127.0.0.1", self.world.port), timeout=10)
            connection.sendall(b"POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n")
            half_open.append(connection)
        self.assertEqual(self.world.get("/-/healthy")[0], 200)
        self.assertLess(self.resident_bytes() - base, MEMORY_GROWTH_MAX)
        # A peer that does not finish its header is let go after the header time-out of 5 s.
        first = half_open[0]
        first.settimeout(15)
        answer = wait_until(lambda: first.recv(100) or b"closed", 15, "the time-out")
        self.assertTrue(answer == b"closed" or b" 408 " in answer, answer)
        for connection in half_open:
            connection.close()
        self.assertEqual(self.world.get("/-/healthy")[0], 200)


if __name__ == "__main__":
    unittest.main()

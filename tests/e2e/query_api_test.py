#!/usr/bin/env python3
"""The query API for Prometheus's clients: Grafana, promtool, a Prometheus that reads or federates; and as Prometheus answers."""

import datetime
import gzip
import json
import math
import re
import shlex
import shutil
import subprocess
import time
import unittest
import urllib.parse

import remote_read
from harness import SOURCE, WRITE_HEADERS, World, route_to, wait_until, write_request
from prometheus_server import ask, start_prometheus

RULES = """
[[group]]
name = "shop"

[[group.alert]]
name = "Slow"
expr = 'numbers{kind="big"} > 5'
severity = "critical"
summary = "slow"
"""

STEP, COUNT = 15, 120
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def series(begin):
    """What both servers get: seconds `begin`, then every 15 s for half an hour."""
    times = [(begin + STEP * i) * 1000 for i in range(COUNT)]
    out = []
    for job in ("a", "b"):
        for number in range(3):
            labels = {"__name__": "http_requests_total", "job": job, "instance": "h%d:80" % number, "code": "200"}
            out.append((labels, [(at, i * (number + 1.0)) for i, at in enumerate(times)]))
    numbers = {"nan": math.nan, "inf": math.inf, "ninf": -math.inf, "e21": 1e21, "em7": 1e-7, "tenth": 0.1,
               "big": 123456789.0, "e20": 1e20, "denorm": 5e-324, "third": 1 / 3}
    for kind, value in numbers.items():
        out.append(({"__name__": "numbers", "kind": kind}, [(at, value) for at in times]))
    for number, le in enumerate(("0.1", "1", "+Inf")):
        out.append(({"__name__": "lat_bucket", "le": le}, [(at, (number + 1.0) * i) for i, at in enumerate(times)]))
    out.append(({"__name__": "odd", "q": 'a"b\\c\n\u00e9<>&\u2028\x01'}, [(at, 1.0) for at in times]))
    return out


class Request:
    """One block of a *.requests file; see tests/data/api/README.md."""

    def __init__(self, where, line, begin):
        self.where = where
        self.method, self.path, *pairs = shlex.split(self.fill(line, begin))
        self.headers, self.wanted, self.status, self.prometheus = {}, [], 200, None
        pairs = [pair.partition("=")[::2] for pair in pairs]
        self.url = [(name[1:], value) for name, value in pairs if name.startswith("?")]
        self.form = [(name, value) for name, value in pairs if not name.startswith("?")]
        if self.method == "GET":
            self.url, self.form = self.url + self.form, []

    @staticmethod
    def fill(text, begin):
        def rfc(match):
            return datetime.datetime.fromtimestamp(begin, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        text = re.sub(r"\$RFC", rfc, text)
        return re.sub(r"\$T(?:\+(\d+))?", lambda match: str(begin + int(match[1] or 0)), text)

    def add(self, line):
        if line.startswith("header "):
            name, _, value = line[7:].partition(": ")
            self.headers[name] = value
        elif line.startswith("status "):
            self.status = int(line[7:])
        elif line.startswith("prometheus: "):
            self.prometheus = int(line.split()[1])
        else:
            self.wanted.append(line)

    def send(self, port):
        path = self.path + ("?" + urllib.parse.urlencode(self.url) if self.url else "")
        body = urllib.parse.urlencode(self.form) if self.method == "POST" else None
        status, headers, answer = ask(port, self.method, path, body,
                                      dict(FORM if body is not None else {}, **self.headers))
        if headers.get("content-encoding") == "gzip":
            answer = gzip.decompress(answer)
        try:
            return status, json.loads(answer)
        except ValueError:
            return status, answer.decode()


def read_requests(name, begin):
    requests = []
    for number, line in enumerate((SOURCE / "tests/data/api" / name).read_text().splitlines(), 1):
        if line.startswith(" "):
            requests[-1].add(line.strip())
        elif line and not line.startswith("#"):
            requests.append(Request("%s:%d" % (name, number), line, begin))
    return requests


def at_place(answer, place):
    for part in re.findall(r"[^.\[\]]+", place):
        answer = answer[int(part) if part.isdigit() else part]
    return answer


def newest_of(text):
    """{(name, labels): (value, time)} of a text exposition."""
    out = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            key, value, at = line.rsplit(" ", 2)
            out[key] = (str(float(value)), int(at))
    return out


class QueryApiTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = cls.enterClassContext(World())
        cls.world.alertd_config(RULES, route_to("http://127.0.0.1:9/s3cret", ["alertname"]))
        cls.world.start_alertd()
        cls.prometheus = start_prometheus(cls.world, "global: {scrape_interval: 15s}\n")
        cls.begin = int(time.time()) // 60 * 60 - 3600
        body = write_request(series(cls.begin))
        for port in (cls.world.port, cls.prometheus):
            status, _, answer = ask(port, "POST", "/api/v1/write", body, WRITE_HEADERS)
            assert status == 204, answer
        # Prometheus 2.42 takes no such names.
        status, _ = cls.world.send_samples([
            ({"__name__": "utf8_total", "http.status": "200"}, [(cls.begin * 1000, 1)])])
        assert status == 204

    def test_the_same_answers_as_prometheus(self):
        for request in read_requests("parity.requests", self.begin):
            with self.subTest(request.where):
                status, ours = request.send(self.world.port)
                theirs_status, theirs = request.send(self.prometheus)
                self.assertEqual(status, request.status, ours)
                self.assertEqual(theirs_status, request.prometheus or request.status, theirs)
                self.check_places(request, ours)
                if request.prometheus or not isinstance(theirs, dict):
                    continue
                if status != 200:
                    self.assertEqual(ours["errorType"], theirs["errorType"])
                else:
                    ours["data"].pop("droppedTargetCounts", None) if isinstance(ours["data"], dict) else None
                    self.assertEqual(ours, theirs)

    def check_places(self, request, answer):
        for line in request.wanted:
            if line.endswith(" exists"):
                at_place(answer, line[:-7])
            elif " has " in line:
                place, _, size = line.rpartition(" has ")
                self.assertEqual(len(at_place(answer, place)), int(size), line)
            else:
                place, _, value = line.partition(" = ")
                self.assertEqual(at_place(answer, place), json.loads(value), line)

    def test_what_grafana_asks(self):
        for request in read_requests("grafana.requests", self.begin):
            with self.subTest(request.where):
                status, answer = request.send(self.world.port)
                self.assertEqual(status, request.status, answer)
                self.assertEqual(answer["status"], "success" if status == 200 else "error")
                self.check_places(request, answer)

    def test_promtool(self):
        if not shutil.which("promtool"):
            self.skipTest("Debian's promtool is not installed")

        def promtool(*arguments):
            outputs = []
            for port in (self.world.port, self.prometheus):
                server = "http://127.0.0.1:%d" % port
                command = [part.replace("URL", server) for part in arguments]
                done = subprocess.run(["promtool", "query", *command], capture_output=True, text=True, timeout=30)
                self.assertEqual(done.returncode, 0, done.stderr)
                outputs.append(done.stdout)
            self.assertEqual(outputs[0], outputs[1])
            return outputs[0]
        begin, end = str(self.begin + 100.5), str(self.begin + 600.5)
        self.assertIn("http_requests_total", promtool("instant", "--time", end, "URL", "http_requests_total"))
        self.assertIn("@[", promtool("range", "--start", begin, "--end", end, "--step", "60s", "URL",
                                     "rate(http_requests_total[1m])"))
        self.assertIn("job", promtool("series", "--match", "http_requests_total", "--start", begin, "--end", end,
                                      "URL"))
        labels = subprocess.run(["promtool", "query", "labels", "http://127.0.0.1:%d" % self.world.port, "job"],
                                capture_output=True, text=True, timeout=30)
        self.assertEqual(labels.returncode, 0, labels.stderr)
        self.assertIn("a\nb\n", labels.stdout)

    # --- remote read

    def test_remote_read_as_prometheus_answers_it(self):
        begin, end = self.begin * 1000, (self.begin + STEP * COUNT) * 1000
        queries = [
            (begin, end, [(remote_read.RE, "__name__", "http_requests_total|odd"), (remote_read.NEQ, "job", "b")]),
            (begin, begin + 60_000, [(remote_read.EQ, "__name__", "numbers")]),
            (begin, end, [(remote_read.EQ, "__name__", "nothing")]),
            (begin + 1, end, [(remote_read.NRE, "kind", "n.*|"), (remote_read.EQ, "__name__", "numbers")]),
        ]
        body = remote_read.read_request(queries, [])
        answers = [remote_read.post(port, body) for port in (self.world.port, self.prometheus)]
        for status, headers, _ in answers:
            self.assertEqual((status, headers["content-type"], headers["content-encoding"]),
                             (200, "application/x-protobuf", "snappy"))
        ours, theirs = [remote_read.sampled(answer[2], len(queries)) for answer in answers]
        self.assertEqual(ours, theirs)
        self.assertEqual([len(result) for result in ours], [4, 10, 0, 8])

        body = remote_read.read_request(queries, [remote_read.STREAMED, remote_read.SAMPLES])
        answers = [remote_read.post(port, body) for port in (self.world.port, self.prometheus)]
        self.assertEqual(answers[0][1]["content-type"], answers[1][1]["content-type"])
        self.assertNotIn("content-encoding", answers[0][1])
        self.assertEqual(remote_read.streamed(answers[0][2], len(queries)), ours)
        # Prometheus sends whole chunks, cut where it likes; asked for the samples of one, we send the same bytes.
        chunks = []
        remote_read.streamed(answers[1][2], len(queries), chunks)
        self.assertGreater(len(chunks), 10)
        for labels, chunk in chunks[:12]:
            samples = remote_read.xor_samples(chunk)
            matchers = [(remote_read.EQ, name, value) for name, value in labels.items()]
            body = remote_read.read_request([(samples[0][0], samples[-1][0], matchers)], [remote_read.STREAMED])
            same = []
            remote_read.streamed(remote_read.post(self.world.port, body)[2], 1, same)
            self.assertEqual(same, [(labels, chunk[:len(same[0][1])])])
            self.assertIn(chunk[len(same[0][1]):], (b"", b"\0"))  # Prometheus may leave a byte begun

    def test_remote_read_refuses(self):
        for body in (b"", b"\xff" * 50, remote_read.read_request([(0, 1, [(remote_read.RE, "a", "(")])], []),
                     remote_read.read_request([(0, 1, [(7, "a", "b")])], []),
                     remote_read.read_request([(0, 1, [(0, "a", "b")])] * 65, [])):
            self.assertEqual(remote_read.post(self.world.port, body)[0], 400)

    def test_a_prometheus_that_reads_from_alertd(self):
        port = start_prometheus(self.world, """
remote_read:
  - url: http://127.0.0.1:%d/api/v1/read
    read_recent: true
""" % self.world.port, "reader")
        compared = 0
        for query in ("http_requests_total", "rate(http_requests_total[2m])", "sum by (job) (http_requests_total)",
                      "numbers", "odd", "histogram_quantile(0.5, rate(lat_bucket[2m]))", "count(numbers)",
                      'http_requests_total{job=~"a|c",instance!="h0:80"}', "absent(nothing)",
                      "max_over_time(http_requests_total[5m:1m])", "http_requests_total offset 3m",
                      'topk(1, http_requests_total{job="b"})', "changes(http_requests_total[3m])"):
            for path, times in (("/api/v1/query", {"time": self.begin + 900.5}),
                                ("/api/v1/query_range", {"start": self.begin + 300.5, "end": self.begin + 1200.5,
                                                         "step": 45})):
                with self.subTest(query, path=path):
                    url = path + "?" + urllib.parse.urlencode(dict(times, query=query))
                    ours, theirs = [json.loads(ask(one, "GET", url)[2]) for one in (self.world.port, port)]
                    ours.pop("infos", None)
                    self.assertEqual(theirs["status"], "success", theirs)
                    self.assertEqual(self.sorted(ours["data"]), self.sorted(theirs["data"]))
                    compared += len(ours["data"]["result"])
        self.assertGreater(compared, 80)

    @staticmethod
    def sorted(data):
        return data["resultType"], sorted(data["result"], key=lambda one: json.dumps(one["metric"], sort_keys=True))

    # --- federation

    def send_fresh(self, *ports):
        now_ms = int(time.time() * 1000)
        body = write_request([
            ({"__name__": "fresh", "q": 'a"b\\c\n\u00e9', "job": "x", "instance": "i"}, [(now_ms, 0.25)]),
            ({"__name__": "fresh", "job": "y"}, [(now_ms - 10, 1.0), (now_ms, 1234567.0)]),
            ({"__name__": "fresh_other"}, [(now_ms, math.inf)]),
        ])
        for port in ports:
            status, _, answer = ask(port, "POST", "/api/v1/write", body, WRITE_HEADERS)
            self.assertEqual(status, 204, answer)

    def test_federation(self):
        self.send_fresh(self.world.port, self.prometheus)
        path = "/federate?" + urllib.parse.urlencode([("match[]", "fresh"), ("match[]", '{__name__=~"fresh.*"}')])
        (status, headers, ours), (_, _, theirs) = [ask(port, "GET", path) for port in (self.world.port,
                                                                                       self.prometheus)]
        self.assertEqual(status, 200)
        self.assertEqual(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
        self.assertEqual(newest_of(ours.decode()), newest_of(theirs.decode()))
        self.assertEqual(len(newest_of(ours.decode())), 3)

        port = start_prometheus(self.world, """
scrape_configs:
  - job_name: federate
    honor_labels: true
    scrape_interval: 1s
    metrics_path: /federate
    params:
      "match[]": ['{__name__=~"fresh.*"}', 'up']
    static_configs: [{targets: ["127.0.0.1:%d"]}]
""" % self.world.port, "federator")

        def scraped():
            self.send_fresh(self.world.port)
            answer = json.loads(ask(port, "GET", "/api/v1/query?query=fresh")[2])
            return answer["data"]["result"]
        found = wait_until(scraped, 20, "the federating prometheus")
        self.assertEqual({tuple(sorted(one["metric"].items())): one["value"][1] for one in found}, {
            (("__name__", "fresh"), ("instance", "i"), ("job", "x"), ("q", 'a"b\\c\n\u00e9')): "0.25",
            (("__name__", "fresh"), ("job", "y")): "1234567"})
        targets = json.loads(ask(port, "GET", "/api/v1/targets")[2])["data"]["activeTargets"]
        self.assertEqual([(one["health"], one["lastError"]) for one in targets], [("up", "")])

    # --- around them

    def test_compressed_for_who_asks(self):
        path = "/api/v1/query_range?" + urllib.parse.urlencode({
            "query": "http_requests_total", "start": self.begin, "end": self.begin + 1800, "step": 1})
        plain = ask(self.world.port, "GET", path)
        packed = ask(self.world.port, "GET", path, headers={"Accept-Encoding": "gzip"})
        self.assertNotIn("content-encoding", plain[1])
        self.assertEqual(packed[1]["content-encoding"], "gzip")
        self.assertEqual(gzip.decompress(packed[2]), plain[2])
        print("range query: %d bytes, %d compressed" % (len(plain[2]), len(packed[2])))

    def test_what_the_server_says_of_itself(self):
        config = self.world.get_json("/api/v1/status/config")["data"]["yaml"]
        self.assertIn('"listen": "127.0.0.1:%d"' % self.world.port, config)
        self.assertIn('"url": "<hidden>"', config)
        self.assertNotIn("s3cret", config)
        self.assertEqual(self.world.get_json("/api/v1/status/flags")["data"]["query.timeout"], "30s")

        self.world.tocsin("agent", "add", "web1")
        now_ms = int(time.time() * 1000)
        self.world.send_samples([({"__name__": "up", "job": "shop", "instance": "s:80"}, [(now_ms, 1.0)]),
                                 ({"__name__": "scrape_duration_seconds", "job": "shop", "instance": "s:80"},
                                  [(now_ms, 0.25)])])
        targets = {one["scrapePool"]: one
                   for one in self.world.get_json("/api/v1/targets")["data"]["activeTargets"]}
        self.assertEqual(targets["agents"]["labels"], {"host": "web1", "job": "agents"})
        self.assertEqual(targets["agents"]["health"], "up")  # waited for since it was enrolled
        self.assertEqual(targets["shop"]["labels"], {"instance": "s:80", "job": "shop"})
        self.assertEqual((targets["shop"]["health"], targets["shop"]["lastScrapeDuration"]), ("up", 0.25))

    def test_the_command_line(self):
        table = self.world.tocsin("query", "http_requests_total", "--time", self.begin + 60).stdout
        self.assertIn("http_requests_total", table)
        csv = self.world.tocsin("query", "http_requests_total{job='a'}", "--start", self.begin, "--end",
                                self.begin + 60, "--step", "15s", "-o", "csv").stdout.splitlines()
        self.assertEqual(csv[0], "time,value,__name__,code,instance,job")
        self.assertEqual(len(csv), 1 + 3 * 5)
        data = json.loads(self.world.tocsin("query", "1 + 1", "-o", "json").stdout)
        self.assertEqual(data["result"][1], "2")


if __name__ == "__main__":
    unittest.main()

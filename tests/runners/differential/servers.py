"""Both servers on loopback with the same samples, and a client for their common query API."""

import http.client
import json
import pathlib
import sys
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "e2e"))
import harness  # noqa: E402

ALERTD = """
[server]
listen = "127.0.0.1:%(port)d"

[store]
path = "%(folder)s/store"
retention = "36500d"  # the samples are of 2024
fsync = "interval"

[promql]
experimental_functions = true

[rules]
paths = ["%(folder)s/rules"]
"""


class Client:
    """One connection, kept alive. ask() returns (error or None, result type, result, warnings)."""

    def __init__(self, port):
        self.port = port
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def post(self, path, body, headers):
        self.connection.request("POST", path, body=body, headers=headers)
        response = self.connection.getresponse()
        return response.status, response.read()

    def ask(self, path, **parameters):
        status, body = self.post(path, urllib.parse.urlencode(parameters),
                                 {"Content-Type": "application/x-www-form-urlencoded"})
        try:
            answer = json.loads(body)
        except ValueError:
            raise AssertionError("HTTP %d, not JSON: %r" % (status, body[:500]))
        if answer["status"] != "success":
            if status not in (400, 422):
                raise AssertionError("HTTP %d: %r for %r" % (status, body[:500], parameters))
            return Answer(answer["error"], None, None)
        return Answer(None, answer["data"]["resultType"], answer["data"]["result"])

    def instant(self, expr, at):
        return self.ask("/api/v1/query", query=expr, time=repr(at))

    def range(self, expr, begin, end, step):
        return self.ask("/api/v1/query_range", query=expr, start=repr(begin), end=repr(end), step=str(step))

    def write(self, series):
        for begin in range(0, len(series), 200):
            status, body = self.post("/api/v1/write", harness.write_request(series[begin:begin + 200]),
                                     harness.WRITE_HEADERS)
            if status not in (200, 204):
                raise AssertionError("remote write: HTTP %d: %r" % (status, body[:500]))


class Answer:
    """What a server said: an error, or a result in one shape for all types.

    `value` is {labels: [(time, number)]} for vectors and matrices, a number for a scalar, else the text;
    `order` are the numbers of a vector as they came.
    """

    def __init__(self, error, kind, result):
        self.error = error
        self.kind = kind
        self.order = []
        if kind == "vector":
            self.value = {key(one): [point(one["value"])] for one in result}
            self.order = [point(one["value"])[1] for one in result]
            self.doubled = len(self.value) != len(result)
        elif kind == "matrix":
            self.value = {key(one): [point(p) for p in one["values"]] for one in result}
            self.doubled = len(self.value) != len(result)
        else:
            self.value = point(result) if kind == "scalar" else result
            self.doubled = False

    def empty(self):
        return self.error is None and not self.value

    def short(self):
        if self.error is not None:
            return "error: " + self.error
        if isinstance(self.value, dict):
            return "%s of %d" % (self.kind, len(self.value))
        return "%s %r" % (self.kind, self.value)


def key(one):
    return tuple(sorted(one["metric"].items()))


def point(pair):
    return pair[0], float(pair[1])


class Pair:
    """Debian's prometheus and our alertd with the same samples. Use as a context manager."""

    def __init__(self, series_slices):
        self.world = harness.World()
        try:
            self.start()
            for part in series_slices:
                self.theirs.write(part)
                self.ours.write(part)
        except BaseException:
            self.world.__exit__(None)
            raise

    def start(self):
        world = self.world
        world.write("rules/none.toml", "")
        world.write("alertd.toml", ALERTD % {"port": world.port, "folder": world.folder})
        world.write("prometheus.yml", "global: {}\n")
        port = harness.free_port()
        world.start("prometheus", "prometheus", "--config.file=prometheus.yml",
                    "--storage.tsdb.path=prometheus-data", "--storage.tsdb.retention.time=100y",
                    "--web.enable-remote-write-receiver", "--web.listen-address=127.0.0.1:%d" % port,
                    "--query.max-samples=50000000", "--log.level=warn")
        world.start_alertd()
        self.ours = Client(world.port)
        self.theirs = Client(port)
        harness.wait_until(self.prometheus_ready, 30, "prometheus to be ready")

    def prometheus_ready(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.theirs.port, timeout=5)
        try:
            connection.request("GET", "/-/ready")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.world.__exit__(*failure)

"""What every end-to-end test needs: a folder, free ports, the real programs, receivers, patience.

Everything runs on loopback, in one temporary folder, and is stopped by pid when the test ends.
"""

import base64
import contextlib
import http.client
import http.server
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse

BIN = pathlib.Path(os.environ.get("TOCSIN_BIN_DIR", "build/dev/bin"))
SOURCE = pathlib.Path(os.environ.get("TOCSIN_SOURCE_DIR", ".")).resolve()
DEBIAN_PYTHON = "/usr/bin/python3"  # sees Debian's modules, such as aiosmtpd


# Programs built under a sanitizer say what they found in their log; that fails the test.
SANITIZER_REPORT = re.compile(r"(Address|Leak|Thread|UndefinedBehavior)Sanitizer|runtime error:")
LOG_BYTES_MAX = 8 << 20  # A test may grow a file without end; reports are at the beginning or the end.


def log_text(path):
    """The file's text; of one larger than LOG_BYTES_MAX, its two ends."""
    half = LOG_BYTES_MAX // 2
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(LOG_BYTES_MAX if size <= LOG_BYTES_MAX else half)
        if size > LOG_BYTES_MAX:
            file.seek(size - half)
            data += b"\n... %d bytes are not shown ...\n" % (size - LOG_BYTES_MAX) + file.read(half)
    return data.decode(errors="replace")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, seconds, what):
    """Returns the first true value of `condition()`; fails the test after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("waited %g s for %s" % (seconds, what))
        time.sleep(0.02)


# --- Prometheus remote write, by hand, so that the server is not tested against its own encoder --------


def varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def snappy_block(data):
    """The snappy block format with literals only: valid, just not small."""
    out = bytearray(varint(len(data)))
    for begin in range(0, len(data), 65536):
        part = data[begin:begin + 65536]
        out += struct.pack("<BH", 61 << 2, len(part) - 1) + part
    return bytes(out)


def write_request(series):
    """Encodes remote write 1.0; `series` is a list of (labels dict, [(timestamp_ms, value), ...])."""
    body = b""
    for labels, samples in series:
        one = b""
        for name in sorted(labels):
            one += field(1, field(1, name.encode()) + field(2, labels[name].encode()))
        for timestamp_ms, value in samples:
            one += field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + varint(timestamp_ms))
        body += field(1, one)
    return snappy_block(body)


WRITE_HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}


# --- receivers ------------------------------------------------------------------------------------------


class HookReceiver:
    """An HTTP receiver that keeps what it gets; answers `status`, or closes without an answer."""

    def __init__(self, status=200, address="127.0.0.1"):
        receiver = self
        self.requests = []  # dicts: time, path, headers (lower-case names), body (parsed JSON)
        self.status = status

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                receiver.requests.append({
                    "time": time.time(),
                    "path": self.path,
                    "headers": {name.lower(): value for name, value in self.headers.items()},
                    "raw": body,
                    "body": json.loads(body or b"null"),
                })
                self.send_response(receiver.status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer((address, 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = "http://127.0.0.1:%d/hook" % self.port
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def distinct(self):
        """What a receiver that honours the idempotency key would have acted on."""
        seen = {}
        for request in self.requests:
            seen.setdefault(request["headers"].get("idempotency-key"), request)
        return list(seen.values())


def route_to(url, group_by):
    """The part of alertd.toml that sends everything to one webhook, at once."""
    return """
[[receiver]]
name = "ops"
[[receiver.webhook]]
name = "hook"
url = "%s"

[route]
receiver = "ops"
group_by = %s
group_wait = "0s"
group_interval = "1s"
""" % (url, json.dumps(group_by))


class World:
    """One temporary folder with the programs in it. Use as a context manager."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tocsin-e2e-"))
        self.processes = {}
        self.cleanups = []
        self.port = free_port()
        self.url = "http://127.0.0.1:%d" % self.port

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        # Clients first: the last started may still want to tell the first something.
        for name in reversed(list(self.processes)):
            self.stop(name)
        for cleanup in reversed(self.cleanups):
            cleanup()
        reports = [log.name for log in self.folder.glob("*.log") if SANITIZER_REPORT.search(log_text(log))]
        if reports or (failure and failure[0]):
            for log in sorted(self.folder.glob("*.log")):
                print("--- %s\n%s" % (log.name, log_text(log)[-4000:]))
        shutil.rmtree(self.folder, ignore_errors=True)
        if reports:
            raise AssertionError("sanitizer reports in " + ", ".join(reports))

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def start(self, name, *command, env=None):
        log = open(self.folder / (name + ".log"), "ab")
        process = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log,
                                   cwd=self.folder, env=dict(os.environ, **(env or {})))
        log.close()
        self.processes[name] = process
        return process

    def stop(self, name, number=signal.SIGTERM, seconds=10):
        process = self.processes.pop(name, None)
        if process is None:
            return None
        if process.poll() is None:
            process.send_signal(number)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise AssertionError("%s did not stop within %g s" % (name, seconds))
        return process.returncode

    def log(self, name):
        path = self.folder / (name + ".log")
        return log_text(path) if path.exists() else ""

    # --- the programs

    @staticmethod
    def bin(name):
        return BIN / name

    def alertd_config(self, rules="", extra=""):
        self.write("rules/test.toml", rules)
        return self.write("alertd.toml", """
[server]
listen = "127.0.0.1:%d"

[store]
path = "%s/store"

[rules]
paths = ["%s/rules"]
interval = "1s"
%s""" % (self.port, self.folder, self.folder, extra))

    def start_alertd_process(self):
        return self.start("alertd", BIN / "tocsin-alertd", "--config", self.folder / "alertd.toml")

    def start_alertd(self, ready_within=20):
        self.start_alertd_process()

        def ready():
            if self.processes["alertd"].poll() is not None:
                raise AssertionError("alertd ended:\n" + self.log("alertd")[-4000:])
            return self.get("/-/ready")[0] == 200

        wait_until(ready, ready_within, "alertd to be ready")

    def start_alertd_expecting_exit(self, code):
        process = self.start_alertd_process()
        wanted = process.wait(20)
        del self.processes["alertd"]
        if wanted != code:
            raise AssertionError("alertd: exit %d, wanted %d" % (wanted, code))

    def agent_config(self, extra="", agent='interval = "1s"', port=None):
        return self.write("agent.toml", """
[agent]
host = "testhost"
%s

[alertd]
url = "http://127.0.0.1:%d"

[spool]
path = "%s/spool"
%s""" % (agent, port or self.port, self.folder, extra))

    def start_agent(self):
        self.start("agent", BIN / "tocsin-agent", "--config", self.folder / "agent.toml")

    def tocsin(self, *arguments, check=True):
        done = subprocess.run([str(BIN / "tocsin"), "--server", self.url, *map(str, arguments)],
                              capture_output=True, text=True, timeout=60)
        if check and done.returncode != 0:
            raise AssertionError("tocsin %s: exit %d\n%s%s" % (arguments, done.returncode,
                                                              done.stdout, done.stderr))
        return done

    # --- HTTP

    def request(self, method, path, body=None, headers=None, timeout=10):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        with contextlib.closing(connection):
            try:
                connection.request(method, path, body=body, headers=headers or {})
                response = connection.getresponse()
                return response.status, response.read()
            except (OSError, http.client.HTTPException):
                return 0, b""

    def get(self, path):
        return self.request("GET", path)

    def get_json(self, path):
        status, body = self.get(path)
        if status != 200:
            raise AssertionError("GET %s: %d %r" % (path, status, body[:500]))
        return json.loads(body)

    def query(self, expr, at=None):
        """Returns {labels as a sorted tuple: value} of an instant vector."""
        path = "/api/v1/query?query=" + urllib.parse.quote(expr)
        if at is not None:
            path += "&time=%f" % at
        result = self.get_json(path)["data"]["result"]
        return {tuple(sorted(one["metric"].items())): float(one["value"][1]) for one in result}

    def send_samples(self, series, token=None):
        headers = dict(WRITE_HEADERS)
        if token:
            headers["Authorization"] = "Bearer " + token
        return self.request("POST", "/api/v1/write", write_request(series), headers)

    # --- a mail server with STARTTLS and AUTH

    def start_smtp(self, user="tocsin", password="s3cret-mail"):
        """Returns (port, certificate file, folder where mails arrive as N.eml) or skips the test."""
        if subprocess.run([DEBIAN_PYTHON, "-c", "import aiosmtpd"], capture_output=True).returncode:
            raise unittest.SkipTest("Debian's python3-aiosmtpd is not installed")
        certificate, key = self.certificate("smtp")
        mails = self.folder / "mails"
        mails.mkdir()
        port = free_port()
        self.start("smtp", DEBIAN_PYTHON, SOURCE / "tests/e2e/smtp_server.py", port, certificate, key,
                   user, password, mails)
        wait_until(lambda: listening(port), 15, "the mail server")
        return port, certificate, mails

    def certificate(self, name):
        certificate, key = self.folder / (name + ".crt"), self.folder / (name + ".key")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                        "-keyout", key, "-out", certificate], check=True, capture_output=True)
        key.chmod(0o600)
        return certificate, key


def probe_rules(summary):
    """Rules that fire for each series of Probes above 5."""
    return """
[[group]]
name = "probe"
interval = "1s"

[[group.alert]]
name = "ProbeHigh"
expr = 'probe_value > 5'
severity = "critical"
summary = "%s"
""" % summary


class Probes(threading.Thread):
    """Sends `metric` ten times a second, one series for each entry of `values` (item -> value)."""

    def __init__(self, world, metric="probe_value", label="item"):
        super().__init__(daemon=True)
        self.world = world
        self.metric = metric
        self.label = label
        self.values = {}
        self.stopping = threading.Event()
        world.cleanups.append(self.stopping.set)
        self.start()

    def run(self):
        while not self.stopping.wait(0.1):
            now_ms = int(time.time() * 1000)
            self.world.send_samples([({"__name__": self.metric, self.label: item}, [(now_ms, value)])
                                     for item, value in list(self.values.items())])


def listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def basic_auth(user, password):
    return "Basic " + base64.b64encode(("%s:%s" % (user, password)).encode()).decode()

"""Debian's RabbitMQ with its management API, in a folder and on ports of the test's own; and a worker for it.

Nothing is shared with another RabbitMQ on the machine: node name, cookie, epmd and all folders are the test's.
"""

import base64
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import unittest
import urllib.parse

from harness import free_port, wait_until

CONFIG = """
listeners.tcp.1 = 127.0.0.1:%(amqp)d
management.tcp.ip = 127.0.0.1
management.tcp.port = %(api)d
default_user = admin
default_pass = s3cret-admin
default_user_tags.administrator = true
disk_free_limit.absolute = 1MB
collect_statistics_interval = 1000
"""


class RabbitServer:
    """Takes some ten seconds to start; one for all tests of a file."""

    def __init__(self):
        folder = pathlib.Path("/usr/lib/rabbitmq/bin")
        if not (folder / "rabbitmq-server").exists():
            raise unittest.SkipTest("RabbitMQ is not installed (packaging/install-deps --tests)")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tocsin-rabbitmq-"))
        self.amqp, self.port, self.epmd = free_port(), free_port(), free_port()
        node = "tocsin%d@localhost" % self.amqp
        self.environment = dict(
            os.environ, HOME=str(self.folder), ERL_EPMD_PORT=str(self.epmd), ERL_EPMD_ADDRESS="127.0.0.1",
            RABBITMQ_NODENAME=node, RABBITMQ_NODE_PORT=str(self.amqp), RABBITMQ_NODE_IP_ADDRESS="127.0.0.1",
            RABBITMQ_DIST_PORT=str(free_port()), RABBITMQ_MNESIA_BASE=str(self.folder / "mnesia"),
            RABBITMQ_LOG_BASE=str(self.folder / "log"), RABBITMQ_PID_FILE=str(self.folder / "pid"),
            RABBITMQ_ENABLED_PLUGINS_FILE=str(self.folder / "plugins"),
            RABBITMQ_CONFIG_FILE=str(self.folder / "rabbitmq"), RABBITMQ_CONF_ENV_FILE="/dev/null",
            RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none")
        (self.folder / "plugins").write_text("[rabbitmq_management].")
        (self.folder / "rabbitmq.conf").write_text(CONFIG % {"amqp": self.amqp, "api": self.port})
        # An epmd of its own, in the foreground: one that Erlang starts stays behind.
        self.names = subprocess.Popen(["epmd", "-port", str(self.epmd), "-address", "127.0.0.1"],
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.environment)
        with open(self.folder / "out", "ab") as log:
            self.process = subprocess.Popen([folder / "rabbitmq-server"], cwd=self.folder, env=self.environment,
                                            stdout=log, stderr=log, start_new_session=True)
        wait_until(lambda: self.api("GET", "/overview", fails=True), 90, "RabbitMQ")

    def api(self, method, path, body=None, fails=False):
        """Calls the management API as its administrator; None if it fails and may."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            try:
                connection.request(method, "/api" + path, json.dumps(body) if body is not None else None,
                                   {"Authorization": "Basic " + base64.b64encode(b"admin:s3cret-admin").decode(),
                                    "Content-Type": "application/json"})
                response = connection.getresponse()
                text = response.read()
            except OSError:
                if fails:
                    return None
                raise
        if response.status >= 300:
            if fails:
                return None
            raise AssertionError("%s %s: %d %r" % (method, path, response.status, text))
        return json.loads(text) if text else True

    def add_user(self, name, password, tags, enters="/"):
        """`enters`: a vhost that it is let into, without any right there."""
        self.api("PUT", "/users/" + name, {"password": password, "tags": tags})
        if enters:
            self.api("PUT", "/permissions/%s/%s" % (urllib.parse.quote(enters, ""), name),
                     {"configure": "^$", "write": "^$", "read": "^$"})

    def declare(self, queue, vhost="/", **arguments):
        self.api("PUT", "/queues/%s/%s" % (urllib.parse.quote(vhost, ""), queue),
                 {"durable": True, "arguments": {name.replace("_", "-"): value for name, value in arguments.items()}})

    def declare_dramatiq(self, queue):
        """The three queues that Dramatiq declares, with its arguments."""
        letters = {"x_dead_letter_exchange": "", "x_dead_letter_routing_key": queue + ".XQ"}
        self.declare(queue, **letters)
        self.declare(queue + ".DQ", **letters)
        self.declare(queue + ".XQ", x_message_ttl=604800000)

    def publish(self, queue, number, vhost="/", **properties):
        for _ in range(number):
            done = self.api("POST", "/exchanges/%s/amq.default/publish" % urllib.parse.quote(vhost, ""),
                            {"properties": {"delivery_mode": 2, **properties}, "routing_key": queue, "payload": '{"args": ["secret"]}',
                             "payload_encoding": "string"})
            assert done["routed"], queue

    def control(self, *words):
        done = subprocess.run(["/usr/lib/rabbitmq/bin/rabbitmqctl", *words], env=self.environment, cwd=self.folder,
                              capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise AssertionError("rabbitmqctl %s: %s%s" % (words, done.stdout, done.stderr))

    def signal(self, number):
        os.killpg(self.process.pid, number)

    def stop(self):
        with contextlib.suppress(ProcessLookupError):
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGKILL)
        self.process.wait()
        self.names.kill()
        self.names.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def short(text):
    return bytes([len(text)]) + text.encode()


class RabbitWorker:
    """A consumer on some queues, as a task queue's worker has: AMQP 0-9-1, as little of it as that takes.

    It takes messages up to its prefetch and holds them, until finish() or give_up() says what becomes of them.
    """

    def __init__(self, server, queues, prefetch=2):
        """`queues`: name -> messages that it takes at once."""
        self.socket = socket.create_connection(("127.0.0.1", server.amqp), timeout=20)
        self.stream = self.socket.makefile("rb")
        self.lock = threading.Lock()
        self.held = {queue: [] for queue in queues}
        self.channels = {}
        self.socket.sendall(b"AMQP\x00\x00\x09\x01")
        self.expect(10, 10)
        login = b"\0admin\0s3cret-admin"
        self.method(0, 10, 11, struct.pack(">I", 0) + short("PLAIN") + struct.pack(">I", len(login)) + login
                    + short("en_US"))
        self.expect(10, 30)
        self.method(0, 10, 31, struct.pack(">HIH", 100, 131072, 0))
        self.method(0, 10, 40, short("/") + short("") + b"\0")
        self.expect(10, 41)
        for number, (queue, most) in enumerate(queues.items(), 1):
            self.channels[number] = queue
            self.method(number, 20, 10, short(""))
            self.expect(20, 11)
            self.method(number, 60, 10, struct.pack(">IHB", 0, most, 0))
            self.expect(60, 11)
            self.method(number, 60, 20, struct.pack(">H", 0) + short(queue) + short("worker") + b"\0"
                        + struct.pack(">I", 0))
        self.socket.settimeout(None)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def method(self, channel, kind, number, arguments):
        payload = struct.pack(">HH", kind, number) + arguments
        with self.lock:
            self.socket.sendall(struct.pack(">BHI", 1, channel, len(payload)) + payload + b"\xce")

    def frame(self):
        head = self.stream.read(7)
        if len(head) < 7:
            raise EOFError
        kind, channel, size = struct.unpack(">BHI", head)
        return kind, channel, self.stream.read(size + 1)[:-1]

    def expect(self, kind, number):
        while True:
            frame, channel, payload = self.frame()
            if frame == 1 and struct.unpack(">HH", payload[:4]) == (kind, number):
                return
            self.deliver(frame, channel, payload)

    def deliver(self, frame, channel, payload):
        if frame == 1 and struct.unpack(">HH", payload[:4]) == (60, 60):
            tag = 5 + payload[4]
            self.held[self.channels[channel]].append((channel, struct.unpack(">Q", payload[tag:tag + 8])[0]))

    def read(self):
        with contextlib.suppress(EOFError, OSError, ValueError):
            while True:
                self.deliver(*self.frame())

    def finish(self, queue):
        channel, tag = self.held[queue].pop(0)
        self.method(channel, 60, 80, struct.pack(">QB", tag, 0))

    def give_up(self, queue):
        """Rejected, and not to be tried again: it becomes a dead letter."""
        channel, tag = self.held[queue].pop(0)
        self.method(channel, 60, 90, struct.pack(">QB", tag, 0))

    def kill(self):
        """The connection is gone, as with kill -9; what it held goes back."""
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.reader.join()

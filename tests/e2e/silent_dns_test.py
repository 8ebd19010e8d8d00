"""A name server that never answers keeps no message to other receivers waiting.

A look-up cannot be called off: it goes on long after the request that wanted it has timed out. Needs root and
iproute2 for a network and a resolver of the daemon's own; skips with a message without.
"""

import contextlib
import json
import pathlib
import shutil
import socket
import time
import unittest

import network_of_its_own
from harness import HookReceiver, World, wait_until

# Long after the requests have timed out, the look-ups still wait.
RESOLVER = "nameserver %s\noptions timeout:30 attempts:5\n"
CONFIG = """
[[receiver]]
name = "lost"
[[receiver.webhook]]
name = "lost-hook"
url = "http://hooks.school.example:8080/lost"
timeout = "1s"

[[receiver]]
name = "ops"
[[receiver.webhook]]
name = "ops-hook"
url = "http://%s:%d/hook"

[route]
receiver = "ops"
group_by = ["alertname"]
group_wait = "0s"
group_interval = "1s"
[[route.routes]]
matchers = ['way="lost"']
receiver = "lost"
"""


class Daemon(World):
    def __init__(self, namespace):
        super().__init__()
        self.namespace = namespace

    def start(self, name, *command, env=None):
        return super().start(name, *self.namespace.command(*command), env=env)

    def request(self, *arguments, **named):
        with self.namespace.inside():
            return super().request(*arguments, **named)

    def fire(self, name, way):
        status, body = self.request("POST", "/api/v2/alerts",
                                    json.dumps([{"labels": {"alertname": name, "way": way}}]),
                                    {"Content-Type": "application/json"})
        assert status == 200, body


class SilentDnsTest(unittest.TestCase):
    def test_others_are_told(self):
        why_not = network_of_its_own.available()
        if why_not:
            self.skipTest(why_not)
        namespace = network_of_its_own.Namespace()
        self.addCleanup(namespace.delete)
        asked = self.enterContext(contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)))
        asked.bind((namespace.host_address, 53))
        asked.settimeout(20)
        # `ip netns exec` shows the program this file as its /etc/resolv.conf.
        folder = pathlib.Path("/etc/netns") / namespace.name
        folder.mkdir(parents=True)
        self.addCleanup(shutil.rmtree, folder)
        (folder / "resolv.conf").write_text(RESOLVER % namespace.host_address)

        hook = HookReceiver(address="0.0.0.0")
        self.addCleanup(hook.stop)
        daemon = self.enterContext(Daemon(namespace))
        daemon.alertd_config(extra=CONFIG % (namespace.host_address, hook.port))
        daemon.start_alertd()
        for number in range(10):
            daemon.fire("Lost%d" % number, "lost")
        self.assertIn(b"hooks", asked.recv(512))

        # During the requests to the name that nobody knows, and after they have been given up.
        slowest = 0
        for number in range(20):
            begin = time.monotonic()
            daemon.fire("Told%d" % number, "ops")
            wait_until(lambda: len(hook.requests) > number, 30, "message %d" % number)
            slowest = max(slowest, time.monotonic() - begin)
            time.sleep(0.2)
        self.assertLess(slowest, 2)
        begin = time.monotonic()
        daemon.stop("alertd")
        self.assertLess(time.monotonic() - begin, 5)


if __name__ == "__main__":
    unittest.main()

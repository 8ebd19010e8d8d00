#!/usr/bin/env python3
"""tocsin-alertd in Alertmanager's place: its file and flags, reload, and a pair of peers."""

import http.client
import json
import shutil
import signal
import subprocess
import time
import unittest

from harness import BIN, HookReceiver, World, free_port, wait_until

CONFIG = """
global:
  resolve_timeout: 5m
  smtp_auth_password: hunter2
route:
  receiver: default
  group_by: [alertname]
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 1h
  routes:
    - matchers: [team = dba]
      receiver: dba
receivers:
  - name: default
    webhook_configs:
      - url: %(url)s
  - name: dba
    webhook_configs:
      - url: %(url)s/dba
"""


class Node:
    """One tocsin-alertd with Alertmanager's flags."""

    def __init__(self, world, name, hook_url, peers=(), extra=()):
        self.world, self.name = world, name
        self.port, self.cluster = free_port(), free_port()
        self.config = world.write(name + "/am.yml", CONFIG % {"url": hook_url})
        self.peers, self.extra = list(peers), list(extra)

    def start(self, cluster=True):
        flags = ["--config.file=%s" % self.config, "--storage.path", self.world.folder / self.name / "data",
                 "--web.listen-address=127.0.0.1:%d" % self.port, "--log.level=info",
                 "--cluster.listen-address=" + ("127.0.0.1:%d" % self.cluster if cluster else "")]
        flags += ["--cluster.peer=127.0.0.1:%d" % peer.cluster for peer in self.peers]
        if cluster:
            flags += ["--cluster.peer-timeout=2s", "--cluster.settle-timeout=5s"]
        self.process = self.world.start(self.name, BIN / "tocsin-alertd", *flags, *self.extra)
        wait_until(lambda: self.get("/-/ready")[0] == 200, 20, self.name + " to be ready")

    def request(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body=body,
                               headers={"Content-Type": "application/json"} if body else {})
            response = connection.getresponse()
            return response.status, response.read()
        except OSError:
            return 0, b""
        finally:
            connection.close()

    def get(self, path):
        return self.request("GET", path)

    def json(self, path):
        return json.loads(self.get(path)[1])

    def post_alert(self, name, **labels):
        labels["alertname"] = name
        status, body = self.request("POST", "/api/v2/alerts", json.dumps([{"labels": labels}]))
        if status != 200:
            raise AssertionError("POST alerts: %d %r" % (status, body))

    def silence(self, name):
        stamp = lambda at: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
        status, body = self.request("POST", "/api/v2/silences", json.dumps({
            "matchers": [{"name": "alertname", "value": name, "isRegex": False, "isEqual": True}],
            "startsAt": stamp(time.time()), "endsAt": stamp(time.time() + 3600),
            "createdBy": "ada", "comment": "work"}))
        if status != 200:
            raise AssertionError("POST silences: %d %r" % (status, body))
        return json.loads(body)["silenceID"]

    def silences(self):
        return [one["id"] for one in self.json("/api/v2/silences")]

    def cluster_status(self):
        return self.json("/api/v2/status")["cluster"]


def messages(hook, name, status="firing"):
    return [one for one in hook.requests if one["body"]["status"] == status
            and one["body"]["groupLabels"].get("alertname") == name]


class PlaceTest(unittest.TestCase):
    def setUp(self):
        self.world = self.enterContext(World())
        self.hook = HookReceiver()
        self.world.cleanups.append(self.hook.stop)

    def test_file_and_flags(self):
        node = Node(self.world, "a", self.hook.url, extra=["--web.route-prefix=/am"])
        node.start_prefix = "/am"
        node.get = lambda path: node.request("GET", "/am" + path)
        node.start(cluster=False)
        self.assertEqual(node.request("GET", "/-/ready")[0], 404)
        shown = node.json("/api/v2/status")["config"]["original"]
        self.assertNotIn("hunter2", shown)
        self.assertNotIn("/dba", shown)
        if shutil.which("amtool"):
            exported = self.world.write("shown.yml", shown)
            done = subprocess.run(["amtool", "check-config", str(exported)], capture_output=True,
                                  text=True, timeout=20)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        status, body = node.request("POST", "/am/api/v2/alerts", json.dumps(
            [{"labels": {"alertname": "Slow", "team": "dba"}}]))
        self.assertEqual((status, body), (200, b""))
        wait_until(lambda: messages(self.hook, "Slow"), 5, "the message")
        request = messages(self.hook, "Slow")[0]
        self.assertTrue(request["path"].endswith("/dba"))
        self.assertEqual(request["body"]["receiver"], "dba")

        # A broken file is refused and the old one runs on; a good one is taken, timers kept.
        good = node.config.read_text()
        node.config.write_text(good.replace("receiver: dba", "receiver: nobody"))
        self.assertNotEqual(node.request("POST", "/am/-/reload")[0], 200)
        node.config.write_text(good.replace("repeat_interval: 1h", "repeat_interval: 2h"))
        node.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "repeat_interval: 2h" in node.json("/api/v2/status")["config"]["original"], 5,
                   "the new file")
        time.sleep(1.5)
        self.assertEqual(len(messages(self.hook, "Slow")), 1)

    def test_arguments(self):
        def run(*arguments):
            done = subprocess.run([str(BIN / "tocsin-alertd"), *arguments], capture_output=True,
                                  text=True, timeout=20)
            return done.returncode, done.stdout + done.stderr

        self.assertEqual(run("--config.file=x.yml", "--version")[0], 0)
        code, text = run("--config.file=x.yml", "--cluster.pear=a:1")
        self.assertEqual(code, 2)
        self.assertIn("did you mean '--cluster.peer'?", text)
        broken = self.world.write("broken.yml", "route:\n  receiver: x\n  group_wiat: 1s\n")
        code, text = run("--config.file=%s" % broken, "--check")
        self.assertEqual(code, 2)
        self.assertIn("broken.yml:3:", text)


class PairTest(unittest.TestCase):
    def setUp(self):
        self.world = self.enterContext(World())
        self.hook = HookReceiver()
        self.world.cleanups.append(self.hook.stop)
        secret = self.world.write("cluster.secret", "between us\n")
        secret.chmod(0o600)
        extra = ["--cluster.secret-file=%s" % secret]
        first = Node(self.world, "a", self.hook.url, extra=extra)
        second = Node(self.world, "b", self.hook.url, peers=[first], extra=extra)
        first.start()
        second.start()
        for node in (first, second):
            wait_until(lambda: len(node.cluster_status()["peers"]) == 2, 10, "both peers")
        names = [node.cluster_status()["name"] for node in (first, second)]
        self.order = [first, second] if names[0] < names[1] else [second, first]

    def test_pair(self):
        leader, follower = self.order
        self.assertEqual(leader.cluster_status()["status"], "ready")

        # Both hear of the alert, one tells.
        for node in self.order:
            node.post_alert("Disk")
        wait_until(lambda: messages(self.hook, "Disk"), 5, "the message")
        time.sleep(4)
        self.assertEqual(len(messages(self.hook, "Disk")), 1)

        # A silence made on one is known to the other.
        made = follower.silence("Quiet")
        wait_until(lambda: made in leader.silences(), 5, "the silence on the other")
        leader.post_alert("Quiet")

        # The first in order dies without a word; the other tells.
        self.world.stop(leader.name, signal.SIGKILL)
        follower.post_alert("Load")
        wait_until(lambda: messages(self.hook, "Load"), 8, "the message of the other")
        self.assertEqual(messages(self.hook, "Quiet"), [])

        # It comes back with nothing, and is given everything.
        shutil.rmtree(self.world.folder / leader.name / "data")
        leader.start()
        wait_until(lambda: made in leader.silences(), 20, "the silence after the restart")
        for node in self.order:
            node.post_alert("Load")
        time.sleep(4)
        self.assertEqual(len(messages(self.hook, "Load")), 1)
        self.assertEqual(len(messages(self.hook, "Disk")), 1)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""alertd is backed up under load, destroyed, restored elsewhere and started: the same series, incidents and
silences, and nobody is paged twice. Damaged backups, targets in use and newer formats are refused."""

import json
import shutil
import signal
import tarfile
import threading
import time
import unittest

from harness import HookReceiver, World, free_port, probe_rules, route_to, wait_until

RULES = probe_rules("{{ $labels.item }} is {{ $value }}")


class Writer(threading.Thread):
    def __init__(self, world):
        super().__init__(daemon=True)
        self.world = world
        self.acknowledged = []  # (time of the answer, timestamp_ms, value)
        self.stopping = threading.Event()
        world.cleanups.append(self.stopping.set)

    def run(self):
        number = 0.0
        while not self.stopping.wait(0.02):
            number += 1
            now_ms = int(time.time() * 1000)
            series = [({"__name__": "load", "i": str(i)}, [(now_ms, number + i)]) for i in range(200)]
            series += [({"__name__": "probe_value", "item": item}, [(now_ms, value)])
                       for item, value in (("hot", 9.0), ("silent", 9.0), ("cold", 1.0))]
            status, _ = self.world.send_samples(series)
            if status in (200, 204):
                self.acknowledged.append((time.time(), now_ms, number))


class OwnBackupTest(unittest.TestCase):
    def setUp(self):
        self.world = self.enterContext(World())
        self.hook = HookReceiver()
        self.world.cleanups.append(self.hook.stop)

    def told(self):
        return [(one["body"]["groupLabels"].get("item"), one["body"]["status"]) for one in self.hook.requests]

    def incidents(self):
        return self.world.get_json("/api/v1/incidents")["data"]["incidents"]

    def agents(self):
        return [one["name"] for one in self.world.get_json("/api/v1/agents")["data"]["agents"]]

    def post(self, path, value):
        status, body = self.world.request("POST", path, json.dumps(value), {"Content-Type": "application/json"})
        self.assertIn(status, (200, 201), body)
        return json.loads(body)

    def silences(self):
        return [(one["id"], one["comment"]) for one in self.world.get_json("/api/v2/silences")]

    def begin(self):
        world = self.world
        self.config = world.alertd_config(RULES, 'restart_window = "30s"\n[backup]\nexpect_every = "24h"\n'
                                          + route_to(self.hook.url, ["alertname", "item"]))
        world.start_alertd()
        self.post("/api/v1/agents", {"name": "web1"})
        silence = {"matchers": [{"name": "item", "value": "silent", "isRegex": False, "isEqual": True}],
                   "startsAt": "2020-01-01T00:00:00Z",
                   "endsAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600)),
                   "createdBy": "ada", "comment": "until the new one is there"}
        self.post("/api/v2/silences", silence)
        self.writer = Writer(world)
        self.writer.start()
        wait_until(lambda: ("hot", "firing") in self.told(), 20, "the page")
        incident = [one for one in self.incidents() if "hot" in json.dumps(one)][0]["id"]
        self.post("/api/v1/incidents/%s/ack" % incident, {"by": "ada", "comment": "looking"})

    def test_back_up_destroy_restore(self):
        world = self.world
        self.begin()
        wait_until(lambda: len(self.writer.acknowledged) > 20, 60, "some load")
        begun = time.time()
        done = world.tocsin("backup", "--to", world.folder / "copy.tar")
        print(done.stdout.strip())
        self.assertIn("passwords, tokens", done.stderr)
        self.assertIn("configuration only names", done.stderr)
        world.tocsin("backup", "--to", world.folder / "copy")
        self.assertFalse((world.folder / "store" / "backup-staging").exists())
        wait_until(lambda: world.query("tocsin_alertd_own_backup_last_success_timestamp_seconds > %d"
                                       % (begun - 5)), 30, "the metric")
        before = self.incidents()
        silences = self.silences()
        agents = self.agents()
        self.assertEqual(agents, ["web1"])
        self.assertIn("acknowledged", [one["state"] for one in before])
        # The page, and the word that it is acknowledged; nothing of what is silenced.
        pages = self.told()
        self.assertEqual(len(pages), len(self.hook.distinct()))
        self.assertEqual({item for item, _ in pages}, {"hot"})

        # --- what was made is whole, and can be read by any tar
        for path in ("copy", "copy.tar"):
            self.assertIn("as it was made", world.tocsin("backup", "verify", world.folder / path).stdout)
        with tarfile.open(world.folder / "copy.tar") as tar:
            members = {one.name: one for one in tar.getmembers()}
            self.assertEqual(members["data/agents.json"].mode, 0o600)
            self.assertEqual(members["data/ack.key"].mode, 0o600)
            self.assertIn("data/state.db", members)
            manifest = json.load(tar.extractfile("manifest.json"))
        self.assertEqual(manifest["format"], 1)
        self.assertTrue(any(name.endswith("/rules/test.toml") for name in members), sorted(members))
        self.assertTrue(any(name.endswith("/alertd.toml") for name in members), sorted(members))
        self.refusals(manifest)

        # --- destroyed: the disk is gone
        self.writer.stopping.set()
        self.writer.join(10)
        world.stop("alertd", signal.SIGKILL)
        shutil.rmtree(world.folder / "store")
        elsewhere = world.folder / "elsewhere"
        restored = world.tocsin("restore", world.folder / "copy", "--to", elsewhere)
        self.assertIn("restored", restored.stdout)
        self.assertEqual((elsewhere / "ack.key").stat().st_mode & 0o777, 0o600)
        self.assertTrue(list((elsewhere / "restored-configuration").rglob("alertd.toml")))
        world.port = free_port()
        world.url = "http://127.0.0.1:%d" % world.port
        text = self.config.read_text().split("\n")
        text = ['listen = "127.0.0.1:%d"' % world.port if line.startswith("listen") else line for line in text]
        text = ['path = "%s"' % elsewhere if line.startswith("path =") else line for line in text]
        self.config.write_text("\n".join(text))
        world.start_alertd()

        # --- the same series, incidents, silences, agents
        first = self.writer.acknowledged[0][1] / 1000
        last = self.writer.acknowledged[-1][1] / 1000
        result = world.get_json("/api/v1/query?query=load%%7Bi%%3D%%220%%22%%7D%%5B%ds%%5D&time=%f"
                                % (int(last - first) + 2, last + 1))["data"]["result"]
        stored = {(round(at * 1000), float(value)) for at, value in result[0]["values"]}
        wanted = {(at, value) for when, at, value in self.writer.acknowledged if when < begun}
        print("%d samples acknowledged before the backup, %d restored" % (len(wanted), len(stored)))
        self.assertGreater(len(wanted), 10)
        self.assertEqual(wanted - stored, set())
        self.assertLessEqual(stored, {(at, value) for _, at, value in self.writer.acknowledged})
        self.assertEqual([(one["id"], one["state"]) for one in self.incidents()],
                         [(one["id"], one["state"]) for one in before])
        self.assertEqual(self.silences(), silences)
        self.assertEqual(self.agents(), agents)

        # --- and nobody is paged twice
        again = Writer(world)
        again.start()
        time.sleep(5)
        self.assertEqual(self.told(), pages)
        again.stopping.set()
        again.join(10)

    def refusals(self, manifest):
        """What must not be restored, and where nothing may be restored to."""
        world = self.world

        def refused(source, target, text, code=1):
            done = world.tocsin("restore", world.folder / source, "--to", world.folder / target, check=False)
            self.assertEqual(done.returncode, code, done.stdout + done.stderr)
            self.assertIn(text, done.stderr)

        refused("copy", "store", "stop tocsin-alertd first")
        self.assertIn("%d" % world.processes["alertd"].pid,
                      world.tocsin("restore", world.folder / "copy", "--to", world.folder / "store",
                                   check=False).stderr)
        world.write("occupied/mine.txt", "mine")
        refused("copy", "occupied", "is not empty")
        refused("nowhere", "fresh", "is not there", code=2)
        # One byte of the state store.
        shutil.copytree(world.folder / "copy", world.folder / "damaged")
        state = world.folder / "damaged/data/state.db"
        bytes_ = bytearray(state.read_bytes())
        bytes_[len(bytes_) // 2] ^= 1
        state.write_bytes(bytes_)
        refused("damaged", "fresh", "data/state.db")
        self.assertEqual(world.tocsin("backup", "verify", world.folder / "damaged", check=False).returncode, 1)
        # A tar file that was cut on its way.
        whole = (world.folder / "copy.tar").read_bytes()
        (world.folder / "cut.tar").write_bytes(whole[:len(whole) // 2])
        refused("cut.tar", "fresh", "ends early")
        shutil.copytree(world.folder / "copy", world.folder / "newer")
        (world.folder / "newer/manifest.json").write_text(json.dumps(dict(manifest, format=2)))
        refused("newer", "fresh", "has format 2")
        (world.folder / "newer/manifest.json").unlink()
        refused("newer", "fresh", "unfinished")
        self.assertFalse((world.folder / "fresh").exists())
        # A backup does not write over another, nor begin beside one.
        done = world.tocsin("backup", "--to", world.folder / "copy.tar", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("is there already", done.stderr)
        status, body = world.request("POST", "/api/v1/backup")
        self.assertEqual(status, 200, body)
        first = json.loads(body)["data"]["id"]
        done = world.tocsin("backup", "--to", world.folder / "second", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("try again when it is done", done.stderr)
        self.assertEqual(world.request("DELETE", "/api/v1/backup/" + first)[0], 200)
        self.assertEqual(world.request("GET", "/api/v1/backup/" + first)[0], 404)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""alertd's disk fills under load: pages still arrive, pushes are refused with a reason, room mends it by itself.

A tmpfs of a few megabytes holds the whole data folder, the state store included. Nothing that was acknowledged is
missing afterwards, and the page that was sent while nothing could be written is not sent a second time.
"""

import json
import random
import subprocess
import threading
import time
import unittest

from harness import HookReceiver, WRITE_HEADERS, World, route_to, wait_until, write_request

# Both look at what is in memory: nothing new can come in while the disk is full.
RULES = """
[[group]]
name = "full"
interval = "1s"

[[group.alert]]
name = "Overheated"
expr = 'last_over_time(room_celsius[1h]) > 40'
severity = "critical"
for = "3s"
summary = '{{ $labels.item }} has {{ $value }} degrees'

# As rules/alertd.toml has it, with shorter times: what comes always has not come.
[[group.alert]]
name = "StoreNotWriting"
expr = 'absent_over_time(load{i="0"}[5s]) and on () count(last_over_time(load[1h]))'
severity = "critical"
for = "1s"
summary = "alertd's store has taken no samples"
"""


class Load(threading.Thread):
    """Fills the disk; keeps what was acknowledged and what was refused."""

    def __init__(self, world):
        super().__init__(daemon=True)
        self.world = world
        self.dice = random.Random(7)
        self.acknowledged = {}  # (series, timestamp_ms) -> value
        self.refused = []       # (time, status, headers, body)
        self.accepted_at = 0.0
        self.stopping = threading.Event()
        world.cleanups.append(self.stopping.set)

    def push(self, series):
        import http.client
        connection = http.client.HTTPConnection("127.0.0.1", self.world.port, timeout=10)
        try:
            connection.request("POST", "/api/v1/write", body=write_request(series), headers=WRITE_HEADERS)
            response = connection.getresponse()
            return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
        except (OSError, http.client.HTTPException):
            return 0, {}, b""
        finally:
            connection.close()

    def run(self):
        while not self.stopping.is_set():
            now_ms = int(time.time() * 1000)
            batch = {("load", str(i)): (now_ms, self.dice.random()) for i in range(2000)}
            status, headers, body = self.push(
                [({"__name__": name, "i": i}, [sample]) for (name, i), sample in batch.items()])
            if status == 204:
                self.accepted_at = time.time()
                for (_, i), (at, value) in batch.items():
                    self.acknowledged[(i, at)] = value
            else:
                self.refused.append((time.time(), status, headers, body))
            self.stopping.wait(0.02 if status == 204 else 0.2)


class StoreFullTest(unittest.TestCase):
    def setUp(self):
        self.world = self.enterContext(World())
        self.mount = self.world.folder / "store"
        self.mount.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", self.mount],
                              capture_output=True, text=True)
        if done.returncode != 0:
            self.skipTest("cannot mount a tmpfs here: " + done.stderr.strip())
        self.world.cleanups.append(lambda: subprocess.run(["umount", "-l", self.mount]))
        self.hook = HookReceiver()
        self.world.cleanups.append(self.hook.stop)

    def pages(self, alert, status="firing"):
        return [one for one in self.hook.distinct()
                if one["body"]["groupLabels"].get("alertname") == alert and one["body"]["status"] == status]

    def store_part(self):
        return [one for one in self.world.get_json("/api/v1/status")["data"]["parts"]
                if one["name"] == "store"][0]

    def test_full_and_mended(self):
        world = self.world
        world.alertd_config(RULES, 'restart_window = "3s"\n' + route_to(self.hook.url, ["alertname", "item"]))
        world.start_alertd()
        load = Load(world)
        load.start()

        # --- it fills
        wait_until(lambda: load.refused, 90, "the first refused push")
        _, status, headers, body = load.refused[0]
        self.assertEqual(status, 503, body)
        self.assertIn("retry-after", headers)
        self.assertGreater(int(headers["retry-after"]), 0)
        self.assertRegex(json.loads(body)["error"], "No space left on device|the disk refuses writes")
        part = wait_until(lambda: (lambda one: None if one["ok"] else one)(self.store_part()), 10,
                          "the status to say it")
        self.assertIn("No space left", part["detail"])
        print("full after %d acknowledged samples: %s" % (len(load.acknowledged), part["detail"]))
        self.assertEqual(world.get_json("/api/v1/status")["data"]["health"], "degraded")

        # --- paging goes on, from memory
        wait_until(lambda: self.pages("StoreNotWriting"), 60, "the alert that the store does not write")
        world.write("rules/test.toml", RULES.replace("last_over_time(room_celsius[1h]) > 40",
                                                     "count(last_over_time(load[1h])) by (item) > 1000"))
        changed = time.time()
        status, body = world.request("POST", "/-/reload")
        self.assertEqual(status, 200, body)
        wait_until(lambda: self.pages("Overheated"), 30, "a page while the disk is full")
        print("paged %.1f s after the rule, disk still full: %s"
              % (self.pages("Overheated")[0]["time"] - changed, self.store_part()["detail"][-60:]))
        self.assertFalse(self.store_part()["ok"])
        self.assertLess(load.accepted_at, changed)
        self.assertTrue(world.query("count(last_over_time(load[1h]))"))  # queries go on as well

        # --- room again
        subprocess.run(["mount", "-o", "remount,size=64m", self.mount], check=True)
        roomy = time.time()
        wait_until(lambda: load.accepted_at > roomy, 30, "pushes to be taken again")
        print("pushes taken again %.1f s after there was room" % (load.accepted_at - roomy))
        wait_until(lambda: self.store_part()["ok"], 30, "the status to be well again")
        wait_until(lambda: self.pages("StoreNotWriting", "resolved"), 60, "the end of the alert")
        wait_until(lambda: b"Overheated" in world.get("/api/v1/incidents?state=unresolved")[1], 30,
                   "the incident on record")
        load.stopping.set()
        load.join(10)

        # --- nothing acknowledged is missing, nothing is told twice
        self.check_samples(load)
        world.stop("alertd")
        world.start_alertd(ready_within=60)
        self.check_samples(load)
        time.sleep(3)
        self.assertEqual(len(self.pages("Overheated")), 1)

    def check_samples(self, load):
        end = max(at for _, at in load.acknowledged) / 1000 + 1
        begin = min(at for _, at in load.acknowledged) / 1000 - 1
        result = self.world.get_json("/api/v1/query?query=load%%5B%ds%%5D&time=%f"
                                     % (int(end - begin) + 1, end))["data"]["result"]
        stored = {(one["metric"]["i"], round(at * 1000)): float(value)
                  for one in result for at, value in one["values"]}
        missing = [key for key, value in load.acknowledged.items() if stored.get(key) != value]
        print("%d acknowledged samples, %d stored, %d missing"
              % (len(load.acknowledged), len(stored), len(missing)))
        self.assertEqual(missing[:5], [])


if __name__ == "__main__":
    unittest.main()

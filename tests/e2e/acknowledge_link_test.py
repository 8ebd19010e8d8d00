#!/usr/bin/env python3
"""The link in a message: GET shows, POST acts once, from anywhere, without a login; chats' buttons too."""

import hashlib
import hmac
import json
import time
import unittest
import urllib.parse

from harness import HookReceiver, World, route_to, wait_until


class AcknowledgeLinkTest(unittest.TestCase):
    def setUp(self):
        self.world = self.enterContext(World())
        self.hook = HookReceiver()
        self.world.cleanups.append(self.hook.stop)
        secret = self.world.write("slack.secret", "slack-s3cret\n")
        secret.chmod(0o600)
        self.world.alertd_config(extra=route_to(self.hook.url, ["alertname"]) + """
[acknowledge]
slack_signing_secret_file = "%s"
""" % secret)
        self.world.start_alertd()

    def fire(self, name):
        status, body = self.world.request(
            "POST", "/api/v2/alerts", json.dumps([{"labels": {"alertname": name}}]),
            {"Content-Type": "application/json"})
        self.assertEqual((status, body), (200, b""))

        def message():
            return next((one["body"]["incident"] for one in self.hook.requests
                         if one["body"]["groupLabels"].get("alertname") == name), None)

        incident = wait_until(message, 5, "the message of " + name)
        self.assertTrue(incident["ack_url"].startswith(self.world.url + "/ack/"))
        return incident["id"], incident["ack_url"][len(self.world.url):]

    def state(self, incident):
        return self.world.get_json("/api/v1/incidents/" + incident)["data"]

    def test_link(self):
        incident, path = self.fire("DiskFull")
        # As it comes through a proxy from outside: no right but the token's.
        outside = {"X-Forwarded-For": "192.0.2.1", "Host": "alerts.example.org"}
        status, page = self.world.request("GET", path, headers=outside)
        self.assertEqual(status, 200)
        self.assertIn(b"DiskFull", page)
        self.assertNotIn(b"<script", page)
        status, _ = self.world.request("HEAD", path, headers=outside)
        self.assertEqual(status, 200)
        self.assertEqual(self.state(incident)["state"], "open")
        form = urllib.parse.urlencode({"by": "Ada", "for": "2h"})
        headers = dict(outside, **{"Content-Type": "application/x-www-form-urlencoded"})
        status, page = self.world.request("POST", path, form, headers)
        self.assertEqual(status, 200, page)
        shown = self.state(incident)
        self.assertEqual((shown["state"], shown["acknowledgedBy"]), ("acknowledged", "Ada"))
        self.assertEqual(self.world.request("POST", path, form, headers)[0], 409)
        wait_until(lambda: any(one["body"]["incident"]["kind"] == "acknowledged" for one in
                               self.hook.requests), 5, "the message that somebody works on it")
        # Not the last one: some of its bits mean nothing, and it may be the same already.
        forged = path[:-5] + ("A" if path[-5] != "A" else "B") + path[-4:]
        self.assertEqual(self.world.request("GET", forged, headers=outside)[0], 403)
        key = self.world.folder / "store" / "ack.key"
        self.assertEqual(key.stat().st_mode & 0o777, 0o600)
        self.assertIn("acknowledge of %s by Ada (link 127.0.0.1)" % incident,
                      self.world.log("alertd"))
        # The key is kept: links of before a restart go on.
        second, later = self.fire("Other")
        self.world.stop("alertd")
        self.world.start_alertd()
        self.assertEqual(self.world.request("POST", later, "by=Bob", headers)[0], 200)
        self.assertEqual(self.state(second)["acknowledgedBy"], "Bob")

    def test_slack_button(self):
        incident, path = self.fire("Load")
        payload = {"type": "block_actions", "user": {"username": "ada"},
                   "actions": [{"value": path[len("/ack/"):]}]}
        body = urllib.parse.urlencode({"payload": json.dumps(payload)})
        stamp = str(int(time.time()))
        base = ("v0:%s:%s" % (stamp, body)).encode()

        def press(secret):
            signature = "v0=" + hmac.new(secret, base, hashlib.sha256).hexdigest()
            return self.world.request("POST", "/api/v1/chat/slack", body, {
                "Content-Type": "application/x-www-form-urlencoded",
                "X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signature,
                "X-Forwarded-For": "192.0.2.1"})

        self.assertEqual(press(b"wrong")[0], 401)
        self.assertEqual(self.state(incident)["state"], "open")
        status, answer = press(b"slack-s3cret")
        self.assertEqual(status, 200, answer)
        self.assertIn("acknowledged by ada", json.loads(answer)["text"])
        self.assertEqual(self.state(incident)["acknowledgedBy"], "ada")


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""The main job: a full disk on this machine becomes a mail, a webhook and a chat message, once each.

A tmpfs of a few megabytes is filled past 95 %; the agent's filesystem collector sees it, alertd's rule
fires Critical, one incident opens, three channels deliver; freeing it resolves, and that arrives once.
"""

import json
import time
import unittest
import urllib.request

from disk_scenario import DiskScenario
from harness import wait_until


class MainJobTest(DiskScenario):
    def test_full_disk_pages_once_and_resolves_once(self):
        self.start_everything()
        filled_at = self.fill()

        wait_until(lambda: self.webhook.requests, 10, "the webhook")
        delay = self.webhook.requests[0]["time"] - filled_at
        print("condition to webhook: %.2f s" % delay)
        self.assertLess(delay, 3.0)
        wait_until(lambda: self.chat.requests and self.mail_messages(), 10, "chat and mail")

        hook = self.webhook.requests[0]["body"]
        self.assertEqual(hook["version"], "4")
        self.assertEqual(hook["status"], "firing")
        self.assertEqual(hook["commonLabels"]["alertname"], "FilesystemFull")
        self.assertEqual(hook["incident"]["severity"], "critical")
        self.assertIn("disk-filling", hook["commonAnnotations"]["runbook_url"])
        self.assertIn("% full", hook["alerts"][0]["annotations"]["summary"])
        self.assertTrue(self.webhook.requests[0]["headers"]["idempotency-key"])

        # Every link of ours leads somewhere.
        for link in (hook["commonAnnotations"]["runbook_url"], hook["incident"]["url"],
                     hook["alerts"][0]["generatorURL"]):
            with urllib.request.urlopen(link) as page:
                self.assertEqual(page.status, 200)

        chat = json.dumps(self.chat.requests[0]["body"])
        self.assertIn("CRITICAL", chat.upper())
        self.assertIn("FilesystemFull", chat)
        self.assertIn("disk-filling", chat)

        mail = self.mail_messages()[0]
        self.assertIn("CRITICAL", mail["Subject"].upper())
        self.assertTrue(mail["Message-ID"])
        text = mail.get_body(("plain",)).get_content()
        html = mail.get_body(("html",)).get_content()
        for part in (text, html):
            self.assertIn("disk-filling", part)
            self.assertIn("% full", part)
        self.assertIn("critical", text.lower())

        incidents = self.world.get_json("/api/v1/incidents")["data"]["incidents"]
        self.assertEqual(len(incidents), 1)
        self.assertEqual(incidents[0]["severity"], "critical")

        # It stays full for a while: nobody is told twice.
        time.sleep(4)
        self.assertEqual(len(self.webhook.requests), 1)
        self.assertEqual(len(self.chat.requests), 1)
        self.assertEqual(len(self.mail_messages()), 1)

        self.free()
        wait_until(lambda: len(self.webhook.requests) == 2 and len(self.chat.requests) == 2
                   and len(self.mail_messages()) == 2, 15, "the resolve on three channels")
        self.assertEqual(self.webhook.requests[1]["body"]["status"], "resolved")
        self.assertIn("resolved", json.dumps(self.chat.requests[1]["body"]).lower())
        resolved_mail = self.mail_messages()[1]
        self.assertIn("resolved", resolved_mail["Subject"].lower())
        self.assertNotEqual(resolved_mail["Message-ID"], mail["Message-ID"])
        self.assertTrue(resolved_mail["References"] or resolved_mail["In-Reply-To"])
        time.sleep(3)
        self.assertEqual(len(self.webhook.requests), 2)
        self.assertEqual(len(self.chat.requests), 2)
        self.assertEqual(len(self.mail_messages()), 2)
        incident = self.world.get_json("/api/v1/incidents")["data"]["incidents"][0]
        self.assertEqual(incident["state"], "resolved")


if __name__ == "__main__":
    unittest.main()

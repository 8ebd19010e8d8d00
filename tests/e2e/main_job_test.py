#!/usr/bin/env python3
"""The main job: a full disk on this machine becomes a mail, a webhook and a chat message, once each.

A tmpfs of a few megabytes is filled past 95 %; the agent's filesystem collector sees it, alertd's rule
fires Critical, one incident opens, three channels deliver; freeing it resolves, and that arrives once.
"""

import email
import email.policy
import json
import os
import subprocess
import time
import unittest
import urllib.request

from harness import HookReceiver, World, wait_until

RULES = """
[[group]]
name = "disk"
interval = "1s"

[[group.alert]]
name = "FilesystemFull"
value = '''100 * (1 - node_filesystem_avail_bytes{mountpoint="%s"} / node_filesystem_size_bytes{mountpoint="%s"})'''
high = { above = 90 }
critical = { above = 95 }
clear = { below = 75 }
summary = '{{ $labels.mountpoint }} on {{ $labels.instance }} is {{ printf "%%.0f" $value }} %% full'
runbook = "disk-filling"
"""

RECEIVERS = """
[smtp]
host = "localhost"
port = {smtp_port}
tls = "starttls"
ca_file = "{certificate}"
from = "tocsin@example.org"
user = "tocsin"
password_file = "{password_file}"

[[receiver]]
name = "ops"
[[receiver.email]]
to = ["oncall@example.org"]
[[receiver.webhook]]
url = "{webhook}"
[[receiver.slack]]
url = "{chat}"

[route]
receiver = "ops"
group_by = ["alertname", "instance"]
group_wait = "0s"
group_interval = "1s"
"""


class MainJobTest(unittest.TestCase):
    def setUp(self):
        self.world = self.enterContext(World())
        self.mount = self.world.folder / "disk"
        self.mount.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", self.mount],
                              capture_output=True, text=True)
        if done.returncode != 0:
            self.skipTest("cannot mount a tmpfs here: " + done.stderr.strip())
        self.world.cleanups.append(lambda: subprocess.run(["umount", "-l", self.mount]))
        self.webhook, self.chat = HookReceiver(), HookReceiver()
        self.world.cleanups += [self.webhook.stop, self.chat.stop]

    def start_everything(self):
        smtp_port, certificate, self.mails = self.world.start_smtp()
        password_file = self.world.write("smtp.password", "s3cret-mail\n")
        password_file.chmod(0o600)
        self.world.alertd_config(
            RULES % (self.mount, self.mount),
            RECEIVERS.format(smtp_port=smtp_port, certificate=certificate,
                             password_file=password_file, webhook=self.webhook.url,
                             chat=self.chat.url))
        self.world.write("rules/runbooks/disk-filling.md", "# Disk filling\n")
        self.world.agent_config()
        self.world.start_alertd()
        self.world.start_agent()
        wait_until(lambda: self.world.query(
            'node_filesystem_size_bytes{mountpoint="%s"}' % self.mount), 20, "the first sample")

    def fill(self, megabytes=3.95):
        with open(self.mount / "filler", "wb") as file:
            file.write(os.urandom(int(megabytes * 1024 * 1024)))
        return time.time()

    def mail_messages(self):
        return [email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
                for path in sorted(self.mails.glob("*.eml"), key=lambda p: p.stat().st_mtime)]

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

        (self.mount / "filler").unlink()
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

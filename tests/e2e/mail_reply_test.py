#!/usr/bin/env python3
"""An answer to a page's mail acknowledges: Debian's dovecot keeps it, alertd looks into the mailbox."""

import email
import email.policy
import imaplib
import json
import time
import unittest

from dovecot import Dovecot
from harness import World, wait_until


class MailReplyTest(unittest.TestCase):
    def setUp(self):
        self.world = self.enterContext(World())
        self.imap = Dovecot(self.world, "s3cret-imap").imap
        smtp, certificate, self.mails = self.world.start_smtp()
        for name, text in (("smtp.password", "s3cret-mail"), ("imap.password", "s3cret-imap")):
            self.world.write(name, text + "\n").chmod(0o600)
        self.world.alertd_config(extra="""
[smtp]
host = "localhost"
port = %d
from = "alerts@mail.test"
user = "tocsin"
password_file = "smtp.password"
ca_file = "%s"
[imap]
host = "127.0.0.1"
port = %d
tls = "none"
user = "alerts"
password_file = "imap.password"
poll = "1s"
[[receiver]]
name = "ops"
[[receiver.email]]
to = ["ada@mail.test"]
[route]
receiver = "ops"
group_wait = "0s"
group_interval = "1s"
""" % (smtp, certificate, self.imap))
        self.world.start_alertd()

    def page(self, name):
        self.world.request("POST", "/api/v2/alerts", json.dumps([{"labels": {"alertname": name}}]),
                           {"Content-Type": "application/json"})

        def mail():
            for path in self.mails.glob("*.eml"):
                one = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
                if name in one["Subject"]:
                    return one

        return wait_until(mail, 10, "the mail of " + name)

    def answer(self, page, text, sender="Ada <ADA@mail.test>", **headers):
        lines = ["From: " + sender, "To: alerts@mail.test", "Subject: Re: " + page["Subject"],
                 "In-Reply-To: " + page["Message-Id"], "MIME-Version: 1.0",
                 "Content-Type: text/plain; charset=utf-8"]
        lines += ["%s: %s" % (name.replace("_", "-"), value) for name, value in headers.items()]
        with imaplib.IMAP4("127.0.0.1", self.imap) as imap:
            imap.login("alerts", "s3cret-imap")
            imap.append("INBOX", "", imaplib.Time2Internaldate(time.time()),
                        ("\r\n".join(lines) + "\r\n\r\n" + text + "\r\n").encode())

    def incident(self, page):
        return self.world.get_json("/api/v1/incidents/" + page["X-Tocsin-Incident"])["data"]

    def taken(self, reason):
        for line in self.world.get("/metrics")[1].decode().splitlines():
            if line.startswith("tocsin_alertd_mail_replies_total") and '"%s"' % reason in line:
                return float(line.split()[-1])
        return 0

    def test_answers(self):
        page = self.page("DiskFull")
        self.answer(page, "ack", sender="Eve <eve@mail.test>")
        self.answer(page, "ack", Auto_Submitted="auto-replied")
        self.answer(page, "what is this?\r\n> ack")
        wait_until(lambda: all(self.taken(reason) == 1 for reason in
                               ("unknown_sender", "automatic", "no_command")), 10, "three mails")
        self.assertEqual(self.incident(page)["state"], "open")
        self.answer(page, "ack 2h on my way\r\n\r\nOn Thursday alertd wrote:\r\n> DiskFull")
        wait_until(lambda: self.incident(page)["state"] == "acknowledged", 10, "the answer")
        self.assertEqual(self.incident(page)["acknowledgedBy"], "ada@mail.test")

        other = self.page("Load")
        self.answer(other, "Resolved: it was a test")
        wait_until(lambda: self.incident(other)["state"] == "resolved", 10, "the resolve")
        self.assertEqual(self.incident(other)["comment"], "it was a test")


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""Mail that comes back, by the reason that Postfix writes, and a blacklist that has our address: with the tables as docs/mail.md has them,
a log as Postfix writes it, and dnsmasq as the list.
"""

import re
import shutil
import signal
import unittest

from harness import SOURCE, HookReceiver, World, free_port, listening, route_to, wait_until

DNSMASQ = shutil.which("dnsmasq", path="/usr/sbin:/usr/bin")
LINE = "Nov 28 05:0%d:00 mx postfix/smtp[123]: 4ABC%d: to=<someone%d@example.org>, relay=mx.example.org[192.0.2.1]:25, delay=1.1, " \
       "delays=0.1/0/0.5/0.5, dsn=%s, status=%s (host mx.example.org[192.0.2.1] said: %s)\n"


def documented(key):
    """The TOML of docs/mail.md whose first table is `key`."""
    blocks = re.findall(r"```toml\n(.*?)```", (SOURCE / "docs/mail.md").read_text(), re.DOTALL)
    return next(block for block in blocks if block.startswith(key))


def scaled(rules):
    rules = re.sub(r'\bfor = "[^"]+"', 'for = "1s"', rules)
    return re.sub(r'\ninterval = "[0-9a-z]+"', '\ninterval = "1s"', rules)


@unittest.skipIf(DNSMASQ is None, "dnsmasq is not installed (packaging/install-deps --tests)")
class MailReputationTest(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.__exit__)
        self.hook = HookReceiver()
        self.addCleanup(self.hook.stop)
        for book in (SOURCE / "rules/runbooks").glob("*.md"):
            if book.stem.startswith(("mail-", "probe-", "certificate-", "tls-", "encryption")):
                self.world.write("rules/runbooks/" + book.name, book.read_text())
        self.world.alertd_config(scaled((SOURCE / "rules/mail.toml").read_text()), route_to(self.hook.url, ["alertname"]))
        self.log = self.world.write("mail.log", "")
        self.port = free_port()
        logs = documented("[[log]]").replace("/var/log/mail.log", str(self.log))
        probe = documented("[[probe]]").replace("127.0.0.1:53", "127.0.0.1:%d" % self.port)
        probe = re.sub(r'interval = "15m"', 'interval = "1s"\ntimeout = "800ms"', probe)
        self.world.agent_config('[host]\nenabled = ["time"]\n' + logs + probe)

    def list_says(self, *addresses):
        """Begins the list anew, with these names on it."""
        if "dnsmasq" in self.world.processes:
            self.world.stop("dnsmasq", signal.SIGKILL)
        self.world.start("dnsmasq", DNSMASQ, "--no-daemon", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--port=%d" % self.port,
                         "--listen-address=127.0.0.1", "--bind-interfaces", "--user=root", "--local=/spamhaus.org/",
                         *("--host-record=%s,127.0.0.2" % name for name in addresses))
        wait_until(lambda: listening(self.port), 20, "dnsmasq")

    def told(self, alert, status="firing"):
        return [request["body"] for request in self.hook.distinct()
                if request["body"]["commonLabels"].get("alertname") == alert and request["body"]["status"] == status]

    def write(self, number, dsn, status, said):
        with self.log.open("a") as log:
            for i in range(number):
                log.write(LINE % (i % 10, i, i, dsn, status, said))

    def count(self, pattern):
        return next(iter(self.world.query('log_patterns_total{log="mail",pattern="%s"}' % pattern).values()), None)

    def test_bounces_by_reason_and_a_blacklist(self):
        self.list_says("11.2.0.192.zen.spamhaus.org")     # a neighbour
        self.world.start_alertd()
        self.world.start_agent()
        wait_until(lambda: self.count("mail_sent") == 0, 30, "the counters")
        wait_until(lambda: self.world.query('probe_success{purpose="dnsbl"} == 1'), 30, "the list")
        self.write(100, "2.0.0", "sent", "250 2.0.0 Ok: queued as 17")
        self.write(3, "4.7.1", "deferred", "451 4.7.1 try later")
        self.write(2, "5.1.1", "bounced", "550 5.1.1 no such user")
        wait_until(lambda: self.count("mail_bounced_mailbox") == 2, 30, "the bounces")
        self.assertEqual([self.count(name) for name in ("mail_sent", "mail_deferred", "mail_bounced_policy")], [100, 3, 0])
        self.assertEqual(self.told("MailBouncesMany"), [])
        self.write(9, "5.7.1", "bounced", "550 5.7.1 listed")
        self.write(8, "5.2.2", "bounced", "552 5.2.2 mailbox full")
        self.write(7, "5.4.4", "bounced", "Host or domain name not found")
        self.write(6, "5.0.0", "bounced", "554 no")
        wait_until(lambda: self.told("MailBouncesMany") and self.told("MailRefusedByPolicy"), 60, "the alerts")
        self.assertEqual([self.count("mail_bounced_" + name) for name in ("mailbox", "policy", "full", "domain", "other")], [2, 9, 8, 7, 6])
        self.assertNotIn("someone", str(self.hook.requests))
        self.assertEqual(self.told("MailBlacklisted"), [])
        self.list_says("10.2.0.192.zen.spamhaus.org")
        wait_until(lambda: self.told("MailBlacklisted"), 60, "the list to have us")
        self.assertEqual(self.told("MailBlacklisted")[0]["incident"]["severity"], "high")
        self.list_says()
        wait_until(lambda: self.told("MailBlacklisted", "resolved"), 60, "the end")


if __name__ == "__main__":
    unittest.main()

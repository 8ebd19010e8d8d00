#!/usr/bin/env python3
"""Mail is what is broken, and mail is what alerts travel by: the relay takes and drops, defers, hangs. The canary misses
its message, the alert arrives by the other way, and nobody is flooded when mail is back. By the rules that ship, with
their times in seconds.

And with real servers: Postfix's queues by folder and by its own listing; a canary through Postfix into dovecot, found by
IMAP and deleted, while a person's mail beside it is left as it is.
"""

import contextlib
import hashlib
import imaplib
import os
import pwd
import re
import shutil
import signal
import subprocess
import unittest

from dovecot import Dovecot
from harness import SOURCE, HookReceiver, World, free_port, listening, wait_until
from mail_sink import MailSink

MAIN_CF = """
compatibility_level = 3.6
queue_directory = %(folder)s/spool
data_directory = %(folder)s/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = mail.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
maillog_file = %(folder)s/postfix-mail.log
maillog_file_prefixes = %(folder)s
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = permit_mynetworks, reject
virtual_mailbox_domains = mail.test
virtual_mailbox_maps = texthash:%(folder)s/boxes
virtual_mailbox_base = %(folder)s/mail
virtual_minimum_uid = 1
virtual_uid_maps = static:%(uid)d
virtual_gid_maps = static:%(gid)d
transport_maps = texthash:%(folder)s/transport
alias_maps =
alias_database =
"""

MASTER_CF = """
127.0.0.1:%(smtp)d inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
showq unix n - n - - showq
virtual unix - n n - - virtual
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
"""


def scaled(rules):
    rules = re.sub(r'\bfor = "[^"]+"', 'for = "1s"', rules)
    return (rules.replace('interval = "15s"', 'interval = "1s"').replace("seconds > 1800", "seconds > 8")
            .replace("above = 300", "above = 6").replace("above = 1800", "above = 600"))


def write_runbooks(world):
    for book in (SOURCE / "rules/runbooks").glob("mail-*.md"):
        world.write("rules/runbooks/" + book.name, book.read_text())


class BrokenMailTest(unittest.TestCase):
    def setUp(self):
        self.world = self.enterContext(World())
        self.sink = MailSink(self.world.folder / "boxes")
        self.addCleanup(self.sink.stop)
        self.hook = HookReceiver()
        self.addCleanup(self.hook.stop)
        write_runbooks(self.world)
        self.world.alertd_config(scaled((SOURCE / "rules/mail.toml").read_text()), """
[smtp]
host = "127.0.0.1"
port = %d
tls = "none"
from = "tocsin@example.org"
[[receiver]]
name = "ops"
[[receiver.email]]
to = ["ops@example.org"]
timeout = "2s"
[[receiver.webhook]]
name = "hook"
url = "%s"
[route]
receiver = "ops"
group_by = ["alertname"]
group_wait = "0s"
group_interval = "1s"
""" % (self.sink.port, self.hook.url))
        self.world.agent_config("""
[host]
enabled = ["time"]
[[mail_canary]]
name = "relay"
from = "app@example.org"
to = "canary@example.org"
maildir = "%s"
interval = "2s"
check_interval = "1s"
timeout = "2s"
[mail_canary.smtp]
port = %d
""" % (self.sink.maildir("canary"), self.sink.port))
        self.world.start_alertd()
        self.world.start_agent()
        wait_until(lambda: self.world.query("mail_canary_received_total >= 1"), 30, "the first message to come back")

    def told(self, alert, status="firing"):
        return [request["body"] for request in self.hook.distinct()
                if request["body"]["commonLabels"].get("alertname") == alert and request["body"]["status"] == status]

    def alert_mails(self):
        return self.sink.mails("ops")

    def attempts_of_alertd(self, outcome):
        """How many of its attempts to send mail ended so."""
        counts = re.findall(r'^tocsin_alertd_notifications_total\{channel="[^"]*email",outcome="%s"\} (\S+)' % outcome,
                            self.world.get("/metrics")[1].decode(), re.MULTILINE)
        self.assertEqual(len(counts), 1)
        return float(counts[0])

    def test_taken_and_dropped_then_deferred_then_hanging_then_well(self):
        self.assertEqual(self.hook.requests, [])
        # Accepted and dropped: no sender notices, the alert's own mail is lost as well.
        self.sink.set("drop")
        wait_until(lambda: self.told("MailCanaryMissing"), 30, "the alert by webhook")
        body = self.told("MailCanaryMissing")[0]
        self.assertEqual(body["incident"]["severity"], "high")
        self.assertIn("no test message by 'relay' has arrived", body["commonAnnotations"]["summary"])
        wait_until(lambda: "ops" in self.sink.taken, 10, "the mail about it that is lost")
        self.assertEqual(self.alert_mails(), [])
        self.assertTrue(self.world.query('mail_canary_success{stage="send"} == 1'))
        # A restart neither forgets nor ends it.
        since = list(self.world.query("mail_canary_last_received_timestamp_seconds").values())
        self.world.stop("agent")
        self.world.start_agent()
        wait_until(lambda: self.world.query("mail_canary_sent_total < 2"), 20, "the agent to be back")
        self.assertEqual(list(self.world.query("mail_canary_last_received_timestamp_seconds").values()), since)
        self.assertEqual(self.told("MailCanaryMissing", "resolved"), [])
        # Deferred: the sender is told, and the log has the relay's words.
        self.sink.set("defer")
        wait_until(lambda: self.told("MailCanaryCannotSend"), 20, "the refusal by webhook")
        self.assertEqual(self.told("MailCanaryCannotSend")[0]["incident"]["severity"], "medium")
        self.assertIn("451 4.3.0 try again later", self.world.log("agent"))
        self.assertTrue(self.world.query('mail_canary_failures_total{stage="send",reason="deferred"} >= 1'))
        # Hanging: nothing else stops.
        self.sink.set("hang")
        wait_until(lambda: self.world.query('mail_canary_failures_total{stage="send",reason="timeout"} >= 1'), 20,
                   "the time-out")
        self.assertTrue(self.world.query("time() - max(node_time_seconds) < 5"))
        attempts = self.sink.attempts
        # alertd counts what it has to try again, and has given nothing up.
        wait_until(lambda: self.attempts_of_alertd("retry") >= 1, 20, "alertd's own failing attempts")
        self.assertEqual(self.attempts_of_alertd("dead"), 0)
        # Well again: told once by each way, and nobody gets the same mail twice.
        self.sink.set("deliver")
        wait_until(lambda: self.told("MailCanaryMissing", "resolved") and self.told("MailCanaryCannotSend", "resolved"),
                   30, "the end by webhook")
        wait_until(lambda: len(self.alert_mails()) >= 2, 40, "the mails that waited")
        self.assertLess(attempts, 60)  # with a growing wait between them
        for alert in ("MailCanaryMissing", "MailCanaryCannotSend"):
            self.assertEqual((len(self.told(alert)), len(self.told(alert, "resolved"))), (1, 1), alert)
        mails = self.alert_mails()
        names = [mail["Message-ID"] for mail in mails]
        self.assertEqual(len(set(names)), len(names))
        self.assertLessEqual(len(mails), 4)
        others = {request["body"]["commonLabels"].get("alertname") for request in self.hook.requests}
        self.assertLessEqual(others, {"MailCanaryMissing", "MailCanaryCannotSend", "MailCanarySlow"})
        # The canary cleans up behind itself.
        wait_until(lambda: len(list(self.sink.maildir("canary").glob("*/*"))) <= 1, 20, "its messages to be deleted")


class RealMailServersTest(unittest.TestCase):
    def setUp(self):
        self.postfix = shutil.which("postfix", path="/usr/sbin")
        if not self.postfix or os.getuid() != 0:
            self.skipTest("Debian's postfix is not installed, or this is not root")
        self.world = self.enterContext(World())
        folder = self.world.folder
        self.dovecot = Dovecot(self.world, "s3cret-mail")
        self.smtp = free_port()
        values = {"folder": folder, "uid": self.dovecot.uid, "gid": self.dovecot.gid, "smtp": self.smtp}
        for name in ("spool", "data", "etc"):
            (folder / name).mkdir()
        os.chown(folder / "data", pwd.getpwnam("postfix").pw_uid, -1)
        self.world.write("boxes", "".join("%s@mail.test %s/\n" % (name, name) for name in ("ada", "canary")))
        self.world.write("transport", "stuck.test retry:4.4.1 nobody answers there\n")
        self.world.write("etc/main.cf", MAIN_CF % values)
        self.world.write("etc/master.cf", MASTER_CF % values)
        self.world.start("postfix", self.postfix, "-c", folder / "etc", "start-fg")
        self.world.cleanups.append(self.stop_postfix)
        wait_until(lambda: listening(self.smtp), 15, "postfix")
        write_runbooks(self.world)
        self.world.alertd_config()

    def stop_postfix(self):
        """What was started is a script; the server's own pid is in its file."""
        path = self.world.folder / "spool/pid/master.pid"
        if not path.exists():
            return
        pid = int(path.read_text())
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not os.path.exists("/proc/%d" % pid), 10, "postfix to stop")

    def send(self, to, subject):
        done = subprocess.run(["/usr/sbin/sendmail", "-C", self.world.folder / "etc", "-f", "app@mail.test", to],
                              input="To: %s\nSubject: %s\n\nprivate\n" % (to, subject), text=True, capture_output=True,
                              env=dict(os.environ, MAIL_CONFIG=str(self.world.folder / "etc")))
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_the_queues_by_folder_and_by_listing(self):
        spool = self.world.folder / "spool"
        self.world.agent_config('[host]\nenabled = ["time"]\n' + "".join(
            '[[mail_queue]]\nname = "%s"\nspool = "%s"\nread = "%s"\ninterval = "1s"\n' % (how, spool, how)
            for how in ("folders", "listing")))
        self.world.start_alertd()
        self.world.start_agent()
        both = [(("server", "folders"),), (("server", "listing"),)]

        def counts(expr):
            return {key: value for key, value in self.world.query("sum by (server) (%s)" % expr).items()}

        wait_until(lambda: counts('mail_queue_messages{queue="deferred"}') == dict.fromkeys(both, 0), 20, "empty queues")
        for number in range(3):
            self.send("nobody%d@stuck.test" % number, "stuck")
        wait_until(lambda: counts('mail_queue_messages{queue="deferred"}') == dict.fromkeys(both, 3), 20, "three deferred")
        wait_until(lambda: min(counts('mail_queue_oldest_seconds{queue="deferred"}').values()) >= 2, 20, "their age")
        self.assertLess(max(counts('mail_queue_oldest_seconds{queue="deferred"}').values()), 60)
        subprocess.run(["postsuper", "-c", self.world.folder / "etc", "-h", "ALL"], check=True, capture_output=True)
        wait_until(lambda: counts('mail_queue_messages{queue="hold"}') == dict.fromkeys(both, 3)
                   and counts('mail_queue_messages{queue="deferred"}') == dict.fromkeys(both, 0), 20, "three held")
        self.assertEqual(counts("mail_queue_up"), dict.fromkeys(both, 1))
        self.assertFalse(self.world.query("tocsin_agent_check_failed"))
        metrics = self.world.get("/api/v1/series?match[]={__name__=~'mail_.*'}")[1].decode()
        self.assertNotIn("stuck.test", metrics + self.world.log("agent"))

    @staticmethod
    def mark(name):
        """What all messages of a canary have in their subject."""
        return hashlib.sha256(("mail canary\ntesthost\n" + name).encode()).hexdigest()[:12]

    def test_a_canary_through_postfix_and_imap_leaves_peoples_mail_alone(self):
        self.send("canary@mail.test", "a personal letter")
        self.world.write("imap.password", "s3cret-mail\n").chmod(0o600)
        self.world.write("wrong.password", "wrong\n").chmod(0o600)
        self.world.agent_config('[host]\nenabled = ["time"]\n' + "".join("""
[[mail_canary]]
name = "%s"
from = "app@mail.test"
to = "canary@mail.test"
interval = "2s"
check_interval = "1s"
timeout = "5s"
[mail_canary.smtp]
port = %d
[mail_canary.imap]
host = "127.0.0.1"
port = %d
tls = "none"
user = "canary"
password_file = "%s.password"
""" % (name, self.smtp, self.dovecot.imap, name) for name in ("imap", "wrong")))
        self.world.start_alertd()
        self.world.start_agent()
        wait_until(lambda: self.world.query('mail_canary_received_total{server="imap"} >= 3'), 40, "three to come back")
        self.assertTrue(self.world.query('mail_canary_success{server="imap",stage="receive"} == 1'))
        # Two canaries in one mailbox do not see each other's messages; one with a wrong password sees none.
        wait_until(lambda: self.world.query('mail_canary_success{server="wrong",stage="receive"} == 0'), 20, "the refusal")
        self.assertTrue(self.world.query('tocsin_agent_check_failed{server="wrong",check="mail_canary receive"}'))
        self.assertIn("login refused", self.world.log("agent"))
        self.assertTrue(self.world.query('mail_canary_received_total{server="wrong"} == 0'))
        self.assertTrue(self.world.query("mail_canary_delay_seconds < 10"))
        # With --once it is told what is known, and nothing is sent.
        before = self.world.query("mail_canary_sent_timestamp_seconds")
        self.world.stop("agent")
        log = self.world.folder / "postfix-mail.log"
        sent = log.read_text().count("message-id=")
        done = subprocess.run([World.bin("tocsin-agent"), "--config", self.world.folder / "agent.toml", "--once"],
                              capture_output=True, text=True, timeout=60)
        self.assertIn("mail_canary_sent_timestamp_seconds", done.stdout)
        self.assertEqual(log.read_text().count("message-id="), sent)
        self.assertTrue(before)
        with imaplib.IMAP4("127.0.0.1", self.dovecot.imap) as imap:
            imap.login("canary", "s3cret-mail")
            imap.select("INBOX", readonly=True)
            numbers = imap.search(None, "ALL")[1][0].split()
            # The letter, those of the canary that cannot log in, and what was under way when the agent stopped.
            alien = len(imap.search(None, 'SUBJECT "canary %s"' % self.mark("wrong"))[1][0].split())
            self.assertGreater(alien, 0)
            self.assertLessEqual(len(numbers), alien + 3)
            self.assertEqual(len(imap.search(None, 'SUBJECT "personal letter"')[1][0].split()), 1)
            self.assertEqual(imap.search(None, 'SEEN')[1][0].split(), [])
            self.assertEqual(imap.search(None, 'DELETED')[1][0].split(), [])
        self.assertNotIn("s3cret", self.world.log("agent"))


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""Mail through real servers: postfix takes it (STARTTLS, AUTH by dovecot), dovecot shows it over IMAP.

Read back as a person would: subject, both parts, the thread; a recipient that does not exist is reported
while the others get theirs; a wrong password is a failure that says so.
"""

import contextlib
import email
import email.policy
import imaplib
import os
import pwd
import shutil
import signal
import unittest

from dovecot import Dovecot
from harness import Probes, World, free_port, listening, probe_rules, wait_until

RULES = probe_rules('{{ $labels.item }} läuft über – 95 %')

ROUTE = """
[route]
receiver = "ops"
group_by = ["alertname", "item"]
group_wait = "0s"
group_interval = "1s"
"""

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
mynetworks =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
maillog_file = %(folder)s/postfix-mail.log
maillog_file_prefixes = %(folder)s
smtpd_tls_security_level = encrypt
smtpd_tls_auth_only = yes
smtpd_tls_cert_file = %(certificate)s
smtpd_tls_key_file = %(key)s
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:%(auth)d
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_reject_unlisted_recipient = yes
virtual_mailbox_domains = mail.test
virtual_mailbox_maps = texthash:%(folder)s/boxes
virtual_mailbox_base = %(folder)s/mail
virtual_minimum_uid = 1
virtual_uid_maps = static:%(uid)d
virtual_gid_maps = static:%(gid)d
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
virtual unix - n n - - virtual
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
"""


class RealMailTest(unittest.TestCase):
    def setUp(self):
        self.postfix = shutil.which("postfix", path="/usr/sbin")
        if not self.postfix:
            self.skipTest("Debian's postfix is not installed")
        if os.getuid() != 0:
            self.skipTest("postfix starts as root only")
        self.world = self.enterContext(World())
        folder = self.world.folder
        dovecot = Dovecot(self.world, "s3cret-mail")
        self.certificate, key = self.world.certificate("mail")
        user = pwd.getpwnam("postfix")
        self.ports = {"smtp": free_port(), "imap": dovecot.imap, "auth": dovecot.auth}
        values = dict(self.ports, folder=folder, certificate=self.certificate, key=key,
                      uid=dovecot.uid, gid=dovecot.gid)
        for name in ("spool", "data", "etc"):
            (folder / name).mkdir()
        os.chown(folder / "data", user.pw_uid, -1)
        self.world.write("boxes", "".join("%s@mail.test %s/\n" % (name, name)
                                          for name in ("ada", "bob", "lead")))
        self.world.write("etc/main.cf", MAIN_CF % values)
        self.world.write("etc/master.cf", MASTER_CF % values)
        self.world.start("postfix", self.postfix, "-c", folder / "etc", "start-fg")
        self.world.cleanups.append(self.stop_postfix)
        wait_until(lambda: listening(self.ports["smtp"]), 15, "postfix")

    def stop_postfix(self):
        """What was started is a script; the server's own pid is in its file."""
        path = self.world.folder / "spool/pid/master.pid"
        if not path.exists():
            return
        pid = int(path.read_text())
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not os.path.exists("/proc/%d" % pid), 10, "postfix to stop")

    def start(self, to, password="s3cret-mail", port=None):
        self.world.write("smtp.password", password + "\n").chmod(0o600)
        self.world.alertd_config(RULES, """restart_window = "1s"
[smtp]
host = "localhost"
port = %d
from = "tocsin@mail.test"
user = "tocsin"
password_file = "smtp.password"
ca_file = "%s"
[[receiver]]
name = "ops"
[[receiver.email]]
to = [%s]
""" % (port or self.ports["smtp"], self.certificate, ", ".join('"%s@mail.test"' % name for name in to))
                                 + ROUTE)
        self.world.start_alertd()
        self.probes = Probes(self.world)

    def mails(self, box):
        with imaplib.IMAP4("127.0.0.1", self.ports["imap"]) as imap:
            imap.login(box, "s3cret-mail")
            imap.select("INBOX", readonly=True)
            _, found = imap.search(None, "ALL")
            mails = [imap.fetch(number, "(RFC822)")[1][0][1] for number in found[0].split()]
        return [email.message_from_bytes(one, policy=email.policy.default) for one in mails]

    def test_read_back_over_imap(self):
        self.start(["ada", "nobody-here", "bob"])
        self.probes.values["Straße"] = 9.0
        wait_until(lambda: self.mails("ada") and self.mails("bob"), 15, "the mail over IMAP")
        self.probes.values["Straße"] = 1.0
        wait_until(lambda: len(self.mails("ada")) == 2, 15, "the mail about the end")
        first, last = self.mails("ada")
        self.assertIn("CRITICAL", first["Subject"])
        self.assertIn("resolved", last["Subject"])
        for part in ("plain", "html"):
            self.assertIn("Straße läuft über – 95 %", first.get_body((part,)).get_content())
        self.assertEqual([part.get_content_type() for part in first.iter_parts()],
                         ["text/plain", "text/html"])
        self.assertNotEqual(first["Message-ID"], last["Message-ID"])
        self.assertEqual(first["References"], last["References"])
        self.assertIn("with ESMTPSA", first.get_all("Received")[0])  # TLS and AUTH, says postfix
        self.assertEqual(len(self.mails("bob")), 2)
        # The one that does not exist is named where an operator looks.
        incident = self.world.get_json("/api/v1/incidents")["data"]["incidents"][0]["id"]
        deliveries = self.world.get_json("/api/v1/incidents/" + incident)["data"]
        self.assertIn("nobody-here", str(deliveries) + self.world.log("alertd"))

    def test_a_wrong_password_is_given_up_with_the_servers_words(self):
        self.start(["ada"], password="wrong")
        self.probes.values["db1"] = 9.0
        wait_until(lambda: "GIVEN UP" in self.world.log("alertd"), 15, "the refusal")
        self.assertIn("535", self.world.log("alertd"))
        self.assertNotIn("wrong", self.world.log("alertd"))
        self.assertEqual(self.mails("ada"), [])


if __name__ == "__main__":
    unittest.main()

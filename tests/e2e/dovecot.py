"""Debian's dovecot with a mailbox for every name: IMAP, and SASL for a mail server beside it."""

import os
import pwd
import shutil
import unittest

from harness import free_port, listening, wait_until

DOVECOT = """
protocols = imap
listen = 127.0.0.1
base_dir = %(folder)s/dovecot-run
state_dir = %(folder)s/dovecot-state
log_path = %(folder)s/dovecot-mail.log
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
first_valid_uid = 1
mail_location = maildir:%(folder)s/mail/%%n
passdb {
  driver = static
  args = password=%(password)s
}
userdb {
  driver = static
  args = uid=%(uid)d gid=%(gid)d home=%(folder)s/mail/%%n
}
service imap-login {
  chroot =
  inet_listener imap {
    port = %(imap)d
  }
  inet_listener imaps {
    port = 0
  }
}
service anvil {
  chroot =
}
service auth {
  inet_listener {
    port = %(auth)d
  }
}
"""


class Dovecot:
    """Runs in `world`; everybody's password is `password`. Skips the test where it cannot run."""

    def __init__(self, world, password):
        program = shutil.which("dovecot", path="/usr/sbin")
        if not program or os.getuid() != 0:
            raise unittest.SkipTest("Debian's dovecot-imapd is not installed, or this is not root")
        folder = world.folder
        folder.chmod(0o755)  # dovecot drops root and still reads its folders
        user = pwd.getpwnam("mail")
        self.uid, self.gid = user.pw_uid, user.pw_gid
        self.imap, self.auth = free_port(), free_port()
        (folder / "mail").mkdir()
        os.chown(folder / "mail", self.uid, self.gid)
        config = world.write("dovecot.conf", DOVECOT % {
            "folder": folder, "uid": self.uid, "gid": self.gid, "password": password,
            "imap": self.imap, "auth": self.auth})
        world.start("dovecot", program, "-F", "-c", config)
        wait_until(lambda: listening(self.imap) and listening(self.auth), 15, "dovecot")

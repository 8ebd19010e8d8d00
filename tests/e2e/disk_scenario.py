"""The main job's scene: a tmpfs that fills, a real agent that sees it, three channels that tell.

Used by the test that it works and by the test that killing alertd meanwhile changes nothing.
"""

import email
import email.policy
import os
import subprocess
import time
import unittest

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


class DiskScenario(unittest.TestCase):
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

    def start_everything(self, agent_port=None):
        """Starts mail server, alertd and agent; the agent pushes to `agent_port`, else to alertd itself."""
        smtp_port, certificate, self.mails = self.world.start_smtp()
        password_file = self.world.write("smtp.password", "s3cret-mail\n")
        password_file.chmod(0o600)
        self.world.alertd_config(
            RULES % (self.mount, self.mount),
            RECEIVERS.format(smtp_port=smtp_port, certificate=certificate,
                             password_file=password_file, webhook=self.webhook.url,
                             chat=self.chat.url))
        self.world.write("rules/runbooks/disk-filling.md", "# Disk filling\n")
        self.world.agent_config(port=agent_port)
        self.world.start_alertd()
        self.world.start_agent()
        wait_until(lambda: self.world.query(
            'node_filesystem_size_bytes{mountpoint="%s"}' % self.mount), 20, "the first sample")

    def fill(self, megabytes=3.95):
        with open(self.mount / "filler", "wb") as file:
            file.write(os.urandom(int(megabytes * 1024 * 1024)))
        return time.time()

    def free(self):
        (self.mount / "filler").unlink()

    def mail_messages(self):
        return [email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
                for path in sorted(self.mails.glob("*.eml"), key=lambda p: p.stat().st_mtime)]

#!/usr/bin/env python3
"""A host in a folder, watched by the real programs: a second uid 0, a key, a line in sudoers, a cron job and a port
appear, and each is told by the rules that ship at its severity; the same host beside it, where nothing happens, is
silent. And the packages of this machine, an agent without any right, and scanners' files, one of them cut.
"""

import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import time
import unittest

from harness import BIN, SOURCE, HookReceiver, World, free_port, route_to, wait_until

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEf8O68VF+curAA7MY/r+6dBW+OVga8sgpWkK6qlb3jP x\n"
TRIVY = {"SchemaVersion": 2, "Results": [{"Target": "app", "Vulnerabilities": [
    {"VulnerabilityID": "CVE-1", "PkgName": "libssl3", "Severity": "CRITICAL"}]}]}


def scaled(rules):
    """The rules that ship, in seconds: what has to hold for a week holds for three seconds."""
    rules = re.sub(r'\bfor = "[^"]+"', 'for = "2s"', rules)
    rules = re.sub(r'interval = "[^"]+"', 'interval = "1s"', rules)
    return rules.replace("7 * 86400", "3")


class Host:
    """A root folder with what a small server has."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.put("etc/passwd", "root:x:0:0::/root:/bin/bash\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\n"
                               "alice:x:1000:1000::/home/alice:/bin/bash\n")
        self.put("etc/shadow", "root:*:1:0:9:7:::\nwww-data:*:1:0:9:7:::\nalice:$y$x:1:0:9:7:::\n")
        self.put("etc/group", "sudo:x:27:\ndocker:x:999:\n")
        self.put("etc/sudoers", "root ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL:ALL) ALL\n")
        self.put("home/alice/.ssh/authorized_keys", KEY)
        self.put("etc/cron.d/php", "09,39 * * * * root /usr/lib/php/sessionclean\n")
        self.put("etc/ssh/sshd_config", "PermitRootLogin no\n")
        self.put("var/log/wtmp", "")
        self.put("usr/bin/sudo", "", 0o4755)
        self.put("etc/shop/api.key", "k", 0o600)
        tree = self.root / "srv/shop"
        tree.mkdir(parents=True)
        git = ["git", "-C", tree, "-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(git + ["init", "-q"], check=True)
        (tree / "manage.py").write_text("x\n")
        subprocess.run(git + ["add", "."], check=True)

    def put(self, name, text, mode=0o644):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(".part." + path.name)
        part.write_text(text)
        part.chmod(mode)
        part.rename(path)  # as vipw and package managers do: no reader sees half of it

    def add(self, name, text):
        self.put(name, (self.root / name).read_text() + text)

    def table(self, state):
        return ('[inventory]\ninterval = "1s"\nroot_path = "%s"\nstate_file = "%s"\n'
                'secret_files = ["/etc/shop/*.key"]\ngit_work_trees = ["/srv/*"]\n'
                'checks_disabled = ["encryption"]\n' % (self.root, state))


class InventoryStoriesTest(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.__exit__)
        self.hook = HookReceiver()
        self.addCleanup(self.hook.stop)

    def begin(self, *rules):
        text = "".join(scaled((SOURCE / "rules" / name).read_text()) for name in rules)
        for book in (SOURCE / "rules" / "runbooks").glob("*.md"):
            self.world.write("rules/runbooks/" + book.name, book.read_text())
        self.world.alertd_config(text, route_to(self.hook.url, ["alertname", "host", "tool"]))
        self.world.start_alertd()

    def told(self, alert, host=None):
        return [request["body"] for request in self.hook.distinct()
                if request["body"]["commonLabels"].get("alertname") == alert
                and host in (None, request["body"]["commonLabels"].get("host"))]

    def severity(self, alert, host=None):
        return self.told(alert, host)[0]["incident"]["severity"]

    def agent(self, name, tables, program=BIN / "tocsin-agent", **options):
        """Starts an agent for a host of that name, with a spool of its own."""
        path = self.world.write(name + ".toml", '[agent]\nhost = "%s"\ninterval = "1s"\n[alertd]\n'
                                'url = "http://127.0.0.1:%d"\n[spool]\npath = "%s/%s/spool"\n'
                                '[host]\nenabled = ["time"]\n%s'
                                % (name, self.world.port, self.world.folder, name, tables))
        command = [str(program), "--config", str(path)]
        if not options:
            return self.world.start(name, *command)
        log = open(self.world.folder / (name + ".log"), "ab")
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **options)
        log.close()
        self.world.processes[name] = process
        return process

    def changes(self, host):
        result = self.world.query('sec_access_changes_total{host="%s"} > 0' % host)
        return {dict(labels)["kind"]: value for labels, value in result.items()}

    def test_an_intruder_settles_in_on_one_host_of_two(self):
        self.begin("security.toml")
        port = free_port()
        hosts = {}
        for name in ("broken", "quiet"):
            hosts[name] = Host(self.world.folder / name / "root")
            self.agent(name, hosts[name].table(self.world.folder / name / "inventory.json"))
        wait_until(lambda: len(self.world.query("sec_inventory_timestamp_seconds")) == 2, 30, "the first look")
        self.assertEqual(self.changes("broken"), {})
        # The agent is down while it happens: what it knew is on disk.
        self.world.stop("broken")
        broken = hosts["broken"]
        broken.add("etc/passwd", "toor:x:0:0::/root:/bin/sh\n")
        broken.put("root/.ssh/authorized_keys", KEY)
        broken.put("etc/sudoers.d/web", "www-data ALL=(ALL) NOPASSWD: ALL\n", 0o440)
        broken.put("etc/cron.d/x", "* * * * * root /tmp/x\n")
        broken.put("usr/local/bin/sh", "", 0o4755)
        (broken.root / "etc/shop/api.key").chmod(0o644)
        self.assertEqual(subprocess.run(
            ["openssl", "genpkey", "-algorithm", "ed25519", "-out", broken.root / "srv/shop/site.pem"],
            capture_output=True).returncode, 0)
        subprocess.run(["git", "-C", broken.root / "srv/shop", "add", "."], check=True)
        self.agent("broken", broken.table(self.world.folder / "broken" / "inventory.json"))
        expected = {
            "AccessSuperuserAdded": "high", "AccessAdminAdded": "high", "AccessSudoersChanged": "medium",
            "AccessAccountChanged": "medium", "AccessKeyAdded": "medium", "AccessJobChanged": "low",
            "AccessSuidAdded": "high", "SuperuserNotRoot": "high", "SudoWithoutPassword": "medium",
            "SecretExposed": "high", "SecretGroupReadable": "medium", "PrivateKeyInGit": "critical",
        }
        for alert in expected:
            wait_until(lambda: self.told(alert, "broken"), 30, alert)
        self.assertEqual({alert: self.severity(alert, "broken") for alert in expected}, expected)
        # Both agents see the ports of this machine; a listener of ours appears, for everybody.
        listener = socket.create_server(("0.0.0.0", port))
        self.addCleanup(listener.close)
        wait_until(lambda: self.world.query('sec_listening_ports{host="broken",port="%d",scope="all",protocol="tcp"}'
                                            % port), 30, "the port")
        wait_until(lambda: self.told("PortOpened", "broken"), 30, "PortOpened")
        self.assertIn("port opened: tcp %d on all addresses" % port, self.world.log("broken"))
        changes = self.changes("broken")
        self.assertEqual({kind: changes.get(kind) for kind in (
            "account_added", "superuser_added", "admin_added", "sudoers_changed", "key_added", "cron_changed",
            "suid_added")}, {"account_added": 1, "superuser_added": 1, "admin_added": 1, "sudoers_changed": 1,
                             "key_added": 2, "cron_changed": 1, "suid_added": 1})
        self.assertIn("superuser added: toor", self.world.log("broken"))
        self.assertIn("SHA256:/Kl2v7gzxAUsn9o15QmIoeI1Qn0Zf3twMpimX4dPR9w", self.world.log("broken"))
        # The quiet twin: nobody is told anything, but of other tests' ports, and of sockets whose process even root
        # may not see here (that of the container's first process).
        told = {labels["alertname"] for labels in (request["body"]["commonLabels"] for request in self.hook.requests)
                if labels.get("host") == "quiet" and labels.get("check") != "port_processes"}
        self.assertEqual(told - {"PortOpened"}, set())
        # Whoever looks uses up nothing, and writes nothing.
        state = self.world.folder / "quiet" / "inventory.json"
        hosts["quiet"].put("etc/cron.d/y", "0 0 * * * root true\n")
        self.world.stop("quiet")
        before = state.read_bytes()
        once = subprocess.run([BIN / "tocsin-agent", "--config", self.world.folder / "quiet.toml", "--once"],
                              capture_output=True, text=True, timeout=60)
        self.assertIn("sec_accounts 3", once.stdout, once.stderr)
        self.assertEqual(state.read_bytes(), before)

    @unittest.skipUnless(os.geteuid() == 0, "only root may start an agent as somebody else")
    def test_an_agent_without_rights_says_what_it_may_not_see(self):
        self.begin("security.toml")
        host = Host(self.world.folder / "root")
        for name in ("etc/shadow", "etc/sudoers"):
            (host.root / name).chmod(0o600)
        (host.root / "home/alice/.ssh").chmod(0o700)
        self.world.folder.chmod(0o755)
        home = self.world.folder / "poor"
        home.mkdir()
        os.chown(home, 65534, 65534)
        shutil.copy(BIN / "tocsin-agent", self.world.folder)  # the build may lie where nobody may look
        self.agent("poor", host.table(home / "inventory.json"), program=self.world.folder / "tocsin-agent",
                   user=65534, group=65534, extra_groups=[])
        failed = 'tocsin_agent_check_failed{server="inventory",reason="permission_denied"}'
        wait_until(lambda: len(self.world.query(failed)) >= 3, 30, "the failed checks")
        checks = {dict(labels)["check"] for labels in self.world.query(failed)}
        self.assertLessEqual({"accounts", "sudoers", "authorized_keys"}, checks)
        self.assertIn("CAP_DAC_READ_SEARCH", self.world.log("poor"))
        self.assertTrue(self.world.query("sec_accounts == 3"))
        self.assertEqual(self.world.query("sec_sudoers_nopasswd_all"), {})
        self.assertEqual(self.world.query("sec_accounts_empty_password"), {})
        wait_until(lambda: self.told("SecurityCheckFailed"), 30, "SecurityCheckFailed")
        self.assertEqual(self.severity("SecurityCheckFailed"), "medium")

    def test_the_packages_of_this_machine(self):
        if not pathlib.Path("/var/lib/dpkg/status").exists():
            self.skipTest("no Debian")
        lists = [path for path in pathlib.Path("/var/lib/apt/lists").glob("*_Packages*")]
        fake = self.world.folder / "root"
        shutil.copytree("/var/lib/dpkg", fake / "var/lib/dpkg", ignore=lambda folder, names: [
            name for name in names if name not in ("status",)])
        (fake / "etc").mkdir()
        (fake / "etc/os-release").write_text('ID=debian\nVERSION_ID="10"\n')
        waiting = fake / "var/lib/apt/lists"
        waiting.mkdir(parents=True)
        (waiting / "s_dists_stable-security_InRelease").write_text("Label: Debian-Security\n")
        (waiting / "s_dists_stable-security_main_binary-all_Packages").write_text(
            "Package: base-files\nArchitecture: amd64\nVersion: 9999\n\n"
            "Package: base-files\nArchitecture: arm64\nVersion: 9999\n\n")
        (fake / "run").mkdir()
        (fake / "run/reboot-required").write_text("*** System restart required ***\n")
        os.utime(fake / "run/reboot-required", (time.time() - 15 * 86400,) * 2)
        self.begin("compliance.toml")
        self.agent("real", '[packages]\ninterval = "1h"\nchecks_disabled = ["libraries"]\n')
        self.agent("old", '[packages]\ninterval = "1s"\nroot_path = "%s"\nchecks_disabled = ["libraries"]\n' % fake)
        wait_until(lambda: len(self.world.query("node_packages_timestamp_seconds")) == 2, 60, "both looks")
        if lists:
            # apt itself has the last word on how many updates wait.
            self.assertEqual(self.world.query('tocsin_agent_check_failed{host="real",server="packages",check="apt"}'),
                             {}, self.world.log("real"))
            installed = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status}\n"], capture_output=True,
                                       text=True, check=True).stdout.split("\n").count("installed")
            ours = sum(self.world.query('apt_packages_installed{host="real"}').values())
            self.assertEqual(ours, installed)
            pending = sum(self.world.query('apt_upgrades_pending{host="real"}').values())
            self.assertAlmostEqual(pending, self.apt_upgradable(), delta=2)
        self.assertTrue(self.world.query('apt_upgrades_pending{host="old",origin="security"} == 1'))
        for alert in ("SecurityUpdatesPending", "RebootRequired", "OsEndOfLife"):
            wait_until(lambda: self.told(alert, "old"), 30, alert)
        self.assertEqual([self.severity(alert, "old") for alert in ("SecurityUpdatesPending", "RebootRequired",
                                                                  "OsEndOfLife")], ["high", "medium", "high"])

    @staticmethod
    def apt_upgradable():
        done = subprocess.run(["apt-get", "-s", "-o", "Debug::NoLocking=1", "dist-upgrade"], capture_output=True,
                              text=True, env=dict(os.environ, LC_ALL="C"))
        return len(re.findall(r"^Inst \S+ \[", done.stdout, re.M))

    def test_scanners_files_whole_and_cut(self):
        self.begin("security.toml")
        scans = self.world.folder / "scans"
        scans.mkdir()
        (scans / "trivy.json").write_text(json.dumps(TRIVY))
        (scans / "clean.json").write_text(json.dumps({"SchemaVersion": 2, "Results": []}))
        (scans / "cut.json").write_text(json.dumps(TRIVY)[:60])
        (scans / "old.json").write_text(json.dumps({"SchemaVersion": 2}))
        os.utime(scans / "old.json", (time.time() - 9 * 86400,) * 2)
        self.agent("scanned", "".join('[[findings]]\nname = "%s"\nformat = "trivy"\nfiles = "%s"\n'
                                      % (name, scans / (name + ".json"))
                                      for name in ("trivy", "clean", "cut", "old")))
        wait_until(lambda: self.told("FindingsCriticalOpen") and self.told("ScanOld")
                   and self.told("SecurityCheckFailed"), 30, "the three alerts")
        self.assertEqual(self.told("FindingsCriticalOpen")[0]["commonLabels"]["tool"], "trivy")
        self.assertEqual(self.severity("FindingsCriticalOpen"), "high")
        self.assertEqual(self.told("ScanOld")[0]["commonLabels"]["tool"], "old")
        self.assertEqual(self.told("SecurityCheckFailed")[0]["commonLabels"]["check"], "cut")
        self.assertEqual(self.world.query('sec_findings{tool="cut"}'), {})
        self.assertEqual(len(self.world.query('sec_findings{tool="clean"} == 0')), 5)
        self.assertIn("ends in the middle", self.world.log("scanned"))
        # The scanner has finished: the check works again, and there is a number.
        (scans / "part").write_text(json.dumps(TRIVY))
        (scans / "part").rename(scans / "cut.json")
        wait_until(lambda: self.world.query('sec_findings{tool="cut",severity="critical"} == 1'), 30, "the number")
        wait_until(lambda: not self.world.query('tocsin_agent_check_failed{check="cut"}'), 30, "the check to work")


if __name__ == "__main__":
    unittest.main()

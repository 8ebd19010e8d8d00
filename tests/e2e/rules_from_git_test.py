"""Rules from a git repository: a commit pages, a broken one is told and changes nothing, a mended one ends that.

The repository is a local bare one, served once from the disk, once over HTTP with a token, by git's own
http-backend, and once over ssh, by an OpenSSH server of the test's own.
"""

import base64
import http.server
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import threading
import time
import unittest

import harness

RULE = """
[[group]]
name = "shop"
interval = "1s"

[[group.alert]]
name = "OrdersStuck"
expr = "orders_waiting > %d"
severity = "high"
no_data = "ok"
summary = "{{ $value }} orders wait"
runbook = "https://example.org/orders"
"""

FIRST = ("Ann Author", "Page when orders are stuck")


class Origin:
    """A bare repository and a clone to commit from."""

    def __init__(self, world):
        self.bare = world.folder / "rules.git"
        self.work = world.folder / "work"
        self.git(world.folder, "init", "-q", "--bare", "-b", "main", self.bare)
        self.git(world.folder, "clone", "-q", self.bare, self.work)

    @staticmethod
    def git(folder, *arguments, author="Nobody"):
        env = dict(os.environ, GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_SYSTEM="/dev/null",
                   GIT_AUTHOR_NAME=author, GIT_AUTHOR_EMAIL="a@example.org",
                   GIT_COMMITTER_NAME=author, GIT_COMMITTER_EMAIL="a@example.org")
        done = subprocess.run(["git", *map(str, arguments)], cwd=folder, env=env,
                              capture_output=True, text=True, timeout=30)
        if done.returncode != 0:
            raise AssertionError("git %s: %s" % (arguments, done.stderr))
        return done.stdout.strip()

    def commit(self, files, subject, author):
        for name, text in files.items():
            path = self.work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git(self.work, "add", "-A")
        self.git(self.work, "commit", "-q", "-m", subject, author=author)
        self.git(self.work, "push", "-q", "origin", "HEAD:main")
        return self.git(self.work, "rev-parse", "HEAD")


class GitOverHttp:
    """git http-backend as CGI, behind basic authentication."""

    def __init__(self, root, token):
        server = self
        server.refused = 0
        wanted = "Basic " + base64.b64encode(("oauth2:" + token).encode()).decode()

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                if self.headers.get("Authorization") != wanted:
                    server.refused += 1
                    self.send_response(401)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                path, _, query = self.path.partition("?")
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                env = dict(os.environ, GIT_PROJECT_ROOT=str(root), GIT_HTTP_EXPORT_ALL="1",
                           GIT_CONFIG_COUNT="1", GIT_CONFIG_KEY_0="safe.directory",
                           GIT_CONFIG_VALUE_0="*", PATH_INFO=path, QUERY_STRING=query,
                           REQUEST_METHOD=self.command, REMOTE_USER="oauth2",
                           CONTENT_TYPE=self.headers.get("Content-Type", ""),
                           CONTENT_LENGTH=str(len(body)))
                out = subprocess.run(["git", "http-backend"], input=body, env=env,
                                     capture_output=True, timeout=30).stdout
                head, _, payload = out.partition(b"\r\n\r\n")
                headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
                self.send_response(int(headers.pop("Status", "200 OK").split()[0]))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            do_GET = do_POST = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:" + os.environ.get("PATH", ""))


class Sshd:
    """OpenSSH on a loopback port, for the user of the test with one key; nothing outside the folder is read."""

    def __init__(self, world):
        self.world = world
        self.port = harness.free_port()
        self.user = pwd.getpwuid(os.getuid()).pw_name
        self.folder = world.folder / "ssh"
        self.folder.mkdir(mode=0o700)
        self.host_key = self.key("host_key")
        self.fingerprint = self.fingerprint_of(self.host_key)
        if os.getuid() == 0:  # where it gives up its rights; the package makes it at boot
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)

    def key(self, name):
        path = self.folder / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path], check=True)
        return path

    @staticmethod
    def fingerprint_of(key):
        shown = subprocess.run(["ssh-keygen", "-lf", str(key) + ".pub"], check=True, capture_output=True, text=True)
        return shown.stdout.split()[1]

    def start(self, accepted):
        """Takes the holder of the key `accepted` and nobody else."""
        keys = self.world.write("ssh/authorized_keys", pathlib.Path(str(accepted) + ".pub").read_text())
        config = self.world.write("ssh/sshd_config", """
ListenAddress 127.0.0.1
Port %d
HostKey %s
AuthorizedKeysFile %s
PidFile none
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
AllowUsers %s
LogLevel VERBOSE
# bash then leaves out the user's .bashrc, which may take seconds.
SetEnv SHLVL=2
""" % (self.port, self.host_key, keys, self.user))
        self.world.start("sshd", SSHD, "-D", "-e", "-f", config)

        def listening():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        harness.wait_until(listening, 10, "sshd")

    def url(self, path):
        return "ssh://%s@127.0.0.1:%d%s" % (self.user, self.port, path)


@unittest.skipUnless(shutil.which("git"), "git is not installed")
class RulesFromGit(unittest.TestCase):
    def start(self, world, url, more=""):
        hook = harness.HookReceiver()
        world.cleanups.append(hook.stop)
        world.write("alertd.toml", """
[server]
listen = "127.0.0.1:%d"
[store]
path = "%s/store"
[rules]
paths = []
interval = "1s"
[rules.git]
url = "%s"
path = "rules"
poll = "1s"
%s
%s""" % (world.port, world.folder, url, more,
         harness.route_to(hook.url, ["alertname", "instance"])))
        world.start_alertd()
        return hook

    @staticmethod
    def alerts(hook, name, status="firing"):
        return [alert for request in hook.distinct() for alert in request["body"]["alerts"]
                if alert["labels"]["alertname"] == name and alert["status"] == status]

    def wait_alert(self, hook, name, status="firing", seconds=20):
        return harness.wait_until(lambda: self.alerts(hook, name, status), seconds,
                                  "%s to be %s" % (name, status))[0]

    def feed(self, world, value):
        stop = threading.Event()

        def run():
            while not stop.is_set():
                world.send_samples([({"__name__": "orders_waiting", "instance": "shop1"},
                                     [(int(time.time() * 1000), value())])])
                stop.wait(0.5)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()

        def end():
            stop.set()
            thread.join()

        world.cleanups.append(end)

    def evaluated_at(self, world):
        groups = world.get_json("/api/v1/rules")["data"]["groups"]
        return groups[0]["lastEvaluation"] if groups else ""

    def test_good_broken_mended(self):
        with harness.World() as world:
            origin = Origin(world)
            first = origin.commit({"rules/shop.toml": RULE % 10}, FIRST[1], FIRST[0])
            level = [50.0]
            hook = self.start(world, "file://%s" % origin.bare)
            self.feed(world, lambda: level[0])

            # The page names commit, author and subject.
            alert = self.wait_alert(hook, "OrdersStuck")
            self.assertEqual(alert["annotations"]["rule_commit"], first)
            self.assertEqual(alert["annotations"]["rule_author"], FIRST[0])
            self.assertEqual(alert["annotations"]["rule_subject"], FIRST[1])
            rule = world.get_json("/api/v1/rules")["data"]["groups"][0]["rules"][0]
            self.assertEqual(rule["provenance"]["commit"], first)
            self.assertEqual(rule["provenance"]["author"], FIRST[0])
            self.assertIn(first[:10], world.tocsin("status").stdout)
            self.assertIn(FIRST[1], world.tocsin("alerts", "-o", "wide").stdout)
            incident = world.tocsin("incidents", "--ids").stdout.split()[0]
            self.assertIn(first[:10], world.tocsin("incidents", incident).stdout)

            # A commit that does not touch the rule tells nobody anew.
            told = len(self.alerts(hook, "OrdersStuck"))
            origin.commit({"rules/other.toml": "# nothing yet\n"}, "Room for more", "Cid")
            harness.wait_until(lambda: "Room for more" in world.tocsin("status", check=False).stdout,
                               20, "the second commit")

            # A broken commit: an alert with the error and whose it is; the old rule evaluates on.
            broken = origin.commit({"rules/shop.toml": (RULE % 10).replace("> 10", "> > 10")},
                                   "Tune the threshold", "Bob Breaker")
            refused = self.wait_alert(hook, "RulesCommitRefused")
            text = refused["annotations"]["summary"] + refused["annotations"]["description"]
            self.assertIn("rules/shop.toml:8:", text)
            self.assertIn("Bob Breaker", text)
            self.assertIn("Tune the threshold", text)
            self.assertIn(broken, text)
            self.assertEqual(refused["labels"]["severity"], "high")
            status = world.tocsin("status", check=False)
            self.assertEqual(status.returncode, 1)
            self.assertIn(broken[:10], status.stdout)
            before = self.evaluated_at(world)
            harness.wait_until(lambda: self.evaluated_at(world) > before, 10, "an evaluation")
            level[0] = 1.0
            self.wait_alert(hook, "OrdersStuck", "resolved")
            level[0] = 50.0

            # Mended: the alert about the commit ends, and the new rule is in force.
            origin.commit({"rules/shop.toml": RULE % 60}, "Threshold 60", "Bob Breaker")
            self.wait_alert(hook, "RulesCommitRefused", "resolved")
            rule = world.get_json("/api/v1/rules")["data"]["groups"][0]["rules"][0]
            self.assertEqual(rule["query"], "orders_waiting > 60")
            self.assertEqual(world.tocsin("status").returncode, 0)
            self.assertGreaterEqual(told, 1)

    def test_http_with_token_and_restart_without_server(self):
        with harness.World() as world:
            origin = Origin(world)
            origin.commit({"rules/shop.toml": RULE % 10}, *reversed(FIRST))
            token = "t0ken-that-nobody-prints"
            server = GitOverHttp(world.folder, token)
            token_file = world.write("git.token", token + "\n")
            token_file.chmod(0o600)
            self.start(world, server.url + "/rules.git",
                       'token_file = "%s"\ntimeout = "5s"' % token_file)
            self.assertEqual(len(world.get_json("/api/v1/rules")["data"]["groups"]), 1)
            self.assertEqual(server.refused, 0)
            # A webhook makes it look at once.
            origin.commit({"rules/shop.toml": RULE % 99}, "Threshold 99", "Bob")
            self.assertEqual(world.request("POST", "/-/reload")[0], 200)
            rule = world.get_json("/api/v1/rules")["data"]["groups"][0]["rules"][0]
            self.assertEqual(rule["query"], "orders_waiting > 99")

            world.stop("alertd")
            server.stop()
            world.start_alertd()
            rule = world.get_json("/api/v1/rules")["data"]["groups"][0]["rules"][0]
            self.assertEqual(rule["query"], "orders_waiting > 99")
            harness.wait_until(lambda: "cannot" in world.tocsin("status", check=False).stdout or
                               "connect" in world.tocsin("status", check=False).stdout, 20,
                               "the failed fetch in the status")
            self.assertNotIn(token, world.log("alertd"))
            for path in pathlib.Path(world.folder / "store").rglob("*"):
                if path.is_file():
                    self.assertNotIn(token.encode(), path.read_bytes(), path)

    @unittest.skipUnless(SSHD and shutil.which("ssh-keygen"), "openssh-server is not installed")
    def test_ssh(self):
        with harness.World() as world:
            origin = Origin(world)
            origin.commit({"rules/shop.toml": RULE % 10}, *reversed(FIRST))
            server = Sshd(world)
            good, bad = server.key("good"), server.key("bad")
            server.start(good)
            credentials = 'ssh_key_file = "%s"\nssh_host_key_sha256 = "%s"\ntimeout = "5s"'

            # Another server with this address is not believed, and told by its key.
            self.start(world, server.url(origin.bare), credentials % (good, server.fingerprint_of(bad)))
            self.assertEqual(self.rules(world), [])
            self.assertIn("is %s, not the one of ssh_host_key_sha256" % server.fingerprint,
                          self.git_status(world))
            self.assertNotIn("Accepted", world.log("sshd"))

            # The right server, which does not know the key: a reload takes new credentials.
            self.rewrite(world, server.fingerprint_of(bad), server.fingerprint)
            self.rewrite(world, str(good), str(bad))
            self.assertEqual(world.request("POST", "/-/reload")[0], 200)
            harness.wait_until(lambda: "does not take the key" in self.git_status(world), 10, "the refusal")
            self.assertEqual(self.rules(world), [])

            self.rewrite(world, str(bad), str(good))
            self.assertEqual(world.request("POST", "/-/reload")[0], 200)
            harness.wait_until(lambda: self.rules(world) == ["orders_waiting > 10"], 10, "the rules")
            self.assertIn("Accepted publickey for " + server.user, world.log("sshd"))

            # A commit comes by polling; without the server the last good one goes on, over a restart too.
            origin.commit({"rules/shop.toml": RULE % 20}, "Threshold 20", "Bob")
            harness.wait_until(lambda: self.rules(world) == ["orders_waiting > 20"], 10, "the commit")
            self.assertEqual(world.tocsin("status").returncode, 0)
            world.stop("alertd")
            world.stop("sshd")
            world.start_alertd()
            self.assertEqual(self.rules(world), ["orders_waiting > 20"])
            harness.wait_until(lambda: "connect" in self.git_status(world), 10, "the failed fetch")

    @staticmethod
    def rules(world):
        return [rule["query"] for group in world.get_json("/api/v1/rules")["data"]["groups"]
                if group["name"] != "rules from git" for rule in group["rules"]]

    @staticmethod
    def git_status(world):
        return next((line for line in world.tocsin("status", check=False).stdout.splitlines()
                     if line.startswith("rules from git")), "")

    @staticmethod
    def rewrite(world, old, new):
        path = world.folder / "alertd.toml"
        path.write_text(path.read_text().replace(old, new))


if __name__ == "__main__":
    unittest.main()

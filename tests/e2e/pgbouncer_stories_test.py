#!/usr/bin/env python3
"""Debian's PgBouncer in front of a real PostgreSQL: a pool of two, and a third client that waits; a console that does not
let the agent in; one that accepts and never answers. Told by the rules that ship, with their times in seconds.
"""

import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

from harness import SOURCE, HookReceiver, World, free_port, listening, route_to, wait_until
from postgres_server import PostgresServer

INI = """
[databases]
shop = host=127.0.0.1 port=%(postgres)d dbname=alerts user=tocsin
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %(port)d
unix_socket_dir =
auth_type = plain
auth_file = %(folder)s/users.txt
stats_users = watcher
default_pool_size = 2
max_client_conn = 50
logfile = %(folder)s/log
pidfile = %(folder)s/pid
"""


def scaled(rules):
    rules = re.sub(r'\bfor = "[^"]+"', 'for = "2s"', rules)
    return rules.replace('interval = "15s"', 'interval = "1s"').replace("maxwait_seconds > 5", "maxwait_seconds > 1")


class PgBouncer:
    """Runs as an unprivileged user: it refuses root."""

    def __init__(self, postgres):
        program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin")
        if program is None:
            raise unittest.SkipTest("PgBouncer is not installed (packaging/install-deps --tests)")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tocsin-pgbouncer-"))
        self.port = free_port()
        (self.folder / "pgbouncer.ini").write_text(
            INI % {"postgres": postgres.port, "port": self.port, "folder": self.folder})
        (self.folder / "users.txt").write_text('"watcher" "s3cret-watch"\n"app" "s3cret-app"\n')
        user = None
        if os.geteuid() == 0:
            user = pwd.getpwnam(postgres.user)
            for path in [self.folder, *self.folder.iterdir()]:
                os.chown(path, user.pw_uid, user.pw_gid)
        self.process = subprocess.Popen([program, self.folder / "pgbouncer.ini"], cwd=self.folder,
                                        user=user and user.pw_name, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        wait_until(lambda: listening(self.port), 15, "PgBouncer")

    def client(self, seconds):
        """A client that holds a server connection for so long, once it has one."""
        return subprocess.Popen(["psql", "host=127.0.0.1 port=%d dbname=shop user=app" % self.port, "-c",
                                 "SELECT pg_sleep(%g)" % seconds],
                                env=dict(os.environ, PGPASSWORD="s3cret-app"),
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class PgbouncerStoriesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.postgres = PostgresServer()
        cls.addClassCleanup(cls.postgres.stop)

    def begin(self, user="watcher", password="s3cret-watch"):
        self.bouncer = PgBouncer(self.postgres)
        self.addCleanup(self.bouncer.stop)
        self.world = World()
        self.addCleanup(self.world.__exit__)
        self.hook = HookReceiver()
        self.addCleanup(self.hook.stop)
        for book in (SOURCE / "rules/runbooks").glob("pgbouncer-*.md"):
            self.world.write("rules/runbooks/" + book.name, book.read_text())
        self.world.alertd_config(scaled((SOURCE / "rules/pgbouncer.toml").read_text()),
                                 route_to(self.hook.url, ["alertname"]))
        self.world.write("pgbouncer.password", password + "\n").chmod(0o600)
        self.world.agent_config('[host]\nenabled = ["time"]\n[[pgbouncer]]\nname = "main"\ntimeout = "900ms"\n'
                                'dsn = "host=127.0.0.1 port=%d dbname=pgbouncer user=%s"\n'
                                'password_file = "pgbouncer.password"\n' % (self.bouncer.port, user))
        self.world.start_alertd()
        self.world.start_agent()
        wait_until(lambda: self.world.query('pgbouncer_up{server="main"}'), 30, "the first samples")

    def told(self, alert, status="firing"):
        return [request["body"] for request in self.hook.distinct()
                if request["body"]["commonLabels"].get("alertname") == alert and request["body"]["status"] == status]

    def value(self, expr):
        result = self.world.query(expr)
        self.assertEqual(len(result), 1, expr)
        return next(iter(result.values()))

    def test_the_third_client_of_a_pool_of_two_waits(self):
        self.begin()
        clients = [self.bouncer.client(9) for _ in range(2)]
        pool = '{server="main",database="shop",user="tocsin"}'
        active = "pgbouncer_pools_server_active_connections" + pool
        wait_until(lambda: self.world.query(active + " == 2"), 15, "two clients with a connection")
        self.assertEqual(self.told("PgbouncerClientsWaitLong"), [])
        clients.append(self.bouncer.client(0.1))
        wait_until(lambda: self.told("PgbouncerClientsWaitLong"), 15, "the alert")
        body = self.told("PgbouncerClientsWaitLong")[0]
        self.assertEqual(body["incident"]["severity"], "high")
        self.assertIn("clients of shop wait", body["commonAnnotations"]["summary"])
        self.assertEqual(self.value("pgbouncer_pools_client_waiting_connections" + pool), 1)
        self.assertGreater(self.value("pgbouncer_pools_client_maxwait_seconds" + pool), 1)
        self.assertEqual(self.value('pgbouncer_databases_pool_size{name="shop"}'), 2)
        self.assertEqual(self.value("pgbouncer_config_max_client_connections"), 50)
        # The agent's own connection to the console is a client as well.
        self.assertEqual(self.value("pgbouncer_used_clients"), 4)
        for client in clients:
            self.assertEqual(client.wait(30), 0)
        wait_until(lambda: self.told("PgbouncerClientsWaitLong", "resolved"), 20, "the end")
        wait_until(lambda: self.value('pgbouncer_stats_queries_pooled_total{database="shop"}') >= 3, 10, "the queries")
        self.assertGreater(self.value('pgbouncer_stats_client_wait_seconds_total{database="shop"}'), 1)
        told = {request["body"]["commonLabels"].get("alertname") for request in self.hook.requests}
        self.assertLessEqual(told, {"PgbouncerClientsWaitLong", "PgbouncerPoolSaturated"})
        self.assertFalse(self.world.query("tocsin_agent_check_failed"))

    def test_who_may_not_look_is_told_what_to_grant(self):
        self.begin("app", "s3cret-app")
        wait_until(lambda: self.told("PgbouncerDown"), 20, "the page")
        self.assertEqual(self.told("PgbouncerDown")[0]["incident"]["severity"], "critical")
        self.assertEqual(self.value('tocsin_agent_check_failed{check="connection",reason="permission_denied"}'), 1)
        self.assertIn("stats_users", self.world.log("agent"))
        self.assertNotIn("s3cret", self.world.log("agent"))

    def test_one_that_accepts_and_never_answers_is_down_and_is_back(self):
        self.begin()
        self.bouncer.process.send_signal(signal.SIGSTOP)
        try:
            wait_until(lambda: self.told("PgbouncerDown"), 20, "the page")
            self.assertTrue(self.world.query("time() - max(node_time_seconds) < 5"))
        finally:
            self.bouncer.process.send_signal(signal.SIGCONT)
        wait_until(lambda: self.told("PgbouncerDown", "resolved"), 20, "the end")


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""What goes wrong with a database, seen by the agent, told by the rules that ship (their `for` in seconds):
archiving that fails silently, a horizon that is held, a server that accepts and never answers. And what must stay
silent meanwhile.
"""

import re
import signal
import unittest

from harness import SOURCE, HookReceiver, World, route_to, wait_until
from postgres_server import PostgresServer

SETTINGS = ("archive_mode=on", "max_prepared_transactions=5")


def scaled(rules):
    """The shipped rules with short times, and a horizon that a test can reach."""
    rules = re.sub(r'\bfor = "[^"]+"', 'for = "2s"', rules)
    rules = rules.replace("[5m]", "[20s]").replace('interval = "15s"', 'interval = "1s"')
    rules = rules.replace("medium = { above = 1e9", "medium = { above = 1e7").replace("high = { above = 5e9", "high = { above = 3e7")
    return rules.replace("medium = { above = 1e7", "medium = { above = 1000")


class PostgresStoriesTest(unittest.TestCase):
    def setUp(self):
        self.server = PostgresServer(SETTINGS)
        self.addCleanup(self.server.stop)
        self.archive_with("true")
        self.world = World()
        self.addCleanup(self.world.__exit__)
        self.hook = HookReceiver()
        self.addCleanup(self.hook.stop)
        rules = (SOURCE / "rules" / "postgres.toml").read_text()
        self.world.alertd_config(scaled(rules), route_to(self.hook.url, ["alertname", "server"]))
        self.world.agent_config('[host]\nenabled = ["time"]\n[[postgres]]\nname = "main"\ntimeout = "900ms"\n'
                                'dsn = "%s"\n' % self.server.dsn)
        for book in (SOURCE / "rules" / "runbooks").glob("postgres-*.md"):
            self.world.write("rules/runbooks/" + book.name, book.read_text())
        self.world.start_alertd()
        self.world.start_agent()
        wait_until(lambda: self.world.query('pg_up{server="main"} == 1'), 30, "the first samples")

    def archive_with(self, command):
        self.server.query("ALTER SYSTEM SET archive_command = '%s'" % command)
        self.server.query("SELECT pg_reload_conf()")

    def told(self, alert, status="firing"):
        return [request["body"] for request in self.hook.distinct()
                if request["body"]["commonLabels"].get("alertname") == alert and request["body"]["status"] == status]

    def others(self, *alerts):
        return sorted({request["body"]["commonLabels"].get("alertname") for request in self.hook.requests}
                      - set(alerts) - {"PostgresAgentIsSuperuser"})

    def test_archiving_fails_silently(self):
        self.server.query("CREATE TABLE t (x int)")
        self.archive_with("false")
        self.server.query("INSERT INTO t VALUES (1); SELECT pg_switch_wal()")
        wait_until(lambda: self.told("PostgresArchiveFailing"), 60, "the failing archive")
        failing = self.told("PostgresArchiveFailing")[0]
        self.assertEqual(failing["incident"]["severity"], "high")
        self.assertIn("postgres-archive", failing["commonAnnotations"]["runbook_url"])
        self.assertEqual(self.told("PostgresArchiveBacklog"), [])
        for _ in range(18):
            self.server.query("INSERT INTO t VALUES (1)")
            self.server.query("SELECT pg_switch_wal()")
        wait_until(lambda: self.told("PostgresArchiveBacklog"), 60, "the backlog")
        self.assertEqual(self.told("PostgresArchiveBacklog")[0]["incident"]["severity"], "critical")
        self.archive_with("true")
        wait_until(lambda: self.told("PostgresArchiveBacklog", "resolved")
                   and self.told("PostgresArchiveFailing", "resolved"), 120, "both to be over")
        self.assertEqual(len(self.told("PostgresArchiveBacklog")), 1)
        self.assertEqual(len(self.told("PostgresArchiveFailing")), 1)
        self.assertEqual(self.others("PostgresArchiveFailing", "PostgresArchiveBacklog"), [])

    def test_a_prepared_transaction_holds_the_horizon(self):
        self.server.query("CREATE TABLE t (x int)")
        self.server.query("BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'forgotten'")
        self.server.query("DO $$ BEGIN FOR i IN 1..1500 LOOP PERFORM txid_current(); COMMIT; END LOOP; END $$")
        wait_until(lambda: self.told("PostgresXminHeld"), 30, "the held horizon")
        body = self.told("PostgresXminHeld")[0]
        self.assertIn("prepared_transaction", {alert["labels"]["holder"] for alert in body["alerts"]})
        self.server.query("ROLLBACK PREPARED 'forgotten'")
        wait_until(lambda: self.told("PostgresXminHeld", "resolved"), 30, "the horizon to be free")
        self.assertEqual(self.others("PostgresXminHeld"), [])

    def test_a_slot_that_nobody_reads_keeps_the_log(self):
        self.server.query("CREATE TABLE t (x int)")
        self.server.query("SELECT pg_create_physical_replication_slot('left_behind', true)")
        for _ in range(4):  # 16 MB each
            self.server.query("INSERT INTO t VALUES (1)")
            self.server.query("SELECT pg_switch_wal()")
        told = wait_until(lambda: self.told("PostgresSlotRetainsWal"), 30, "the slot")
        self.assertEqual(told[0]["incident"]["severity"], "high")
        self.assertIn("left_behind", told[0]["commonAnnotations"]["summary"])
        self.server.query("SELECT pg_drop_replication_slot('left_behind')")
        wait_until(lambda: self.told("PostgresSlotRetainsWal", "resolved"), 60, "the log to be free")
        self.assertEqual(self.others("PostgresSlotRetainsWal"), [])

    def test_a_test_that_points_to_the_live_database_and_who_comes_from_where(self):
        self.server.query("ALTER DATABASE alerts SET tocsin.environment = 'production'")
        self.server.query("CREATE ROLE keeper LOGIN; GRANT pg_monitor TO keeper; CREATE ROLE clerk LOGIN")
        config = (self.world.folder / "agent.toml").read_text()
        self.world.stop("agent")
        self.world.agent_config(config[config.index("[host]"):] + '[[postgres]]\nname = "keeper"\ntimeout = "900ms"\n'
                                'dsn = "%s"\n' % self.server.dsn.replace("user=tocsin", "user=keeper"),
                                agent='interval = "1s"\nlabels = { environment = "staging" }')
        self.world.start_agent()
        wait_until(lambda: self.told("EnvironmentMismatch"), 90, "the mismatch")  # a group of once a minute
        self.assertEqual(self.told("EnvironmentMismatch")[0]["incident"]["severity"], "critical")
        wait_until(lambda: self.world.query('sec_pg_service_sessions{usename="keeper", client="127.0.0.1"} >= 1'), 20, "keeper")
        self.assertFalse(self.world.query('sec_pg_service_sessions{usename="clerk"}'))
        self.assertEqual(self.told("PostgresRoleFromNewHost"), [])  # on the first day everything is new

    def test_a_server_that_never_answers_is_down(self):
        self.server.signal_all(signal.SIGSTOP)
        try:
            wait_until(lambda: self.told("PostgresDown"), 30, "the page")
            self.assertEqual(self.told("PostgresDown")[0]["incident"]["severity"], "critical")
            # The others are on time.
            self.assertTrue(self.world.query("time() - max(node_time_seconds) < 5"))
        finally:
            self.server.signal_all(signal.SIGCONT)
        wait_until(lambda: self.told("PostgresDown", "resolved"), 30, "the server to be back")
        self.assertEqual(self.others("PostgresDown"), [])


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""Agent and daemon as packaging/systemd ships them, started by a real systemd: no capabilities, system calls filtered,
everything read-only but their own folders. All they are for works in there: every collector of the host, databases,
logs, probes, receivers of metrics; rules, and a notification that arrives.
"""

import socket
import unittest

from harness import HookReceiver, World, free_port, route_to, wait_until
from postgres_server import PostgresServer
from redis_server import RedisServer
from service_manager import ServiceManager

AGENT, ALERTD = "tocsin-agent.service", "tocsin-alertd.service"

# (server, check): what docs/permissions.md says is lost without CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH.
LOST = {("processes", "io"), ("inventory", "accounts"), ("inventory", "port_processes"), ("host", "deleted_files")}

AGENT_CONFIG = """
[agent]
host = "testhost"
interval = "2s"
[alertd]
url = "http://127.0.0.1:{port}"
[host]
textfile_directory = "/var/log/app/textfile"
[[postgres]]
name = "main"
timeout = "1900ms"
dsn = "{dsn}"
[[redis]]
name = "main"
address = "127.0.0.1:{redis}"
timeout = "1900ms"
[[scrape]]
job = "alertd"
url = "http://127.0.0.1:{port}/metrics"
[[probe]]
name = "daemon"
url = "http://127.0.0.1:{port}/-/ready"
[[process_group]]
name = "daemon"
comm = ["tocsin-alertd"]
[cgroups]
[[log]]
name = "app"
path = "/var/log/app/app.log"
from = "start"
[[access_log]]
name = "web"
path = "/var/log/app/access.log"
from = "start"
[[auth_log]]
name = "auth"
path = "/var/log/app/auth.log"
from = "start"
[inventory]
checks = ["accounts", "ports", "files"]
[packages]
checks = ["end_of_life"]
[snapshots]
on_load = 0.0001
[statsd]
listen = "127.0.0.1:{statsd}"
[otlp]
listen = "127.0.0.1:{otlp}"
"""

ALERTD_CONFIG = """
[server]
listen = "127.0.0.1:{port}"
[store]
path = "/var/lib/tocsin/alertd/store"
[rules]
paths = ["/etc/tocsin/rules"]
interval = "1s"
{route}
"""

RULES = """
[[group]]
name = "orders"
interval = "1s"
[[group.alert]]
name = "OrdersFail"
expr = 'shop_orders_failed > 2'
severity = "high"
summary = "orders fail"
"""


class HardenedUnitsTest(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.__exit__)
        self.server = PostgresServer()
        self.addCleanup(self.server.stop)
        self.redis = RedisServer()
        self.addCleanup(self.redis.stop)
        self.hook = HookReceiver()
        self.addCleanup(self.hook.stop)
        self.statsd = free_port()
        names = {"port": self.world.port, "dsn": self.server.dsn, "redis": self.redis.port, "statsd": self.statsd,
                 "otlp": free_port(), "route": route_to(self.hook.url, ["alertname"])}
        self.manager = ServiceManager(self.world, [ALERTD, AGENT], {
            "tocsin/agent.toml": AGENT_CONFIG.format(**names),
            "tocsin/alertd.toml": ALERTD_CONFIG.format(**names),
            "tocsin/rules/orders.toml": RULES})
        self.addCleanup(self.manager.stop)

    def said(self):
        """What systemd and both services said; shown when something is missing."""
        status = self.manager.run("systemctl", "status", "--no-pager", "--lines=0", ALERTD, AGENT).stdout
        return status + "\n".join(self.manager.log(name)[-3000:] for name in ("tocsin-agent", "tocsin-alertd"))

    def wait_for(self, condition, what):
        try:
            wait_until(condition, 30, what)
        except AssertionError as error:
            raise AssertionError("%s\n%s" % (error, self.said())) from error

    def write(self, path, text):
        self.manager.run("mkdir", "-p", path.rpartition("/")[0])
        done = self.manager.run("sh", "-c", 'printf %s "$1" >> "$2"', "write", text, path)
        self.assertEqual(done.returncode, 0, done.stderr)

    def failed_checks(self):
        return {(labels["server"], labels["check"])
                for labels in map(dict, self.world.query("tocsin_agent_check_failed == 1"))}

    def running(self):
        states = [self.manager.show(unit, "SubState") for unit in (ALERTD, AGENT)]
        return states == ["running", "running"]

    def check_confined(self, unit):
        status = self.manager.status(unit)
        self.assertNotEqual(status["Uid"].split()[0], "0")
        self.assertEqual(status["NoNewPrivs"], "1")
        self.assertEqual(status["Seccomp"], "2")
        for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(int(status[kind], 16), 0, kind)
        # What root may write, the service's view of the files refuses.
        inside = ["nsenter", "--target", self.manager.show(unit, "MainPID"), "--mount", "touch"]
        for path in ("/etc/tocsin/agent.toml", "/usr/bin/tocsin", "/var/log/app/app.log"):
            self.assertIn("Read-only", self.manager.run(*inside, path).stderr, path)

    def test_all_works_within_the_units(self):
        self.manager.start()
        self.wait_for(self.running, "both services to run")
        self.wait_for(lambda: self.world.get("/-/ready")[0] == 200, "alertd to be ready")
        self.write("/var/log/app/app.log", "2026-11-28 10:00:00 ERROR payment 7 failed\n")
        self.write("/var/log/app/access.log",
                   '10.0.0.1 - - [28/Nov/2026:10:00:00 +0000] "GET /a HTTP/1.1" 500 12 "-" "x"\n')
        self.write("/var/log/app/auth.log",
                   "Nov 28 10:00:00 a sshd[1]: Failed password for root from 10.0.0.9 port 1 ssh2\n")
        self.write("/var/log/app/textfile/job.prom", "nightly_job_rows 12\n")
        for unit in (ALERTD, AGENT):
            self.check_confined(unit)

        for query in ("pg_up == 1", "redis_up == 1", 'up{job="alertd"} == 1', "probe_success == 1",
                      'namedprocess_namegroup_num_procs{groupname="daemon"} == 1',
                      'node_systemd_unit_state{name="tocsin-agent.service",state="active"} == 1',
                      'container_cpu_usage_seconds_total{name="tocsin-agent.service"} > 0', "nightly_job_rows == 12",
                      "sec_accounts > 0", "tocsin_agent_snapshots == 1", "os_end_of_life_timestamp_seconds > 0",
                      'log_errors_total{log="app"} > 0', 'http_requests_total{job="web"} > 0', "sec_auth_failures_total > 0"):
            self.wait_for(lambda: self.world.query(query), query)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.sendto(b"shop.orders_failed:3|c", ("127.0.0.1", self.statsd))
        self.wait_for(self.hook.distinct, "the notification")

        # A machine that is busy may miss a deadline once; what is refused is refused each time.
        self.wait_for(lambda: self.world.query("tocsin_agent_collector_success == 0") == {}, "every collector to work")
        try:
            self.wait_for(lambda: self.failed_checks() == LOST, "the failed checks to be those of a user without rights")
        except AssertionError:
            self.assertEqual(self.failed_checks(), LOST, self.said())

        # Reload and stop, as a person does it.
        for unit in (ALERTD, AGENT):
            self.assertEqual(self.manager.run("systemctl", "reload", unit).returncode, 0, self.said())
        self.assertTrue(self.running(), self.said())
        for unit in (AGENT, ALERTD):
            self.assertEqual(self.manager.show(unit, "NRestarts"), "0", self.said())
            self.manager.run("systemctl", "stop", unit)
            self.assertEqual(self.manager.show(unit, "Result"), "success", self.said())


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""Two alertds share rule groups that VictoriaMetrics evaluates; one dies, hangs, or is cut off.

Their state is on one PostgreSQL. Each holds half of the groups; one of them tells people. Under 2,000
active alerts the one that tells is killed (-9), stopped past its lease and let go on (SIGSTOP,
SIGCONT), and cut off the network. Each time its groups must be evaluated by the other within 15 s, no
page may be lost, none doubled at a receiver that honours the idempotency key, and what was on its way
through `for` goes on.

TOCSIN_GROUP_LEASES_LONG=1: each fault hits the other one too, and each of the 2,000 alerts is told by
itself.
"""

import datetime
import json
import os
import shutil
import signal
import threading
import time
import unittest
import urllib.request

import network_of_its_own
from harness import HookReceiver, World, free_port, listening, wait_until
from postgres_server import PostgresServer

LONG = os.environ.get("TOCSIN_GROUP_LEASES_LONG") == "1"
GROUPS = 20
ACTIVE = 2000
MOVED_WITHIN = 15  # seconds: what is promised
HOLD_FOR = 18  # seconds: the `for` of the rule Slow

GROUP = """
[[group]]
name = "shard {0}"
interval = "2s"
datasource = "vm"

[[group.alert]]
name = "Busy"
expr = 'busy_value{{shard="{0}"}} > 5'
severity = "high"
summary = "{{{{ $labels.unit }}}} is {{{{ $value }}}}"

[[group.alert]]
name = "Event"
expr = 'event_value{{shard="{0}"}} > 5'
severity = "critical"
summary = "{{{{ $labels.item }}}} is {{{{ $value }}}}"

[[group.alert]]
name = "Slow"
expr = 'slow_value{{shard="{0}"}} > 5'
for = "%ds"
severity = "critical"
summary = "{{{{ $labels.item }}}} is {{{{ $value }}}}"
""" % HOLD_FOR

CONFIG = """resend_delay = "10s"

[[datasource]]
name = "vm"
url = "http://{host}:{vm_port}"
flavour = "victoriametrics"
timeout = "3s"

[[receiver]]
name = "ops"
[[receiver.webhook]]
name = "hook"
url = "http://{host}:{hook_port}/hook"
rate_per_minute = 0

[route]
receiver = "ops"
group_by = {group_by}
group_wait = "0s"
group_interval = "1s"

[incident]
storm_incidents = 0

[state]
engine = "postgresql"
dsn = "host={host} port={pg_port} dbname=alerts user=tocsin sslmode=disable"
lease = "6s"
statement_timeout = "2s"
"""


class Engine:
    """VictoriaMetrics; gets every series twice a second."""

    def __init__(self, world):
        def up():
            process = world.processes.get("victoria-metrics")
            if process is None or process.poll() is not None:  # somebody else has taken the port
                self.port = free_port()
                world.start("victoria-metrics", shutil.which("victoria-metrics"),
                            "-httpListenAddr=0.0.0.0:%d" % self.port,
                            "-storageDataPath=%s/vm" % world.folder, "-retentionPeriod=1d",
                            "-search.latencyOffset=0s")
            return world.processes["victoria-metrics"].poll() is None and listening(self.port)

        wait_until(up, 30, "VictoriaMetrics")
        self.lock = threading.Lock()
        self.values = {}  # series as text -> value
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def set(self, values):
        with self.lock:
            self.values.update(values)

    def run(self):
        while not self.stopping.wait(0.5):
            now_ms = int(time.time() * 1000)
            with self.lock:
                body = "".join("%s %g %d\n" % (series, value, now_ms)
                               for series, value in self.values.items()).encode()
            try:
                urllib.request.urlopen("http://127.0.0.1:%d/api/v1/import/prometheus" % self.port,
                                       body, timeout=5).read()
            except OSError as failure:
                print("import:", failure)

    def stop(self):
        self.stopping.set()
        self.thread.join(10)


class Daemon(World):
    """An alertd, in a network of its own if there is one."""

    def __init__(self, name, namespace):
        super().__init__()
        self.name, self.namespace = name, namespace
        self.reachable = True
        self.host = namespace.host_address if namespace else "127.0.0.1"

    def start(self, name, *command, env=None):
        if self.namespace:
            command = self.namespace.command(*command)
        return super().start(name, *command, env=env)

    def request(self, *arguments, **named):
        if not self.namespace:
            return super().request(*arguments, **named)
        with self.namespace.inside():
            return super().request(*arguments, **named)

    def metric(self, name):
        for line in self.get("/metrics")[1].decode().splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        return None

    def holds(self):
        return self.metric("tocsin_alertd_group_leases")

    def active(self):
        return self.reachable and self.metric("tocsin_alertd_lease_held") == 1


def events(name, value, metric="event_value"):
    return {'%s{shard="%d",item="%s-%d"}' % (metric, shard, name, shard): value for shard in range(GROUPS)}


class GroupLeasesTest(unittest.TestCase):
    def setUp(self):
        why_not = network_of_its_own.available()
        if why_not:
            print("nothing will be cut off: " + why_not)
        self.server = PostgresServer(settings=["listen_addresses=*"])
        self.addCleanup(self.server.stop)
        self.hook = HookReceiver(address="0.0.0.0")
        self.addCleanup(self.hook.stop)
        self.base = self.enterContext(World())
        self.engine = Engine(self.base)
        self.addCleanup(self.engine.stop)
        self.daemons = []
        for name in ("a", "b"):
            namespace = None
            if not why_not:
                namespace = network_of_its_own.Namespace()
                self.addCleanup(namespace.delete)
            self.daemons.append(self.enterContext(Daemon(name, namespace)))
        if not why_not:
            with open(self.server.folder / "data/pg_hba.conf", "a") as rules:
                rules.write("host all all 10.0.0.0/8 trust\n")
            self.server.process.send_signal(signal.SIGHUP)
        for daemon in self.daemons:
            daemon.alertd_config("".join(GROUP.format(shard) for shard in range(GROUPS)), CONFIG.format(
                host=daemon.host, vm_port=self.engine.port, hook_port=self.hook.port,
                pg_port=self.server.port,
                group_by=json.dumps(["alertname", "shard", "item"] + (["unit"] if LONG else []))))
            daemon.start_alertd()

    # --- what people were told

    def told(self):
        """Returns {name of the event: [statuses in order]}, by a receiver that honours the key."""
        told = {}
        for one in self.hook.distinct():
            labels = one["body"]["groupLabels"]
            if labels["alertname"] != "Busy":
                told.setdefault(labels["item"], []).append(one["body"]["status"])
        return told

    def told_of_busy(self):
        return [one for one in self.hook.distinct() if one["body"]["groupLabels"]["alertname"] == "Busy"]

    def busy_statuses(self):
        """The last word about each incident of Busy."""
        return set({json.dumps(one["body"]["groupLabels"]): one["body"]["status"]
                    for one in self.told_of_busy()}.values())

    def wait_told(self, name, wanted, seconds):
        def missing():
            told = self.told()
            return [shard for shard in range(GROUPS) if told.get("%s-%d" % (name, shard)) != wanted]

        try:
            wait_until(lambda: not missing(), seconds, "%s of %s" % (wanted, name))
        except AssertionError as failure:
            told = self.told()
            raise AssertionError("%s; missing %s" % (failure, {
                shard: told.get("%s-%d" % (name, shard)) for shard in missing()})) from None

    # --- who holds what

    def active_one(self):
        active = [daemon for daemon in self.daemons if daemon.active()]
        return active[0] if len(active) == 1 else None

    def holders(self):
        """Returns {session: groups} by the database's word."""
        rows = self.server.query("SELECT session, count(*) FROM group_leases GROUP BY session")
        return {row.split("|")[0]: int(row.split("|")[1]) for row in rows.splitlines()}

    def kept(self, text):
        """Returns of how many groups the state that moves has this text."""
        return int(self.server.query("SELECT count(*) FROM group_states"
                                     " WHERE position('%s'::bytea IN state) > 0" % text))

    def wait_moved(self, before):
        """Until no group is held by a session of `before` any more; returns how long it took."""
        began = time.monotonic()

        def moved():
            holders = self.holders()
            return not before & set(holders) and "" not in holders

        wait_until(moved, MOVED_WITHIN, "the groups to move")
        return time.monotonic() - began

    @staticmethod
    def sessions_of(daemon):
        """The session of its present life, which its groups belong to."""
        return {daemon.log("alertd").split("shares rule groups as ")[-1].split()[0]}

    # --- faults

    def kill(self, daemon):
        daemon.stop("alertd", signal.SIGKILL)

    def revive(self, daemon):
        daemon.start_alertd()

    def hang(self, daemon):
        daemon.processes["alertd"].send_signal(signal.SIGSTOP)

    def wake(self, daemon):
        daemon.processes["alertd"].send_signal(signal.SIGCONT)

    def cut(self, daemon):
        daemon.namespace.pull()

    def mend(self, daemon):
        daemon.namespace.plug()

    def fault(self, name, victim, strike, heal):
        """Events begin at the instant of the fault and must be told; then it is over."""
        other = self.daemons[1 - self.daemons.index(victim)]
        was_active = victim.active()
        held = victim.holds()
        before = self.sessions_of(victim)
        self.engine.set(events(name, 9))
        if name.endswith("late"):
            time.sleep(0.7)
        began = time.monotonic()
        strike(victim)
        victim.reachable = False
        moved = self.wait_moved(before)
        self.wait_told(name, ["firing"], MOVED_WITHIN + 10)
        told = time.monotonic() - began
        self.assertTrue(other.active(), "nobody else tells")
        self.engine.set(events(name, 1))
        heal(victim)
        victim.reachable = True
        print("%s of %s (%d groups%s): moved after %.1f s, all told after %.1f s" % (
            name, victim.name, held, ", active" if was_active else "", moved, told), flush=True)
        self.assertLess(told, MOVED_WITHIN + 3)
        self.wait_told(name, ["firing", "resolved"], 30)

    def wait_shared(self, seconds=60):
        wait_until(lambda: [d.holds() for d in self.daemons] == [GROUPS / 2, GROUPS / 2], seconds,
                   "an even share")

    def test_faults(self):
        wait_until(lambda: self.active_one() is not None, 10, "a lease")
        self.wait_shared(40)
        self.engine.set({'busy_value{shard="%d",unit="u%d"}' % (n % GROUPS, n): 9 for n in range(ACTIVE)})
        active = self.active_one()
        wait_until(lambda: len(active.get_json("/api/v2/alerts")) == ACTIVE, 60, "2,000 alerts")
        wait_until(lambda: len(self.told_of_busy()) >= (ACTIVE if LONG else GROUPS), 120, "them told")
        time.sleep(3)
        busy = len(self.told_of_busy())
        status = json.dumps(active.get_json("/api/v1/status"))
        self.assertIn("holds 10 of 20 shared rule groups; 2 daemons", status)

        self.engine.set(events("slow", 9, "slow_value"))
        wait_until(lambda: self.kept("slow-") == GROUPS, 30, "pending alerts to be kept")
        slow_since = time.time()
        self.fault("kill", active, self.kill, self.revive)
        self.wait_told("slow", ["firing"], 30)
        took = sorted(
            datetime.datetime.fromisoformat(alert["startsAt"].replace("Z", "+00:00")).timestamp() - slow_since
            for one in self.hook.distinct() for alert in one["body"]["alerts"]
            if one["body"]["groupLabels"].get("item", "").startswith("slow-"))
        print("for = %d s over a kill -9: fired after %.1f to %.1f s" % (HOLD_FOR, took[0], took[-1]),
              flush=True)
        self.assertGreater(took[0], HOLD_FOR - 10)
        self.assertLess(took[-1], HOLD_FOR + 4, "the `for` began anew")
        self.engine.set(events("slow", 1, "slow_value"))

        self.fault("stop", self.active_one(), self.hang, self.wake)
        if self.daemons[0].namespace:
            self.fault("cut", self.active_one(), self.cut, self.mend)
        if LONG:
            for name, strike, heal in (("kill passive", self.kill, self.revive),
                                       ("stop passive", self.hang, self.wake),
                                       ("cut passive", self.cut, self.mend)):
                self.wait_shared()
                active = self.active_one()
                passive = self.daemons[1 - self.daemons.index(active)]
                if name.startswith("cut") and not passive.namespace:
                    continue
                self.fault_of_passive(name, passive, strike, heal)
        self.wait_shared()
        self.wait_told("slow", ["firing", "resolved"], 30)
        self.assertEqual(len(self.told_of_busy()), busy, "alerts that stayed were told again")
        self.assertEqual(len(self.active_one().get_json("/api/v2/alerts")), ACTIVE)
        self.check_each_told_once()

        # All of it ends; an orderly stop gives everything to the other one.
        passive = [daemon for daemon in self.daemons if not daemon.active()][0]
        self.active_one().stop("alertd")
        self.engine.set({'busy_value{shard="%d",unit="u%d"}' % (n % GROUPS, n): 1 for n in range(ACTIVE)})
        wait_until(lambda: self.busy_statuses() == {"resolved"}, 120, "the end of all")
        self.assertEqual(passive.holds(), GROUPS)
        self.check_each_told_once()
        repeats = len(self.hook.requests) - len(self.hook.distinct())
        print("deliveries %d, repeats with the same key %d" % (len(self.hook.requests), repeats))

    def fault_of_passive(self, name, victim, strike, heal):
        other = self.daemons[1 - self.daemons.index(victim)]
        self.fault(name, victim, strike, heal)
        self.assertTrue(other.active())

    def check_each_told_once(self):
        for item, statuses in self.told().items():
            if statuses == ["firing", "resolved"]:
                continue
            for one in self.hook.requests:
                if one["body"]["groupLabels"].get("item") == item:
                    print("%.1f %s %s" % (one["time"], one["headers"].get("idempotency-key"), one["raw"].decode()))
            self.fail("%s: %s" % (item, statuses))


if __name__ == "__main__":
    unittest.main()

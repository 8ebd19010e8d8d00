#!/usr/bin/env python3
"""Debian's prometheus-alertmanager and our routing under random configurations: the same webhooks, the same times.

Usage: differential.py PLAYER [--worlds N] [--seed N] [--at-once N] [--no-quiet-times]

Alertmanager runs in real time with timers of seconds, many worlds at once; what was done to it, and when, is then
played to our routing in virtual time. A busy machine is late: a world that differs is played again, alone, and counts
only if it differs again; one in which an operation came too late is played again too, and left out if that does not
help. Skips with a message where prometheus-alertmanager is not installed, or the machine is too busy to compare.
"""

import argparse
import collections
import concurrent.futures
import http.client
import json
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "e2e"))
import generator  # noqa: E402
import harness  # noqa: E402

RACED = 0.05       # seconds between two messages that Alertmanager's twins send instead of one
TOLERANCE = 0.35   # seconds; ticks are apart from operations by more, see generator.py
START = 8          # seconds in which Alertmanager must be up, where it must be at a certain second
SOON = 1           # seconds between its being up and the beginning, elsewhere
LATE = 0.2         # seconds; an operation that was done later leaves too little distance to a tick
PLAYED = 60        # seconds in which the player must be through with a world
AGAIN = 2          # times that a world is played again
SKIPPED = 77       # exit code
RFC3339 = "%Y-%m-%dT%H:%M:%S"

Batch = collections.namedtuple("Batch", "at firing resolved")
# Batches compared, text of what differs, counts of what was not compared, and whether it was too late to say.
Outcome = collections.namedtuple("Outcome", "compared text known late")


def rfc3339(seconds):
    whole = int(seconds)
    return time.strftime(RFC3339, time.gmtime(whole)) + ".%03dZ" % int((seconds - whole) * 1000)


def frozen(labels):
    return tuple(sorted(labels.items()))


class Alertmanager:
    """Debian's, for one world; keeps what its webhooks got."""

    def __init__(self, world, config):
        self.port = harness.free_port()
        world.write("am.json", json.dumps(config))
        world.start("alertmanager", "prometheus-alertmanager", "--config.file=am.json",
                    "--storage.path=am-data", "--web.listen-address=127.0.0.1:%d" % self.port,
                    "--cluster.listen-address=", "--log.level=warn")
        self.silences = {}

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body=None if body is None else json.dumps(body),
                               headers={"Content-Type": "application/json"})
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise AssertionError("%s %s: HTTP %d: %r" % (method, path, response.status, text[:300]))
        return json.loads(text) if text else None

    def ready(self):
        try:
            self.ask("GET", "/api/v2/status")
            return True
        except OSError:
            return False

    def do(self, operation, start):
        kind = operation["op"]
        if kind == "post":
            alert = {"labels": operation["labels"], "startsAt": rfc3339(start + operation["since"])}
            if operation["lasts"] is not None:
                alert["endsAt"] = rfc3339(time.time() + operation["lasts"])
            self.ask("POST", "/api/v2/alerts", [alert])
            return {"starts_at": start + operation["since"], "ends_at": alert.get("endsAt")}
        if kind == "silence":
            name, value = operation["matcher"]
            ends_at = time.time() + operation["lasts"]
            answer = self.ask("POST", "/api/v2/silences", {
                "matchers": [{"name": name, "value": value, "isRegex": False, "isEqual": True}],
                "startsAt": rfc3339(time.time()), "endsAt": rfc3339(ends_at),
                "createdBy": "test", "comment": "test"})
            self.silences[operation["name"]] = answer["silenceID"]
            return {"ends_at": ends_at}
        if kind == "expire":
            self.ask("DELETE", "/api/v2/silence/" + self.silences[operation["name"]])
        elif kind == "reload":
            self.ask("POST", "/-/reload")
        return {}


def line_of(at, operation, start, done, path):
    """One operation for the player; `done` holds the times that Alertmanager was told, if any."""
    line = {"at": int(at * 1000), "op": operation["op"]}
    if operation["op"] == "post":
        alert = {"labels": operation["labels"], "starts_at": int((start + operation["since"]) * 1000)}
        if operation["lasts"] is not None:
            alert["ends_at"] = int((at + operation["lasts"]) * 1000)
        line["alerts"] = [alert]
    elif operation["op"] == "silence":
        line["name"] = operation["name"]
        line["matchers"] = '%s="%s"' % tuple(operation["matcher"])
        line["ends_at"] = int(done.get("ends_at", at + operation["lasts"]) * 1000)
    elif operation["op"] == "expire":
        line["name"] = operation["name"]
    elif operation["op"] == "reload":
        line["file"] = path
    return line


class Player:
    """Our routing in a process of its own, which plays one timeline after the other."""

    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def play(self, lines):
        """Returns the answers to a timeline, from its begin to its end."""
        watchdog = threading.Timer(PLAYED, self.process.kill)
        watchdog.start()
        try:
            self.process.stdin.write("".join(json.dumps(line) + "\n" for line in lines))
            self.process.stdin.flush()
            answers = []
            for line in self.process.stdout:
                answers.append(json.loads(line))
                if answers[-1]["kind"] == "ended":
                    return answers[:-1]
        except BrokenPipeError:
            pass
        finally:
            watchdog.cancel()
        raise AssertionError("the player: exit status %d" % self.process.wait(PLAYED))

    def stop(self):
        self.process.stdin.close()
        self.process.wait(PLAYED)


class Case:
    """One world on both sides."""

    def __init__(self, player, seed):
        self.player = Player(player)
        self.seed = seed
        self.raced = 0

    def play(self, lines):
        end = int((self.world.start + generator.SECONDS) * 1000)
        return self.player.play([{"op": "begin", "file": str(self.config_path)}] + lines + [{"at": end, "op": "end"}])

    def plan(self):
        """Finds times for the operations that are not near a tick."""
        def ticks_of(operations):
            start = self.world.start
            lines = [line_of(start + at, operation, start, {}, str(self.config_path)) for at, operation in operations]
            return [one["at"] / 1000 - start for one in self.play(lines) if one["kind"] != "created"]

        self.config_path.write_text(json.dumps(self.world.config), encoding="utf-8")
        self.world.settle(ticks_of)

    def run(self):
        """Returns the Outcome."""
        with harness.World() as folder:
            hook = harness.HookReceiver()
            self.world = generator.World(self.seed, hook.url)
            self.config_path = pathlib.Path(folder.folder) / "am.json"
            try:
                self.plan()
                done = self.live(folder)
                theirs = self.theirs(hook)
                ours = [] if done is None else self.play(
                    [line_of(at, operation, self.world.start, told, str(self.config_path))
                     for at, operation, told in done])
            finally:
                hook.stop()
                self.player.stop()
        return Outcome(0, "", {}, True) if done is None else self.compare(ours, theirs)

    def live(self, folder):
        """Returns what was done, when, and the times that Alertmanager was told; None if the machine was too busy."""
        self.world.begin(time.time() + START)
        self.config_path.write_text(json.dumps(self.world.config), encoding="utf-8")
        alertmanager = Alertmanager(folder, self.world.config)
        harness.wait_until(alertmanager.ready, 60, "alertmanager to be ready")
        if "mute" not in self.world.features:
            self.world.begin(time.time() + SOON)
        if time.time() > self.world.start:
            return None
        done = []
        for offset, operation in self.world.operations:
            planned = self.world.start + offset
            time.sleep(max(0.0, planned - time.time()))
            before = time.time()
            told = alertmanager.do(operation, self.world.start)
            if time.time() > planned + LATE:
                return None
            done.append((before, operation, told))
        time.sleep(max(0.0, self.world.start + generator.SECONDS - time.time()))
        return done

    def theirs(self, hook):
        batches = collections.defaultdict(list)
        for request in list(hook.requests):
            _, receiver, number = request["path"].rsplit("/", 2)
            body = request["body"]
            sets = {"firing": set(), "resolved": set()}
            for alert in body["alerts"]:
                sets[alert["status"]].add(frozen(alert["labels"]))
            batch = Batch(request["time"], sets["firing"], sets["resolved"])
            of_group = batches[(receiver, int(number), body["groupKey"])]
            if any(same(batch, other) and batch.at - other.at < RACED for other in of_group[-2:]):
                self.raced += 1  # twins that ticked at once: see README.md
            else:
                of_group.append(batch)
        return batches

    def ours(self, lines):
        batches = collections.defaultdict(list)
        for line in lines:
            if line["kind"] != "sent":
                continue
            number = line["integration"].partition("-")[2]
            key = (line["receiver"], int(number) - 1 if number else 0, route_key(line["group"]))
            batches[key].append(Batch(line["at"] / 1000, {frozen(one) for one in line["firing"]},
                                      {frozen(one) for one in line["resolved"]}))
        return batches

    def compare(self, lines, theirs):
        ours = self.ours(lines)
        limits = self.limits(lines)
        compared = 0
        known = collections.Counter({"twins raced": self.raced} if self.raced else {})
        text = ""
        for key in sorted(set(ours) | set(theirs)):
            limit, reason = limits.get(key[2], (float("inf"), ""))
            a = [one for one in ours.get(key, []) if one.at < limit]
            b = [one for one in theirs.get(key, []) if one.at < limit]
            dropped = len(ours.get(key, [])) + len(theirs.get(key, [])) - len(a) - len(b)
            if dropped:
                known[reason] += dropped
            compared += len(b)
            if len(a) != len(b) or any(not same(x, y) for x, y in zip(a, b)):
                text += self.describe(key, a, b)
        return Outcome(compared, text, known, False)

    def limits(self, lines):
        """Group key -> (time from which the two may differ, why). See README.md."""
        limits = {}
        end = self.world.start + generator.SECONDS - TOLERANCE
        created = collections.defaultdict(list)
        for line in lines:
            if line["kind"] == "created":
                created[route_key(line["group"])].append(line["at"] / 1000)
        reloads = [at for at, operation in self.world.operations if operation["op"] == "reload"]
        for key, times in created.items():
            limits[key] = (end, "after the end")
            # Twins share the key there, and are created at the same time.
            again = sorted({round(at, 1) for at in times})[1:]
            if again:
                limits[key] = (min(again[0] - TOLERANCE, end), "empty group lingers")
            if reloads and self.world.start + reloads[0] < limits[key][0]:
                limits[key] = (self.world.start + reloads[0] - TOLERANCE, "reload")
        return limits

    def describe(self, key, ours, theirs):
        def one(batch):
            if batch is None:
                return "nothing"
            return "%7.3f %d firing, %d resolved" % (batch.at - self.world.start, len(batch.firing),
                                                     len(batch.resolved))
        text = "seed %d (%s): %s/%d %s\n" % (self.seed, ", ".join(sorted(self.world.features)), *key)
        for i in range(max(len(ours), len(theirs))):
            a = ours[i] if i < len(ours) else None
            b = theirs[i] if i < len(theirs) else None
            text += "    ours %-35s theirs %s\n" % (one(a), one(b))
        return text


def route_key(group):
    """Twins have numbered names here and share the key there."""
    return re.sub(r"#\d+:", ":", group, count=1)


def same(a, b):
    return a.firing == b.firing and a.resolved == b.resolved and abs(a.at - b.at) <= TOLERANCE


def seeds_from(first, worlds, quiet_times):
    """Returns {seed: its features}."""
    seeds = {}
    seed = first
    while len(seeds) < worlds:
        features = generator.World(seed, "").features
        if quiet_times or "mute" not in features:
            seeds[seed] = features
        seed += 1
    return seeds


def outcomes_of(player, seeds, at_once):
    """Returns {seed: its Outcome}, and how many were played again."""
    def attempt(seed):
        try:
            return Case(player, seed).run()
        except AssertionError as failure:
            return Outcome(0, "seed %d: %s\n" % (seed, failure), {}, False)

    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        outcomes = dict(zip(seeds, pool.map(attempt, seeds)))
    again = [seed for seed, outcome in outcomes.items() if outcome.text or outcome.late]
    for seed in again:
        for _ in range(AGAIN):
            print("again: seed %d, %s" % (seed, "differs" if outcomes[seed].text else "too late"), flush=True)
            outcomes[seed] = attempt(seed)
            if not outcomes[seed].text and not outcomes[seed].late:
                break
    return outcomes, len(again)


def counts(numbers, form):
    return ", ".join(form % (n, name) for name, n in sorted(numbers.items())) or "none"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("player")
    parser.add_argument("--worlds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=20)
    parser.add_argument("--no-quiet-times", action="store_true",
                        help="leave out the worlds that must wait for a certain second of the minute")
    options = parser.parse_args()
    if shutil.which("prometheus-alertmanager") is None:
        print("skipped: prometheus-alertmanager is not installed")
        return SKIPPED
    seeds = seeds_from(options.seed, options.worlds, not options.no_quiet_times)
    outcomes, again = outcomes_of(options.player, seeds, options.at_once)
    compared = sum(outcome.compared for outcome in outcomes.values())
    late = sum(outcome.late for outcome in outcomes.values())
    differ = [outcome.text for outcome in outcomes.values() if outcome.text]
    known = collections.Counter({"world too late": late} if late else {})
    for outcome in outcomes.values():
        known.update(outcome.known)
    print("".join(differ), end="")
    print("%d worlds (%s), %d batches compared, %d worlds differ, %d were played again; not compared: %s" % (
        len(seeds), counts(collections.Counter(name for has in seeds.values() for name in has), "%d with %s"),
        compared, len(differ), again, counts(known, "%d %s")))
    if differ:
        return 1
    if late * 2 > len(seeds):
        print("skipped: the machine is too busy")
        return SKIPPED
    if compared < (len(seeds) - late) * 3:
        print("too little was compared: is the generator broken?")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Random Alertmanager configurations and what happens under them, reproducible by seed.

Timers are seconds. Operations keep away from the ticks of groups (as the player says them), because which of two
things that happen at once comes first is nobody's promise.
"""

import bisect
import datetime
import random

LABELS = {
    "alertname": ["Disk", "Load", "Down"],
    "host": ["h1", "h2", "h3"],
    "team": ["x", "y"],
    "severity": ["warning", "critical", "page"],
}
SECONDS = 28
APART = 0.4
TRIES = 12  # places that are tried for an operation


NOMINAL = 1_700_000_040  # a full minute; where worlds are planned


class World:
    """One configuration and one timeline; planned at a nominal time, then moved to begin()."""

    def __init__(self, seed, url):
        self.rng = random.Random(seed)
        self.seed = seed
        # With quiet times the second of the minute matters: the next minute begins in the timeline.
        self.second = self.rng.uniform(36, 54)
        self.start = NOMINAL + self.second
        self.url = url
        self.counter = 0
        self.features = set()
        self.config = self.make_config()
        self.operations = self.make_operations()

    # --- configuration

    def make_config(self):
        rng = self.rng
        receivers = [self.receiver("r%d" % i) for i in range(rng.randint(1, 3))]
        self.names = [one["name"] for one in receivers]
        config = {
            "global": {"resolve_timeout": "%ds" % rng.choice([6, 9, 300])},
            "receivers": receivers,
            "route": self.route(0, root=True),
        }
        if rng.random() < 0.5:
            self.features.add("inhibit")
            config["inhibit_rules"] = [self.inhibit_rule() for _ in range(rng.randint(1, 2))]
        if rng.random() < 0.4:
            self.features.add("mute")
            self.quiet_first = self.rng.random() < 0.5
            config["time_intervals"] = [self.interval("quiet")]
            self.name_interval(config["route"], "quiet")
        return config

    def receiver(self, name):
        hooks = []
        for number in range(self.rng.randint(1, 2)):
            hooks.append({"url": "%s/%s/%d" % (self.url, name, number),
                          "send_resolved": self.rng.random() < 0.75})
        return {"name": name, "webhook_configs": hooks}

    def route(self, depth, root=False):
        rng = self.rng
        route = {"receiver": rng.choice(self.names)}
        if root or rng.random() < 0.5:
            route["group_by"] = rng.choice([["alertname"], ["alertname", "team"], ["host"], ["..."],
                                            ["team", "severity"]])
        if root or rng.random() < 0.4:
            route["group_wait"] = "%ds" % rng.choice([1, 2, 3])
            route["group_interval"] = "%ds" % rng.choice([2, 3, 4])
            # Never a multiple: there the answer is a matter of milliseconds.
            route["repeat_interval"] = "%dms" % rng.choice([6500, 7500, 3600500])
        if not root:
            route.update(self.match())
            route["continue"] = rng.random() < 0.3
        if depth < 2:
            children = [self.route(depth + 1) for _ in range(rng.choice([0, 1, 2, 3]))]
            if children:
                route["routes"] = children
        return route

    def match(self):
        rng = self.rng
        label = rng.choice(list(LABELS))
        value = rng.choice(LABELS[label])
        kind = rng.random()
        if kind < 0.25:
            return {"match": {label: value}}
        if kind < 0.5:
            return {"match_re": {label: "%s|%s" % (value, rng.choice(LABELS[label]))}}
        return {"matchers": [self.matcher()]}

    def matcher(self):
        rng = self.rng
        label = rng.choice(list(LABELS))
        value = rng.choice(LABELS[label])
        operator = rng.choice(["=", "=", "!=", "=~", "!~"])
        return '%s%s"%s"' % (label, operator, value if operator in ("=", "!=") else value[0] + ".*")

    def inhibit_rule(self):
        rng = self.rng
        rule = {"source_matchers": [self.matcher()], "target_matchers": [self.matcher()]}
        equal = rng.sample(list(LABELS), rng.randint(0, 2))
        if equal:
            rule["equal"] = equal
        return rule

    def interval(self, name):
        """One that begins or ends on the next full minute, which may lie in the timeline."""
        now = datetime.datetime.fromtimestamp(self.start, datetime.timezone.utc)
        minute = now.replace(second=0, microsecond=0)
        later = minute + datetime.timedelta(minutes=1)
        if not self.quiet_first:
            begin, end = later, later + datetime.timedelta(minutes=2)
        else:
            begin, end = minute - datetime.timedelta(minutes=2), later
        if begin.day != end.day:
            begin, end = minute.replace(hour=0, minute=0), minute.replace(hour=0, minute=1)
        self.boundary = later.timestamp() - self.start
        times = {"start_time": begin.strftime("%H:%M"), "end_time": end.strftime("%H:%M")}
        return {"name": name, "time_intervals": [{"times": [times]}]}

    def begin(self, earliest):
        """Moves the world to the first time it can begin, not before `earliest`; returns that."""
        start = earliest
        if "mute" in self.features:
            second = self.start % 60
            start = earliest - earliest % 60 + second
            if start < earliest:
                start += 60
        self.start = start
        if "mute" in self.features:
            self.config["time_intervals"] = [self.interval("quiet")]
        return start

    def name_interval(self, route, name):
        for child in route.get("routes", []):
            if self.rng.random() < 0.6:
                key = self.rng.choice(["mute_time_intervals", "active_time_intervals"])
                child[key] = [name]
            self.name_interval(child, name)

    # --- timeline: a list of [offset in seconds, operation]

    def make_operations(self):
        rng = self.rng
        operations = []
        alerts = []
        for _ in range(rng.randint(4, 9)):
            labels = {label: rng.choice(values) for label, values in LABELS.items() if rng.random() < 0.9}
            labels.setdefault("alertname", "Disk")
            if labels not in alerts:
                alerts.append(labels)
        for labels in alerts:
            operations += self.life_of(labels)
        if rng.random() < 0.6:
            self.features.add("silence")
            for number in range(rng.randint(1, 2)):
                operations += self.silence("s%d" % number)
        if rng.random() < 0.15:
            self.features.add("reload")
            operations.append([rng.uniform(8, 16), {"op": "reload"}])
        return operations

    def life_of(self, labels):
        """Fires, is sent again, and is over or not; some by a time-out, some twice."""
        rng = self.rng
        at = rng.uniform(0.2, 12)
        announced = rng.random() < 0.5
        history = [[at, self.post(labels, at, 300 if announced else None)]]
        for _ in range(rng.randint(0, 2)):
            at += rng.uniform(0.5, 4)
            history.append([at, self.post(labels, history[0][0], 300 if announced else None)])
        if rng.random() < 0.6:
            at += rng.uniform(0.6, 8)
            history.append([at, self.post(labels, history[0][0], 0)])
            if rng.random() < 0.3:
                at += rng.uniform(0.5, 2)
                history.append([at, self.post(labels, at, 300)])
        return [one for one in history if one[0] < SECONDS - 6]

    @staticmethod
    def post(labels, since, lasts):
        return {"op": "post", "labels": labels, "since": since, "lasts": lasts}

    def silence(self, name):
        rng = self.rng
        at = rng.uniform(0.2, 14)
        lasts = rng.uniform(3, 12)
        label = rng.choice(list(LABELS))
        operation = {"op": "silence", "name": name, "lasts": lasts,
                     "matcher": [label, rng.choice(LABELS[label])]}
        if rng.random() < 0.4:
            return [[at, operation], [self.expiry(at, operation), {"op": "expire", "name": name}]]
        return [[at, operation]]

    def expiry(self, at, silence):
        return at + self.rng.uniform(1, silence["lasts"] - 0.5)

    # --- keeping apart

    def moments(self, operations):
        """Every moment at which something changes, besides ticks."""
        moments = [self.boundary] if "mute" in self.features else []
        timeout = float(self.config["global"]["resolve_timeout"][:-1])
        for at, operation in operations:
            moments.append(at)
            if operation["op"] == "silence":
                moments.append(at + operation["lasts"])
            if operation["op"] == "post" and operation["lasts"] is None:
                moments.append(at + timeout)
        return moments

    def settle(self, ticks_of):
        """Places the operations one after the other where nothing is near a tick; `ticks_of` plays a timeline and says
        where its ticks are. What is placed makes ticks in its future only, so no earlier one has to move. One for
        which there is no place is left out."""
        wanted, self.operations = sorted(self.operations, key=lambda one: one[0]), []
        begun = {}  # since when the alert of a post fires: as wanted -> as placed
        for at, operation in wanted:
            for attempt in range(TRIES):
                spread = 0.15 * attempt
                moved = self.possible(at + self.rng.uniform(-spread, spread), operation)
                if moved is None:
                    continue
                placed = dict(operation)
                if operation["op"] == "post":
                    placed["since"] = begun.get(operation["since"], moved)
                timeline = self.operations + [[moved, placed]]
                if apart(self.moments(timeline), ticks_of(timeline)):
                    self.operations = timeline
                    if operation["op"] == "post":
                        begun.setdefault(operation["since"], moved)
                    break

    def possible(self, at, operation):
        """Returns the first time from `at` on at which it can be done after what is placed; None if it cannot then: a
        silence that was not set yet, or is over, cannot be expired."""
        at = max([at, 0.1] + [self.operations[-1][0] + 0.02 for _ in self.operations[-1:]])
        if operation["op"] == "expire":
            silences = [(begin, one) for begin, one in self.operations
                        if one["op"] == "silence" and one["name"] == operation["name"]]
            if not any(begin + 0.9 <= at <= begin + one["lasts"] - APART for begin, one in silences):
                return None
        return at if at < SECONDS - 1 else None


def apart(moments, ticks):
    ticks = sorted(ticks)
    for moment in moments:
        after = bisect.bisect(ticks, moment - APART)
        if after < len(ticks) and ticks[after] < moment + APART:
            return False
    return True

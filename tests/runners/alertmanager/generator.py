"""Random Alertmanager configurations and what happens under them, reproducible by seed.

Timers are seconds. Operations keep away from the ticks of groups (as the player says them), because which of two
things that happen at once comes first is nobody's promise.
"""

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

    def expire_in_time(self):
        """A silence that was not set yet, or is over, cannot be expired."""
        silences = {one["name"]: (at, one) for at, one in self.operations if one["op"] == "silence"}
        for one in self.operations:
            if one[1]["op"] != "expire":
                continue
            at, silence = silences[one[1]["name"]]
            if not at + 0.9 <= one[0] <= at + silence["lasts"] - APART:
                one[0] = self.expiry(at, silence)

    # --- keeping apart

    def moments(self):
        """Every moment at which something changes, besides ticks."""
        moments = []
        timeout = float(self.config["global"]["resolve_timeout"][:-1])
        for at, operation in self.operations:
            moments.append(at)
            if operation["op"] == "silence":
                moments.append(at + operation["lasts"])
            if operation["op"] == "post" and operation["lasts"] is None:
                moments.append(at + timeout)
        if "mute" in self.features:
            moments.append(self.boundary)
        return moments

    def shake(self, ticks):
        """Moves operations that are too near a tick; returns whether some were."""
        near = False
        for one in self.operations:
            mine = [one[0]]
            if one[1]["op"] == "silence":
                mine.append(one[0] + one[1]["lasts"])
            if one[1]["op"] == "post" and one[1]["lasts"] is None:
                mine.append(one[0] + float(self.config["global"]["resolve_timeout"][:-1]))
            if any(abs(tick - moment) < APART for tick in ticks for moment in mine):
                one[0] = max(0.1, one[0] + self.rng.uniform(-0.9, 0.9))
                near = True
        self.expire_in_time()
        self.operations.sort(key=lambda one: one[0])
        if "mute" in self.features and any(abs(tick - self.boundary) < APART for tick in ticks):
            self.start += 0.5 if self.start % 60 < 57 else -20
            self.config["time_intervals"] = [self.interval("quiet")]
            near = True
        return near

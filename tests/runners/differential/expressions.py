"""Random PromQL that mostly means something: the labels of each part are known while it is made.

A Node knows its text, its type ("vector", "scalar", "range"), the labels its elements have (without the metric
name) and its vector parts, so that a difference can be followed down to the smallest expression that shows it.
Everything that Prometheus 2.42 knows is made here; tests count what was used (`Generator.used`).
"""

import world

RANGE_FUNCTIONS = ["avg_over_time", "min_over_time", "max_over_time", "sum_over_time", "count_over_time",
                   "stddev_over_time", "stdvar_over_time", "last_over_time", "present_over_time",
                   "changes", "resets", "delta", "idelta", "deriv", "rate", "irate", "increase"]
MATH = ["abs", "ceil", "floor", "exp", "sqrt", "ln", "log2", "log10", "sgn", "sin", "cos", "tan", "asin",
        "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "deg", "rad"]
DATES = ["minute", "hour", "day_of_month", "day_of_week", "day_of_year", "days_in_month", "month", "year"]
AGGREGATIONS = ["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"]
ARITHMETIC = ["+", "-", "*", "/", "%", "^", "atan2"]
COMPARISONS = ["==", "!=", "<", "<=", ">", ">="]
SETS = ["and", "or", "unless"]


class Node:
    def __init__(self, text, kind, labels=(), parts=(), window=None, operator=""):
        self.text = text
        self.kind = kind
        self.operator = operator  # or function, at the top of the expression
        self.labels = frozenset(labels)
        self.parts = list(parts)  # of any kind
        self.window = window  # of a range: its seconds, its offset's, and what follows the @


class Generator:
    def __init__(self, rng, used):
        self.rng = rng
        self.used = used

    def count(self, what):
        self.used[what] = self.used.get(what, 0) + 1
        return what

    def pick(self, items):
        return self.rng.choice(list(items))

    def chance(self, probability):
        return self.rng.random() < probability

    def some(self, labels, at_least=0):
        labels = sorted(labels)
        count = self.rng.randint(min(at_least, len(labels)), len(labels))
        return sorted(self.rng.sample(labels, count))

    def expression(self):
        """The top: a vector mostly, sometimes a scalar, and sometimes something that must be refused."""
        depth = self.rng.randint(1, 4)
        if self.chance(0.04):
            return self.wrong(depth)
        if self.chance(0.05):
            return self.scalar(depth)
        return self.vector(depth)

    # --- selectors and times

    def duration(self, low, high):
        """A duration of whole seconds: its text, and the seconds."""
        seconds = self.rng.randint(low, high)
        if seconds % 60 == 0 and self.chance(0.5):
            return "%dm" % (seconds // 60), seconds
        if seconds > 60 and seconds % 60 and self.chance(0.5):
            return "%dm%ds" % divmod(seconds, 60), seconds
        return "%ds" % seconds, seconds

    def shift(self):
        """An offset and an `@`, or neither: the text, the offset's seconds, and what follows the `@`."""
        text, offset, at = "", 0, ""
        if self.chance(0.12):
            self.count("offset")
            sign = self.pick(["", "", "-"])
            duration, offset = self.duration(1, 900)
            text += " offset %s%s" % (sign, duration)
            offset = -offset if sign else offset
        if self.chance(0.1):
            moment = world.BEGIN + self.rng.randint(-60, world.MINUTES * 60 + 60)
            at = self.count(self.pick(["start()", "end()", "@"])).replace("@", "%d.5" % moment)
            text += " @ " + at
        return text, offset, at

    def matcher(self, label):
        values = world.VALUES[label]
        kind = self.pick(["=", "!=", "=~", "!~"])
        self.count("matcher " + kind)
        if kind in ("=", "!="):
            return '%s%s"%s"' % (label, kind, self.pick(list(values) + [""] * (kind == "!=")))
        pattern = self.pick([".*", ".+", "|".join(self.some(values, 1)), values[0][:1] + ".*",
                             "[^%s].*" % values[-1][:1], "", "(?i:%s)" % values[0].upper()])
        return '%s%s"%s"' % (label, kind, pattern.replace("+Inf", "[+]Inf"))

    def selector(self, names=None):
        """Returns (text without offset and @, labels)."""
        name = self.pick(names or [n for n in world.METRICS if n != "few"] + ["few", "nothing_here"])
        labels = world.METRICS.get(name, (("job",), ""))[0]
        matchers = [self.matcher(label) for label in labels if self.chance(0.15)]
        if self.chance(0.05):
            matchers.insert(0, '__name__="%s"' % name)
            name = ""
        elif self.chance(0.02):
            matchers.insert(0, '__name__=~"%s|flag"' % name)
            name = ""
        return name + ("{%s}" % ", ".join(matchers) if matchers else ""), frozenset(labels)

    def instant(self, names=None):
        text, labels = self.selector(names)
        return Node(text + self.shift()[0], "vector", labels)

    def range(self, depth, names=None):
        if depth > 1 and self.chance(0.3):
            inner = self.vector(depth - 1)
            self.count("subquery")
            step = self.pick(["", "", "10s", "30s", "45s", "1m", "7s"])
            window, seconds = self.duration(60, 900)
            shift, offset, at = self.shift()
            text = "(%s)[%s250ms:%s]%s" % (inner.text, window, step, shift)
            return Node(text, "range", inner.labels, [inner], (seconds + 0.25, offset, at))
        text, labels = self.selector(names)
        window, seconds = self.duration(15, 900)
        shift, offset, at = self.shift()
        return Node("%s[%s]%s" % (text, window, shift), "range", labels, [], (seconds, offset, at))

    # --- scalars

    def number(self):
        return Node(self.pick(["0", "1", "-1", "2", "0.5", "3.25", "100", "1e3", "0x1F", "Inf", "-Inf", "NaN",
                               "%d" % self.rng.randint(-1000, 5000), "1e-3"]), "scalar")

    def scalar(self, depth):
        if depth <= 1 or self.chance(0.5):
            return self.number()
        kind = self.rng.randrange(5)
        if kind == 0:
            inner = self.vector(depth - 1)
            return Node("%s(%s)" % (self.count("scalar"), inner.text), "scalar", (), [inner], operator="scalar")
        if kind == 1:
            return Node(self.count(self.pick(["time", "pi"])) + "()", "scalar")
        if kind == 2:
            inner = self.scalar(depth - 1)
            return Node("-(%s)" % inner.text, "scalar", (), [inner])
        left, right = self.scalar(depth - 1), self.scalar(depth - 1)
        if kind == 3:
            operator = self.count(self.pick(COMPARISONS))
            text = "(%s) %s bool (%s)" % (left.text, operator, right.text)
        else:
            operator = self.count(self.pick(ARITHMETIC))
            text = "(%s) %s (%s)" % (left.text, operator, right.text)
        return Node(text, "scalar", (), [left, right], operator=operator)

    # --- vectors

    def vector(self, depth):
        if depth <= 1:
            return self.instant()
        makers = [(6, self.range_function), (5, self.aggregation), (6, self.binary), (2, self.math),
                  (3, self.with_scalar), (2, self.odd_function), (1, self.date), (1, self.histogram),
                  (2, self.label_function), (1, self.instant_again), (2, self.set_operation),
                  (1, self.parameter_function), (2, self.join)]
        total = self.rng.randrange(sum(weight for weight, _ in makers))
        for weight, maker in makers:
            total -= weight
            if total < 0:
                return maker(depth)
        raise AssertionError("unreachable")

    def instant_again(self, _):
        return self.instant()

    def range_function(self, depth):
        function = self.count(self.pick(RANGE_FUNCTIONS))
        counters = [n for n, (_, kind) in world.METRICS.items() if kind in ("counter", "bucket")]
        names = counters if function in ("rate", "irate", "increase", "resets") and self.chance(0.8) else None
        return self.over_range(function, self.range(depth, names))

    @staticmethod
    def over_range(function, window):
        return Node("%s(%s)" % (function, window.text), "vector", window.labels, [window], operator=function)

    def parameter_function(self, depth):
        inner = self.range(depth)
        function = self.count(self.pick(["quantile_over_time", "predict_linear", "holt_winters",
                                         "absent_over_time"]))
        if function == "quantile_over_time":
            text = "%s(%s, %s)" % (function, self.share(), inner.text)
        elif function == "predict_linear":
            text = "%s(%s, %s)" % (function, inner.text, self.scalar(1).text)
        elif function == "holt_winters":
            text = "%s(%s, %s, %s)" % (function, inner.text, self.factor(), self.factor())
        else:
            text = "%s(%s)" % (function, inner.text)
            return Node(text, "vector", (), [inner], operator=function)
        return Node(text, "vector", inner.labels, [inner], operator=function)

    def share(self):
        return self.pick(["0", "0.5", "0.9", "0.99", "1", "0.25", "-1", "2", "NaN"])

    def factor(self):
        return self.pick(["0.1", "0.5", "0.9", "0.3", "1.5"] if self.chance(0.1) else ["0.1", "0.5", "0.9"])

    def math(self, depth):
        function = self.count(self.pick(MATH))
        inner = self.vector(depth - 1)
        return Node("%s(%s)" % (function, inner.text), "vector", inner.labels, [inner], operator=function)

    def odd_function(self, depth):
        inner = self.vector(depth - 1)
        kind = self.count(self.pick(["round", "round/2", "clamp", "clamp_min", "clamp_max", "absent", "sort",
                                     "sort_desc", "timestamp", "vector", "unary", "paren"]))
        labels = inner.labels
        if kind == "vector":
            number = self.scalar(depth - 1)
            return Node("vector(%s)" % number.text, "vector", (), [number])
        if kind == "unary":
            return Node("-(%s)" % inner.text, "vector", labels, [inner])
        if kind == "paren":
            return Node("((%s))" % inner.text, "vector", labels, [inner])
        if kind == "absent":
            return Node("absent(%s)" % inner.text, "vector", (), [inner])
        arguments = {"round/2": 1, "clamp": 2, "clamp_min": 1, "clamp_max": 1}.get(kind, 0)
        text = ", ".join([inner.text] + [self.scalar(depth - 1).text for _ in range(arguments)])
        function = kind.replace("/2", "")
        return Node("%s(%s)" % (function, text), "vector", labels, [inner], operator=function)

    def date(self, depth):
        function = self.count(self.pick(DATES))
        if self.chance(0.2):
            return Node(function + "()", "vector")
        if self.chance(0.7):
            inner = self.instant(["moment"])
        elif self.chance(0.1):
            inner = self.instant(["odd"])
        else:
            # Beyond the calendar, and for NaN, the answer is nobody's promise (differences.py, no-time).
            part = self.vector(depth - 1)
            inner = Node("((%s) >= -1e9) <= 1e9" % part.text, "vector", part.labels, [part])
        return Node("%s(%s)" % (function, inner.text), "vector", inner.labels, [inner], operator=function)

    def histogram(self, depth):
        self.count("histogram_quantile")
        name = self.pick(["latency_bucket", "latency_bucket", "bent_bucket"])
        form = self.rng.randrange(3)
        if form == 0:
            inner = self.instant([name])
        elif form == 1:
            inner = self.over_range("rate", self.range(1, [name]))
        else:
            part = self.over_range("increase", self.range(1, [name]))
            by = self.some(["job", "instance"]) + ["le"]
            inner = Node("sum by (%s) (%s)" % (", ".join(by), part.text), "vector", by, [part], operator="sum")
        number = self.share() if self.chance(0.9) else self.scalar(depth - 1).text
        return Node("histogram_quantile(%s, %s)" % (number, inner.text), "vector", inner.labels - {"le"}, [inner],
                    operator="histogram_quantile")

    def label_function(self, depth):
        inner = self.vector(depth - 1)
        source = self.pick(sorted(inner.labels) or ["job"])
        if self.chance(0.4):
            self.count("label_join")
            text = 'label_join(%s, "%s", "%s", "%s")' % (inner.text, self.pick(["new", "zone"]),
                                                         self.pick(["-", "", ":"]),
                                                         '", "'.join(self.some(inner.labels, 1) or ["job"]))
        else:
            self.count("label_replace")
            text = 'label_replace(%s, "%s", "%s", "%s", "%s")' % (
                inner.text, self.pick(["new", "new", source, "__name__"]), self.pick(["$1", "x-$1", "", "fix"]),
                source, self.pick(["(.*)", "(.).*", "([a-z]+)[^a-z]*", "nomatch", "a.*", "(?P<n>.*):.*"]))
        return Node(text, "vector", inner.labels | {"new"}, [inner])

    def aggregation(self, depth):
        inner = self.vector(depth - 1)
        without = self.chance(0.35)
        chosen = self.some(inner.labels)
        labels = inner.labels - set(chosen) if without else chosen
        clause = " %s (%s)" % (self.count("without" if without else "by"), ", ".join(chosen))
        if not chosen and self.chance(0.5):
            clause, labels = "", ()
        roll = self.rng.random()
        if roll < 0.7:
            operator, parameter = self.count(self.pick(AGGREGATIONS)), ""
        elif roll < 0.85:
            operator, parameter = self.count(self.pick(["topk", "bottomk"])), self.pick("012357") + ", "
            # Which of two equal values stays is nobody's promise: as distinct as possible.
            inner = self.instant(["temperature", "load", "http_requests_total", "cpu_seconds_total", "moment"])
            labels = inner.labels
        elif roll < 0.95:
            operator, parameter = self.count("quantile"), self.share() + ", "
        else:
            operator, parameter = self.count("count_values"), '"value", '
            labels = set(labels) | {"value"}
        if self.chance(0.5):
            text = "%s%s (%s%s)" % (operator, clause, parameter, inner.text)
        else:
            text = "%s(%s%s)%s" % (operator, parameter, inner.text, clause)
        return Node(text, "vector", labels, [inner], operator=operator)

    def with_scalar(self, depth):
        inner, number = self.vector(depth - 1), self.scalar(depth - 1)
        operator, text = self.operator(0.5)
        sides = ["(%s)" % inner.text, "(%s)" % number.text]
        if self.chance(0.4):
            sides.reverse()
        return Node("%s %s %s" % (sides[0], text, sides[1]), "vector", inner.labels, [inner, number],
                    operator=operator)

    def operator(self, arithmetic=0.6):
        """An operator, and its text with or without bool."""
        if self.chance(arithmetic):
            operator = self.count(self.pick(ARITHMETIC))
            return operator, operator
        operator = self.count(self.pick(COMPARISONS))
        return operator, operator + (" bool" if self.chance(0.4) else "")

    def binary(self, depth):
        """One to one: both sides brought to the same labels, or matched on what they have in common."""
        left = self.vector(depth - 1)
        right = self.vector(depth - 1) if self.chance(0.5) else left
        common = left.labels & right.labels
        chosen = self.some(common, 1)
        operator, written = self.operator()
        if self.chance(0.5):
            left, right = (self.aggregated(side, chosen) for side in (left, right))
            common = set(chosen)
        kind = self.rng.randrange(3)
        matching, labels = "", common
        if kind == 0:
            matching, labels = " %s (%s)" % (self.count("on"), ", ".join(chosen)), chosen
        elif kind == 1:
            ignored = sorted((left.labels | right.labels) - set(chosen))
            matching, labels = " %s (%s)" % (self.count("ignoring"), ", ".join(ignored)), chosen
        text = "(%s) %s%s (%s)" % (left.text, written, matching, right.text)
        return Node(text, "vector", labels, [left, right], operator=operator)

    def aggregated(self, inner, by):
        operator = self.count(self.pick(AGGREGATIONS))
        return Node("%s by (%s) (%s)" % (operator, ", ".join(by), inner.text), "vector", by, [inner],
                    operator=operator)

    def join(self, depth):
        """Many to one; the one side is aggregated, or a series for each instance anyway."""
        many = self.vector(depth - 1)
        if {"job", "instance"} <= many.labels and self.chance(0.6):
            one = self.instant(["build_info", "load", "flag"])
            on = ["job", "instance"]
        else:
            on = self.some(many.labels & {"job", "instance", "zone"}, 1)
            other = self.instant(["temperature", "load", "build_info", "gappy"])
            on = [label for label in on if label in other.labels]
            one = self.aggregated(other, on)
        include = self.some(one.labels - set(on)) if self.chance(0.7) else []
        if self.chance(0.1):
            include.append("nowhere")
        operator, written = self.operator()
        left = self.chance(0.6)
        group = "%s (%s)" % (self.count("group_left" if left else "group_right"), ", ".join(include))
        sides = [many, one] if left else [one, many]
        text = "(%s) %s on (%s) %s (%s)" % (sides[0].text, written, ", ".join(on), group, sides[1].text)
        return Node(text, "vector", many.labels | set(include), sides, operator=operator)

    def set_operation(self, depth):
        left, right = self.vector(depth - 1), self.vector(depth - 1)
        chosen = self.some(left.labels & right.labels)
        operator = self.count(self.pick(SETS))
        matching = self.pick(["", " on (%s)" % ", ".join(chosen),
                              " ignoring (%s)" % ", ".join(sorted((left.labels | right.labels) - set(chosen)))])
        labels = left.labels | right.labels if operator == "or" else left.labels
        text = "(%s) %s%s (%s)" % (left.text, operator, matching, right.text)
        return Node(text, "vector", labels, [left, right])

    def wrong(self, depth):
        """Refused by both, while parsing or while evaluating."""
        self.count("wrong")
        vector, number, window = self.vector(depth), self.scalar(depth), self.range(depth)
        text = self.pick([
            "rate(%s)" % vector.text,
            "abs(%s)" % number.text,
            "(%s) and (%s)" % (vector.text, number.text),
            "(%s) > (%s)" % (number.text, number.text),
            "sum(%s)" % window.text,
            window.text + " + 1",
            "(%s) + on (job) (%s)" % (self.instant(["temperature"]).text, self.instant(["gappy"]).text),
            "(%s) * on (job) group_left () (%s)" % (vector.text, self.instant(["temperature"]).text),
            "(%s) and on (job) group_left () (%s)" % (vector.text, vector.text),
            "topk(%s)" % vector.text,
            "unknown_function(%s)" % vector.text,
            "clamp(%s, 1)" % vector.text,
            "(%s" % vector.text,
            'label_replace(%s, "new", "$1", "job", "(")' % vector.text,
            'count_values("", %s)' % vector.text,
            "(%s) offset 5m" % vector.text,
            '{job=~".*"}',
            "{}",
            "(%s) bool == 1" % vector.text,
            "sum by (job (%s)" % vector.text,
            "quantile_over_time(%s)" % window.text,
            "time() offset 1m",
            '"a" + 1',
        ])
        return Node(text, "vector", (), [])

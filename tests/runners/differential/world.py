"""The data of one round: counters, gauges and histograms over one hour, made from a seed.

Moments are chosen so that windows closed on the left (Prometheus 2.42) and open on the left (Prometheus 3
and we) hold the same samples. Three classes of fractions of a second never meet:

    .101 to .199   samples, a different one for each series
    .500           evaluation, and times after `@`
    .000           steps of subqueries

Windows and offsets are whole seconds; windows of subqueries end in .250 s, so that their borders fall on .250
or .750. No border ever falls on a sample or a step.
"""

import math
import struct

STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
BEGIN = 1709208000  # 2024-02-29 12:00:00 UTC: a leap day, for the date functions
MINUTES = 60
STEP = 15

# Name -> (labels, kind). Expressions are made from this, so that most of them find something.
METRICS = {
    "http_requests_total": (("job", "instance", "method", "code"), "counter"),
    "cpu_seconds_total": (("job", "instance", "mode"), "counter"),
    "errors_total": (("job", "instance"), "counter"),
    "temperature": (("job", "instance", "zone"), "gauge"),
    "load": (("job", "instance"), "gauge"),
    "odd": (("job", "instance"), "gauge"),
    "gappy": (("job", "instance", "zone"), "gauge"),
    "few": (("job", "instance"), "gauge"),
    "flag": (("job", "instance"), "gauge"),
    "build_info": (("job", "instance", "version"), "gauge"),
    "limit": (("job",), "gauge"),
    "moment": (("job", "instance"), "moment"),
    "latency_bucket": (("job", "instance", "le"), "bucket"),
    "bent_bucket": (("job", "instance", "le"), "bucket"),
}
JOBS = ("api", "db")
INSTANCES = ("a:1", "b:2", "c:3")
VALUES = {
    "job": JOBS,
    "instance": INSTANCES,
    "method": ("get", "post"),
    "code": ("200", "404", "500"),
    "mode": ("idle", "user"),
    "zone": ("z1", "z2"),
    "version": ("1.2", "1.10"),
    "le": ("0.1", "0.5", "1", "5", "+Inf"),
}


def quarter(rng, low, high):
    """A multiple of 1/4: sums of such numbers are exact, whatever the order of adding."""
    return rng.randint(low * 4, high * 4) / 4


def counter(rng, count):
    """Grows, now and then resets; begins and restarts well above zero (see differences.py, zero-point)."""
    value = quarter(rng, 1000, 5000)
    speed = rng.choice([0, 1, 5, 40])
    values = []
    for _ in range(count):
        if rng.random() < 0.03:
            value = quarter(rng, 500, 900)
        elif rng.random() < 0.8:
            value += quarter(rng, 0, speed)
        values.append(value)
    return values


def gauge(rng, count):
    value = quarter(rng, -50, 50)
    values = []
    for _ in range(count):
        if rng.random() < 0.7:
            value += quarter(rng, -8, 8)
        values.append(value)
    return values


def with_odd_values(rng, values):
    strange = [math.nan, math.inf, -math.inf, 0.0, 1e300, -1e-300]
    return [rng.choice(strange) if rng.random() < 0.15 else value for value in values]


def with_gaps(rng, values):
    """Holes of up to twelve minutes, some behind a stale marker; may begin late and end early."""
    out = list(values)
    at = rng.choice([0, 0, 10, 60])
    out[:at] = [None] * at
    while at < len(out):
        at += rng.randint(4, 40)
        hole = rng.choice([1, 2, 7, 19, 24, 48])
        if at < len(out) and rng.random() < 0.5:
            out[at] = STALE
            at += 1
        out[at:at + hole] = [None] * len(out[at:at + hole])
        at += hole
    if rng.random() < 0.3:
        out[-40:] = [None] * 40
    return out


def buckets(rng, count, bent):
    """Cumulative buckets of one histogram; `bent` ones are not monotonic, as torn reads leave them."""
    totals = [0.0] * len(VALUES["le"])
    rows = []
    for _ in range(count):
        if rng.random() < 0.02:
            totals = [0.0] * len(totals)
        for _ in range(rng.randint(0, 4)):
            first = rng.randrange(len(totals))
            for i in range(first, len(totals)):
                totals[i] += 1
        row = list(totals)
        if bent and rng.random() < 0.5:
            row[rng.randrange(len(row))] += rng.randint(1, 3)
        rows.append([200.0 + value for value in row])
    return [list(column) for column in zip(*rows)]


def values_of(rng, name, count):
    kind = METRICS[name][1]
    if name == "odd":
        return with_odd_values(rng, gauge(rng, count))
    if name == "gappy":
        return with_gaps(rng, gauge(rng, count))
    if name == "few":
        return [v if rng.random() < 0.05 else None for v in gauge(rng, count)]
    if name == "flag":
        return [float(rng.random() < 0.6) for _ in range(count)]
    if name == "build_info":
        return [1.0] * count
    if name == "moment":
        return [float(rng.randint(-2**31, 2**32)) for _ in range(count)]
    return counter(rng, count) if kind == "counter" else gauge(rng, count)


def label_sets(names):
    sets = [{}]
    for name in names:
        if name == "version":
            # One version an instance: joins by group_left find exactly one.
            sets = [dict(s, version=VALUES["version"][len(s["instance"] + s["job"]) % 2]) for s in sets]
        elif name != "le":
            sets = [dict(s, **{name: value}) for s in sets for value in VALUES[name]]
    return sets


def make_series(rng):
    """Returns [(labels, [(timestamp_ms, value)])], samples in order of time."""
    count = MINUTES * 60 // STEP
    series = []

    def add(name, labels, values):
        shift = 101 + len(series) % 99
        samples = [((BEGIN + i * STEP) * 1000 + shift, v) for i, v in enumerate(values) if v is not None]
        if samples:
            series.append((dict(labels, __name__=name), samples))

    for name, (names, kind) in METRICS.items():
        for labels in label_sets(names):
            if rng.random() < 0.1 and name != "build_info":
                continue  # joins must also meet sides without a partner
            if kind != "bucket":
                add(name, labels, values_of(rng, name, count))
                continue
            for le, values in zip(VALUES["le"], buckets(rng, count, name == "bent_bucket")):
                add(name, dict(labels, le=le), values)
    return series


def slices(series, minutes=10):
    """The same samples cut in time: a server takes samples up to an hour behind its newest only."""
    for begin in range(BEGIN, BEGIN + MINUTES * 60, minutes * 60):
        low, high = begin * 1000, (begin + minutes * 60) * 1000
        part = [(labels, [s for s in samples if low <= s[0] < high]) for labels, samples in series]
        yield [(labels, samples) for labels, samples in part if samples]

"""An hour of simulated scrapes, made from real ones: two targets of each exporter, every 15 s, with small changes.

Counters grow, gauges wander; one target of each exporter has trouble for a while (a full disk, a stopped server,
a dead probe), restarts, or is not scraped for ten minutes. Deterministic: the same text every time.
"""

import math
import random
import re

MINUTES = 60
SCRAPE_SECONDS = 15
PHASE_SECONDS = 5  # scrapes are 5 s after evaluations: no window border falls on a sample
LINE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)")
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')
JOBS = {"node_exporter": "node-exporter", "postgres_exporter": "postgres", "redis_exporter": "redis",
        "blackbox_exporter": "blackbox"}

# Metric -> values during the target's bad twenty minutes (fractions of what it was, or absolute).
TROUBLE = {
    "node_filesystem_avail_bytes": 0.02, "node_filesystem_free_bytes": 0.03, "node_filesystem_files_free": 0.01,
    "node_memory_MemAvailable_bytes": 0.03, "node_memory_MemFree_bytes": 0.01, "node_load1": 60.0,
    "node_load5": 45.0, "node_load15": 30.0, "node_filesystem_readonly": "=1", "node_timex_sync_status": "=0",
    "node_timex_offset_seconds": "=0.3", "pg_up": "=0", "redis_up": "=0", "probe_success": "=0",
    "probe_http_status_code": "=503", "pg_stat_activity_count": 50.0, "redis_connected_clients": 400.0,
    "redis_memory_used_bytes": 200.0, "node_network_up": "=0", "node_entropy_available_bits": "=12",
    "probe_ssl_earliest_cert_expiry": "=86400", "pg_replication_lag_seconds": "=900",
    "redis_rejected_connections_total": 3.0, "node_nf_conntrack_entries": 5000.0,
}


def families(text):
    """{family: type} of the TYPE lines."""
    return {match[1]: match[2] for match in re.finditer(r"^# TYPE (\S+) (\S+)", text, re.M)}


def is_counter(name, types):
    if types.get(name) == "counter":
        return True
    base = re.sub(r"_(bucket|count|sum)$", "", name)
    return base != name and types.get(base) in ("histogram", "summary")


def parse(text):
    """Yields (name, labels, value) of each sample line; a section of the blackbox exporter adds its module."""
    section = {}
    for line in text.splitlines():
        head = re.match(r"# ==== module=(\S+) target=(\S+)", line)
        if head:
            section = {"module": head[1], "target": head[2]}
        match = None if line.startswith("#") else LINE.match(line)
        if match:
            yield match[1], dict(LABEL.findall(match[2] or ""), **section), float(match[3])


def number(value):
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Inf" if value > 0 else "-Inf"
    return repr(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def counter_values(rng, value, count, restart_at):
    speed = max(abs(value) / 5000, 0.5) * rng.choice([0, 0, 0.2, 1, 3])
    out = []
    for i in range(count):
        if i == restart_at:
            value = 0.0
        value += round(speed * rng.random() * 2, 3)
        out.append(value)
    return out


def gauge_values(rng, value, count):
    start = value
    if not math.isfinite(start) or start in (0, 1) or abs(start) > 1e12:
        return [start] * count  # a flag, a constant, or a moment of time
    out = []
    for _ in range(count):
        value += start * 0.004 * (rng.random() - 0.5)
        out.append(int(value) if start == int(start) and abs(start) > 100 else value)
    return out


def troubled(name, value, values, begin, end):
    what = TROUBLE.get(name)
    if what is None:
        return values
    bad = float(what[1:]) if isinstance(what, str) else value * what
    return values[:begin] + [bad] * (end - begin) + values[end:]


def line_of(name, labels, values):
    """One series in test notation: a value every 5 s, of which every third exists."""
    escaped = ", ".join('%s="%s"' % pair for pair in sorted(labels.items()))
    items = " _x2 ".join(number(value) if isinstance(value, (int, float)) else value for value in values)
    return "%s{%s} _x%d %s" % (name, escaped, PHASE_SECONDS // 5, items)


def target(rng, exporter, text, instance, index):
    """All series of one target; index 0 is the healthy one."""
    count = MINUTES * 60 // SCRAPE_SECONDS
    types = families(text)
    trouble = (60, 140)  # scrapes, of 15 s
    gone = (180, 220) if index == 2 else (count, count)
    restart = 150 if index else -1
    seen = set()
    samples = list(parse(text)) + [("up", {}, 1.0)]
    for name, labels, value in samples:
        labels = dict(labels, job=JOBS[exporter], instance=instance)
        key = name, tuple(sorted(labels.items()))
        if key in seen:
            continue
        seen.add(key)
        if is_counter(name, types):
            values = counter_values(rng, value, count, restart)
        else:
            values = gauge_values(rng, value, count)
        if index == 1:
            values = troubled(name, value, values, *trouble)
        if gone[0] < count and name != "up":
            values = values[:gone[0]] + ["stale"] + ["_"] * (gone[1] - gone[0] - 1) + values[gone[1]:]
        elif gone[0] < count:
            values = values[:gone[0]] + [0.0] * (gone[1] - gone[0]) + values[gone[1]:]
        yield name, line_of(name, labels, values)


def make(scrapes):
    """Returns [(metric name, line)] for all exporters of the folder."""
    lines = []
    for exporter in sorted(JOBS):
        text = (scrapes / (exporter + ".scrape.txt")).read_text()
        for index in range(3):
            rng = random.Random("%s/%d" % (exporter, index))
            lines += target(rng, exporter, text, "%s-%d:9100" % (exporter.split("_")[0], index), index)
    return lines

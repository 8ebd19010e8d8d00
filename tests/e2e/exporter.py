"""What the comparisons with Debian's exporters share: scrape, our one round, and what differs."""

import math
import re
import subprocess
import urllib.request

from harness import BIN, wait_until

SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')


def parse(text, prefix):
    """Returns {name: {label set: value}} of names with the prefix; `server`, empty labels and NaN left out."""
    families = {}
    for line in text.splitlines():
        found = SAMPLE.match(line)
        if not found or not found[1].startswith(prefix) or math.isnan(float(found[3])):
            continue
        labels = frozenset((name, value) for name, value in LABEL.findall(found[2] or "")
                           if name != "server" and value)
        families.setdefault(found[1], {})[labels] = float(found[3])
    return families


def scrape(port, prefix):
    return parse(urllib.request.urlopen("http://127.0.0.1:%d/metrics" % port, timeout=10).read().decode(), prefix)


def wait_for(port, prefix):
    def up():
        try:
            return scrape(port, prefix).get(prefix + "up", {}).get(frozenset()) == 1
        except OSError:
            return False

    wait_until(up, 30, "the exporter")


def one_round(world, tables, prefix):
    """What our agent prints with these tables and next to no host collectors."""
    config = world.write("agent.toml",
                         '[spool]\npath = "%s/spool"\n[host]\nenabled = ["time"]\n%s' % (world.folder, tables))
    done = subprocess.run([BIN / "tocsin-agent", "--config", config, "--once"], capture_output=True, text=True,
                          timeout=60, check=True)
    return parse(done.stdout, prefix)


def differences(names, before, ours, after, tolerance, relative=0.0):
    """Lines for label sets that are not the same, and for values outside what the exporter said before and after.
    `tolerance`: {prefix of a name: how far outside}; `relative`: how far besides, as a share of the value."""
    lines = []
    for name in names:
        if set(ours[name]) != set(before[name]):
            lines.append("%s: labels %s, theirs %s" % (name, sorted(map(sorted, ours[name])),
                                                       sorted(map(sorted, before[name]))))
            continue
        slack = max((value for prefix, value in tolerance.items() if name.startswith(prefix)), default=0)
        for labels, value in ours[name].items():
            ends = sorted((before[name][labels], after[name].get(labels, before[name][labels])))
            near = slack + (abs(ends[1]) * relative if relative else 1e-6)
            if not ends[0] - near <= value <= ends[1] + near:
                lines.append("%s%s: %s, theirs %s" % (name, sorted(labels), value, ends))
    return lines

#!/usr/bin/env python3
"""Random PromQL over random samples: alertd and Debian's prometheus must answer the same.

Usage: differential.py [--seed N,N...] [--rounds N] [--expressions N] [--keep-going]

Finds alertd through TOCSIN_BIN_DIR. Each seed is a world of its own: new servers, new samples, new expressions,
each as an instant and as a range query. The same seed asks the same again. Skips with a message where prometheus
is not installed.
"""

import argparse
import random
import shutil
import sys
import time

import compare
import differences
import expressions
import world
from servers import Pair

SEEDS = [1, 2, 3, 4]
EXPRESSIONS = 600


class Comparison:
    """Asks both servers and counts what they say."""

    def __init__(self, pair, table):
        self.pair = pair
        self.search = differences.Search(pair.ours, pair.theirs, table)
        self.answers = self.empty = self.errors = self.points = 0

    def count(self, theirs):
        self.answers += 1
        self.errors += theirs.error is not None
        self.empty += theirs.empty()
        self.points += len(compare.points_of(theirs))

    def instant(self, node, at):
        """Returns None, or what differs for no known reason."""
        ours = self.pair.ours.instant(differences.to_ours(node.text), at)
        theirs = self.pair.theirs.instant(node.text, at)
        self.count(theirs)
        if compare.same(ours, theirs, node.text) or self.search.explain_instant(node, at):
            return None
        return self.report(node, at, ours, theirs)

    def range(self, node, at):
        ours = self.pair.ours.range(differences.to_ours(node.text), *at)
        theirs = self.pair.theirs.range(node.text, *at)
        self.count(theirs)
        if compare.same(ours, theirs) or self.search.explain_range(node, at, ours, theirs):
            return None
        return self.report(node, at, ours, theirs)

    def report(self, node, at, ours, theirs):
        text = "at %r: %s\n%s" % (at, node.text, compare.describe(ours, theirs))
        small = self.search.culprit
        if small is not None:
            text += "  smallest, at %r: %s\n%s" % (small.at, small.expr,
                                                   compare.describe(small.ours, small.theirs))
        return text


def moments(rng):
    """An instant and a range; see world.py for why they end in half a second."""
    instant = world.BEGIN + rng.randint(300, world.MINUTES * 60 + 400) + 0.5
    begin = world.BEGIN + rng.randint(0, 2400) + 0.5
    return instant, (begin, begin + rng.randint(0, 1500), rng.choice([5, 15, 30, 60, 77]))


def run_seed(seed, options, table, used):
    """Prints what differs; returns (comparison, failures)."""
    rng = random.Random(seed)
    series = world.make_series(rng)
    generator = expressions.Generator(rng, used)
    failures = 0
    with Pair(world.slices(series)) as pair:
        comparison = Comparison(pair, table)
        for number in range(options.expressions):
            node = generator.expression()
            instant, whole_range = moments(rng)
            failure = comparison.instant(node, instant) or comparison.range(node, whole_range)
            if failure:
                failures += 1
                print("seed %d, expression %d, %s" % (seed, number, failure), flush=True)
                if not options.keep_going or failures == 20:
                    break
    print("seed %d: %d expressions, %d answers, %d empty, %d errors, %d points, %d differ" % (
        seed, number + 1, comparison.answers, comparison.empty, comparison.errors, comparison.points,
        failures), flush=True)
    return comparison, failures


def missing(used):
    """What the language of 2.42 has and no expression used: the test must not grow narrow unseen."""
    wanted = (expressions.RANGE_FUNCTIONS + expressions.MATH + expressions.DATES + expressions.AGGREGATIONS +
              expressions.ARITHMETIC + expressions.COMPARISONS + expressions.SETS +
              ["quantile_over_time", "predict_linear", "holt_winters", "absent_over_time", "round", "round/2",
               "clamp", "clamp_min", "clamp_max", "absent", "sort", "sort_desc", "timestamp", "vector", "scalar",
               "time", "pi", "unary", "histogram_quantile", "label_join", "label_replace", "topk", "bottomk",
               "quantile", "count_values", "by", "without", "on", "ignoring", "group_left", "group_right",
               "offset", "@", "start()", "end()", "subquery", "wrong", "matcher =~", "matcher !~"])
    return [what for what in wanted if what not in used]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", help="comma-separated; default: a fixed list")
    parser.add_argument("--rounds", type=int, default=1, help="so many seeds from the first on")
    parser.add_argument("--expressions", type=int, default=EXPRESSIONS, help="for each seed")
    parser.add_argument("--keep-going", action="store_true", help="report up to 20 differences a seed")
    return parser.parse_args()


def main():
    options = arguments()
    if not shutil.which("prometheus"):
        print("skipped: Debian's prometheus is not installed")
        return 0
    seeds = [int(seed) for seed in options.seed.split(",")] if options.seed else SEEDS
    if options.rounds > 1:
        seeds = range(seeds[0], seeds[0] + options.rounds)
    table, used, failures, done = differences.Table(), {}, 0, []
    begin = time.monotonic()
    for seed in seeds:
        comparison, failed = run_seed(seed, options, table, used)
        done.append(comparison)
        failures += failed
    print("%d seeds, %d answers in %.1f s: %d empty, %d errors on both sides, %d points compared" % (
        len(done), sum(c.answers for c in done), time.monotonic() - begin, sum(c.empty for c in done),
        sum(c.errors for c in done), sum(c.points for c in done)))
    for row in table.all():
        print("known difference %-14s met %4d times: %s" % (row.name, row.met, row.reason))
    if sum(c.answers for c in done) >= 4000 and missing(used):
        print("never used: " + " ".join(missing(used)))
        failures += 1
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

"""The known differences between Prometheus 2.42 and 3, each with its reason, and the search for a reason.

Two answers that differ are explained in one of three ways, else the test fails:
  a row of the table matches at this very expression; rows look at both answers, and ask prometheus again;
  every part of the expression that differs is explained (counted as "inherited");
  of a range query: each step that differs is explained as an instant query at that moment.
Rows are as narrow as they can be; how often each was met is printed at the end.
"""

import math
import re

from compare import different_moments, points_of, same, same_number, same_points, same_series

STEPS_MAX = 25  # of one range query, looked at one by one


class Question:
    """One instant query and what was answered. `ask(node)` gives both answers for a part of it."""

    def __init__(self, search, node, at):
        self.search = search
        self.node = node
        self.at = at
        self.expr = node.text
        self.ours, self.theirs = search.ask(node.text, at)

    def ask(self, part):
        return self.search.ask(part.text, self.at)

    def differs(self):
        return not same(self.ours, self.theirs, self.expr)

    def both_series(self):
        return isinstance(self.ours.value, dict) and isinstance(self.theirs.value, dict)

    def is_one_of(self, *operators):
        return self.node.operator in operators


class Difference:
    """One row of the table. `explains(question)` says whether it is the reason."""

    def __init__(self, name, reason, explains):
        self.name = name
        self.reason = reason
        self.explains = explains
        self.met = 0


def mapped(answer, change):
    """The answer's series with other labels; None if two of them then are the same."""
    value = {}
    for labels, points in answer.value.items():
        value.setdefault(change(labels), []).extend(points)
    return value if all(len(points) == 1 for points in value.values()) else None


def equal_after(question, change):
    if not question.both_series():
        return False
    ours, theirs = mapped(question.ours, change), mapped(question.theirs, change)
    return ours is not None and theirs is not None and same_series(ours, theirs)


def atan2_keeps_the_name(question):
    """The same without the names; or an error here, because without them two series are one."""
    if not question.is_one_of("atan2"):
        return False
    if question.ours.error and isinstance(question.theirs.value, dict):
        return "same labelset" in question.ours.error and mapped(question.theirs, without_name) is None
    return equal_after(question, without_name)


def without_name(labels):
    return tuple(pair for pair in labels if pair[0] != "__name__")


def different_numbers(question):
    """Pairs of numbers that differ, if the series are the same; else None."""
    ours, theirs = question.ours.value, question.theirs.value
    if question.ours.kind == question.theirs.kind == "scalar":
        return [(ours[1], theirs[1])]
    if not question.both_series() or set(ours) != set(theirs):
        return None
    if any(len(ours[key]) != len(theirs[key]) for key in ours):
        return None
    return [(a[1], b[1]) for key in ours for a, b in zip(ours[key], theirs[key])
            if not same_number(a[1], b[1])] or None


COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
DATES = ("minute", "hour", "day_of_month", "day_of_week", "day_of_year", "days_in_month", "month", "year")


def date_of_no_time(question):
    pairs = different_numbers(question)
    return question.is_one_of(*DATES) and pairs is not None and all(math.isnan(a) for a, _ in pairs)


def spread_of_one(question):
    pairs = different_numbers(question)
    return (question.is_one_of("stddev", "stdvar") and pairs is not None and
            all(math.isnan(a) and b == 0 for a, b in pairs))


def ties(question):
    """As many elements in each group and the same numbers; which of two equal ones is nobody's promise."""
    if not question.is_one_of("topk", "bottomk") or not question.both_series():
        return False
    ours, theirs = (sorted(points_of(answer)) for answer in (question.ours, question.theirs))
    return ours == theirs and len(set(ours)) >= 1


def overflow(question):
    pairs = different_numbers(question)
    return (question.is_one_of("stddev_over_time", "stdvar_over_time") and pairs is not None and
            all(math.isinf(a) and math.isnan(b) for a, b in pairs))


def to_the_last_digit(answer):
    return repr(sorted(answer.value.items()) if isinstance(answer.value, dict) else answer.value)


def amplified(question):
    """The parts agree but for their last digits, and the operator makes steps out of that."""
    if not question.is_one_of("%", "^", "floor", "ceil", "round", "sgn", "changes", "resets", "rate", "irate",
                              "increase", *COMPARISONS):
        return False
    answers = [question.ask(part) for part in question.node.parts]
    return (all(same(ours, theirs) for ours, theirs in answers) and
            any(to_the_last_digit(ours) != to_the_last_digit(theirs) for ours, theirs in answers))


def end_of_exp(question):
    pairs = different_numbers(question)
    return (question.is_one_of("exp", "sinh", "cosh") and pairs is not None and
            all(abs(a) > 1e307 and math.isinf(b) for a, b in pairs))


def timestamp_at(question):
    """Asked without the @, at the moment it names, prometheus says what we say."""
    match = re.search(r" @ (\S+)\)$", question.expr)
    if not question.is_one_of("timestamp") or not match or not question.both_series():
        return False
    moment = float(question.search.bounded(match[1]))
    there = question.search.ask_theirs(question.expr[:match.start()] + ")", moment)
    return isinstance(there.value, dict) and set(there.value) == set(question.ours.value) and all(
        same_number(question.ours.value[key][0][1], there.value[key][0][1]) for key in there.value)


def many_filtered_away(question):
    """2.42 refuses the same match once nothing is filtered: + instead of the comparison."""
    if not question.is_one_of(*COMPARISONS) or question.theirs.error or not question.ours.error:
        return False
    left = question.node.parts[0].text
    unfiltered = question.expr.replace("(%s) %s " % (left, question.node.operator), "(%s) + " % left, 1)
    error = question.search.ask_theirs(unfiltered, question.at).error
    return "multiple matches for labels" in question.ours.error and error is not None and (
        "multiple matches for labels" in error)


def digits_of_counted(question):
    def rounded(labels):
        return tuple((name, "%.12g" % float(text)) if name == "value" else (name, text)
                     for name, text in labels)

    return question.is_one_of("count_values") and equal_after(question, rounded)


def cancelled_digits(question):
    """The numbers differ by a few units in the last place of what went into them."""
    pairs = different_numbers(question)
    if pairs is None or not question.node.parts:
        return False
    operands = [abs(value) for part in question.node.parts for value in points_of(question.ask(part)[1])
                if math.isfinite(value)]
    largest = max(operands, default=0)
    if "stdvar" in question.expr:
        largest *= largest
    return all(math.isfinite(a) and math.isfinite(b) and abs(a - b) <= 1e-14 * largest for a, b in pairs)


def extrapolated(samples, begin, end, per_second, old):
    """increase() and rate() of the samples, where the two versions estimate the counter's start differently."""
    first, last = samples[0], samples[-1]
    result = last[1] - first[1]
    for before, after in zip(samples, samples[1:]):
        result += before[1] if after[1] < before[1] else 0
    sampled = last[0] - first[0]
    average = sampled / (len(samples) - 1)
    to_start, to_end, limit = first[0] - begin, end - last[0], average * 1.1
    if not old and to_start >= limit:
        to_start = average / 2
    if result > 0 and first[1] >= 0:
        to_start = min(to_start, sampled * (first[1] / result))
    if old and to_start >= limit:
        to_start = average / 2
    if to_end >= limit:
        to_end = average / 2
    result *= (sampled + to_start + to_end) / sampled
    return result / (end - begin) if per_second else result


def start_of_a_counter(question):
    """Both numbers follow from the window's samples: theirs by the rule of 2.42, ours by that of 3."""
    if not question.is_one_of("rate", "increase") or different_numbers(question) is None:
        return False
    window = question.node.parts[0]
    samples = question.ask(window)[1].value
    if not isinstance(samples, dict):
        return False
    seconds, offset, at = window.window
    end = (float(question.search.bounded(at)) if at else question.at) - offset
    for labels in question.ours.value:
        pair = question.ours.value[labels][0][1], question.theirs.value[labels][0][1]
        if same_number(*pair):
            continue
        source = [points for key, points in samples.items()
                  if tuple(p for p in key if p[0] != "__name__") == labels]
        if len(source) != 1:
            return False
        arguments = source[0], end - seconds, end, question.is_one_of("rate")
        if not same_number(pair[0], extrapolated(*arguments, old=False), 1e-6) or not same_number(
                pair[1], extrapolated(*arguments, old=True), 1e-6):
            return False
    return True


def rows():
    return [
        Difference("atan2-name", "2.42 keeps the metric name under atan2; 3 drops it, as under + and *",
                   atan2_keeps_the_name),
        Difference("no-time", "date functions of NaN, Inf and numbers beyond the calendar: NaN with us, there whatever "
                   "the processor makes of the conversion", date_of_no_time),
        Difference("spread-of-one", "stddev and stdvar of a group that is one NaN or Inf: 0 in 2.42, NaN in 3",
                   spread_of_one),
        Difference("tie", "which of two equal values topk and bottomk keep depends on the order in the store", ties),
        Difference("digits", "count_values writes every digit, and mathematical libraries differ in the last",
                   digits_of_counted),
        Difference("cancelled", "differences of nearly equal numbers: what remains are the rounding errors of the "
                   "operands (2.42 does not compensate sums)", cancelled_digits),
        Difference("amplified", "the operands differ in their last digits, and ==, %, ^, floor, a counter's reset make "
                   "a step of that", amplified),
        Difference("overflow", "stddev_over_time of values whose squares overflow: NaN in 2.42, Inf in 3", overflow),
        Difference("timestamp-at", "timestamp(x @ t) of a selector: 2.42 looks for the sample at another time; without "
                   "the @, asked at t, it agrees", timestamp_at),
        Difference("exp", "exp, sinh and cosh just below their end: in Go's library the result overflows too early",
                   end_of_exp),
        Difference("filtered-many", "a comparison whose many side has no partner of its own: an error in 3 even if all "
                   "but one of the many are filtered away", many_filtered_away),
        Difference("counter-start", "rate and increase with a gap at the window's start, of a counter near zero: 3 "
                   "looks at half an interval first and at the zero point then, 2.42 the other way round",
                   start_of_a_counter),
    ]


class Table:
    """All known differences of one run, with how often each was met."""

    def __init__(self):
        self.rows = rows()
        # Where 2.42 contradicts itself: its range query says something else than its instant queries at the steps.
        self.contradictions = [
            Difference("predict-at", "predict_linear(x[5m] @ t) of a range query: 2.42 moves the window along with "
                       "the steps, against its own instant queries", re.compile(r"predict_linear\(.* @ ").search),
            Difference("count-by", "count_values by (...) of a range query: 2.42 spoils its list of labels after the "
                       "first step, against its own instant queries",
                       re.compile(r"count_values.*by \(|by \(.*count_values").search),
        ]
        self.unsteady = Difference("unsteady", "2.42 adds in an order that changes: asked again it answers otherwise "
                                   "itself", None)
        self.inherited = Difference("inherited", "explained by a part of the expression", None)

    def all(self):
        return self.rows + self.contradictions + [self.unsteady, self.inherited]


class Search:
    """Looks for reasons; `culprit` is the smallest expression without one."""

    def __init__(self, ours, theirs, table):
        self.clients = ours, theirs
        self.table = table
        self.culprit = None  # a Question
        self.bounds = None  # what start() and end() are

    def ask(self, text, at):
        return self.clients[0].instant(to_ours(self.bounded(text)), at), self.ask_theirs(text, at)

    def ask_theirs(self, text, at):
        return self.clients[1].instant(self.bounded(text), at)

    def bounded(self, text):
        if not self.bounds:
            return text
        return text.replace("start()", repr(self.bounds[0])).replace("end()", repr(self.bounds[1]))

    def explain_instant(self, node, at):
        self.bounds = at, at
        question = Question(self, node, at)
        return self.explain(question) or self.unsteady(
            question.ours, question.theirs, lambda: self.clients[1].instant(node.text, at))

    def explain_range(self, node, at, ours, theirs):
        self.bounds = at[0], at[1]
        return self.explain_steps(node, at, ours, theirs) or self.unsteady(
            ours, theirs, lambda: self.clients[1].range(node.text, *at))

    def explain(self, question):
        for row in self.table.rows:
            if row.explains(question):
                row.met += 1
                return True
        parts = [part for part in self.parts_of(question) if part.differs()]
        if not parts:
            self.culprit = question
            return False
        if all(self.explain(part) for part in parts):
            self.table.inherited.met += 1
            return True
        return False

    def parts_of(self, question):
        """The parts at the same moment; of a subquery, its expression at those steps that differ."""
        for part in question.node.parts:
            if question.node.kind != "range":
                yield Question(self, part, question.at)
            elif question.both_series():
                for moment in different_moments(question.ours, question.theirs)[:STEPS_MAX]:
                    yield Question(self, part, moment)

    def explain_steps(self, node, at, ours, theirs):
        """Each step that differs, as an instant query; start() and end() stay those of the range."""
        if not isinstance(ours.value, dict) or not isinstance(theirs.value, dict):
            begin, end, step = at
            moments = [begin + i * step for i in range(int((end - begin) // step) + 1)]
            wrong = [question for question in (Question(self, node, moment) for moment in moments)
                     if question.differs()]
            return bool(wrong) and all(self.explain(question) for question in wrong)
        for moment in different_moments(ours, theirs)[:STEPS_MAX]:
            question = Question(self, node, moment)
            if not says_the_same(question.ours, at_step(ours, moment), moment):
                self.culprit = question  # our range query contradicts our instant query
                return False
            if question.differs():
                if not self.explain(question):
                    return False
            elif not self.contradicts(node):
                self.culprit = question
                return False
        return True

    def unsteady(self, ours, theirs, ask_again, times=15):
        """Every point that differs is one on which prometheus contradicts itself when asked again."""
        if not isinstance(ours.value, dict) or not isinstance(theirs.value, dict):
            return False
        answers = [theirs] + [ask_again() for _ in range(times)]
        if any(not isinstance(answer.value, dict) for answer in answers):
            return False
        mine, others = flat(ours), [flat(answer) for answer in answers]
        for key in set(mine).union(*others):
            values = {other.get(key) for other in others}
            steady = len({str(value) for value in values}) == 1
            if steady and not same_or_absent(mine.get(key), values.pop()):
                return False
        self.table.unsteady.met += 1
        return True

    def contradicts(self, node):
        for row in self.table.contradictions:
            if row.explains(node.text):
                row.met += 1
                return True
        return False


def at_step(answer, moment):
    value = {labels: [point for point in points if abs(point[0] - moment) < 1e-6]
             for labels, points in answer.value.items()}
    return {labels: points for labels, points in value.items() if points}


def says_the_same(instant, series, moment):
    """Whether an instant answer is what a range query said at that step; a scalar is a series without labels."""
    if instant.kind == "scalar":
        return same_series({(): [(moment, instant.value[1])]}, series)
    return isinstance(instant.value, dict) and same_series(instant.value, series)


def flat(answer):
    return {(labels, time): value for labels, points in answer.value.items() for time, value in points}


def same_or_absent(a, b):
    return a is None and b is None or a is not None and b is not None and same_number(a, b)


def to_ours(expr):
    """Prometheus 3 renamed one function."""
    return expr.replace("holt_winters(", "double_exponential_smoothing(")

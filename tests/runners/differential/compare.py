"""When two answers are the same, and what to print if they are not."""

import math

RELATIVE = 1e-9


def same_number(a, b, tolerance=RELATIVE):
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    if math.isinf(a) or math.isinf(b):
        return a == b
    return a == b or abs(a - b) <= tolerance * max(abs(a), abs(b))


def same_point(a, b):
    return abs(a[0] - b[0]) < 1e-6 and same_number(a[1], b[1])


def same_points(a, b):
    return len(a) == len(b) and all(same_point(x, y) for x, y in zip(a, b))


def same_series(a, b):
    return set(a) == set(b) and all(same_points(a[key], b[key]) for key in b)


def same(ours, theirs, expr=""):
    """Whether both answers say the same; errors are the same whatever their text.

    A vector is a set, but for a sort at the top of the expression: then its numbers come in that order.
    """
    if ours.error is not None or theirs.error is not None:
        return ours.error is not None and theirs.error is not None
    if ours.kind != theirs.kind or ours.doubled:
        return False
    if not isinstance(theirs.value, dict):
        return same_point(ours.value, theirs.value) if ours.kind == "scalar" else ours.value == theirs.value
    if not same_series(ours.value, theirs.value):
        return False
    if expr.startswith(("sort(", "sort_desc(")) and is_one_call(expr):
        return all(map(same_number, ours.order, theirs.order))
    return True


def is_one_call(expr):
    """Whether the parenthesis that the leading function opens closes at the very end."""
    depth = 0
    for i, character in enumerate(expr):
        depth += (character == "(") - (character == ")")
        if depth == 0 and character == ")":
            return i == len(expr) - 1
    return False


def points_of(answer):
    """All numbers of an answer, whatever its type."""
    if isinstance(answer.value, dict):
        return [point[1] for points in answer.value.values() for point in points]
    return [answer.value[1]] if answer.kind == "scalar" else []


def different_moments(ours, theirs):
    """The times at which two matrices differ, each with at least one series; sorted."""
    moments = set()
    for labels in set(ours.value) | set(theirs.value):
        a, b = dict(ours.value.get(labels, [])), dict(theirs.value.get(labels, []))
        moments.update(t for t in set(a) | set(b) if t not in a or t not in b or not same_number(a[t], b[t]))
    return sorted(moments)


def describe(ours, theirs, series_max=4, points_max=6):
    """What differs, as text: the first series and points only."""
    if ours.error is not None or theirs.error is not None or not isinstance(theirs.value, dict):
        return "  ours:   %s\n  theirs: %s\n" % (short(ours), short(theirs))
    lines = ["  ours %d series, theirs %d" % (len(ours.value), len(theirs.value))]
    for labels in sorted(set(ours.value) | set(theirs.value)):
        a, b = ours.value.get(labels, []), theirs.value.get(labels, [])
        if same_points(a, b):
            continue
        if len(lines) > 3 * series_max:
            return "\n".join(lines + ["  ..."]) + "\n"
        lines.append("  {%s}" % ", ".join('%s="%s"' % pair for pair in labels))
        for name, points, others in (("ours  ", a, b), ("theirs", b, a)):
            points = [p for p in points if not any(same_point(p, q) for q in others)]
            lines.append("    %s %s" % (name, " ".join("%r@%s" % (v, t) for t, v in points[:points_max])))
    if len(lines) == 1:
        lines.append("  the order: ours %r, theirs %r" % (ours.order[:20], theirs.order[:20]))
    return "\n".join(lines) + "\n"


def short(answer):
    if answer.error is not None:
        return "error: " + answer.error
    if isinstance(answer.value, dict):
        return "%s of %d" % (answer.kind, len(answer.value))
    return "%s %r" % (answer.kind, answer.value)

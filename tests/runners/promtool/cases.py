"""Small unit-test files, each about one corner of what promtool does: NAME -> (exit status, text).

RULES lies beside each of them as rules.yml.
"""

RULES = """
groups:
- name: second
  interval: 7h
  rules:
  - record: twice
    expr: 2 * once
  - alert: Twice
    expr: twice > 10
    for: 2m
    labels: {severity: page, kind: "{{ $labels.a }}"}
    annotations:
      summary: "{{ $labels.a }} is {{ $value }}"
      text: |
        From {{ $externalLabels.site }} at {{ externalURL }}:
        {{ query "once" | first | value }}
- name: first
  rules:
  - record: once
    expr: input + 0
  - alert: Keep
    expr: input > 5
    keep_firing_for: 3m
  - alert: Silent
    expr: absent(input)
"""

BROKEN_RULES = """
groups:
- name: g
  rules:
  - record: a
    expr: 'sum by ('
"""

FAILING_RULES = """
groups:
- name: g
  rules:
  - record: bad
    expr: one * on (a) two
"""


def test(body, head=""):
    return head + "rule_files: [rules.yml]\ntests:\n- " + body.strip().replace("\n", "\n  ") + "\n"


def exprs(*cases, head="", series="input{a=\"b\"}", values="1+1x10"):
    """A test with expression cases (expr, eval_time, exp_samples as YAML)."""
    body = "interval: 1m\ninput_series:\n- {series: '%s', values: '%s'}\npromql_expr_test:\n" % (
        series, values)
    for expr, at, samples in cases:
        body += "- expr: '%s'\n  eval_time: %s\n  exp_samples: %s\n" % (expr, at, samples)
    return test(body, head)


def alerts(cases, values="6+1x20", head="", extra=""):
    body = "interval: 1m\n%sinput_series:\n- {series: 'input{a=\"b\"}', values: '%s'}\n" % (extra, values)
    return test(body + "alert_rule_test:\n" + cases, head)


ORDER = "group_eval_order: [first, second]\n"
TWICE = """
- eval_time: %s
  alertname: Twice
  exp_alerts:
  - exp_labels: {severity: page, kind: b, a: b}
    exp_annotations:
      summary: "b is %s"
      text: |
        From north at http://x/y:
        %s
"""
OUTSIDE = "external_labels: {site: north}\nexternal_url: http://x/y\n"

CASES = {
    # Values and labels of expected samples.
    "labels as a selector": (0, exprs(('input', '1m', """[{labels: 'input{a="b"}', value: 2}]"""))),
    "labels without a name": (0, exprs(('input + 1', '1m', """[{labels: '{a="b"}', value: 3}]"""))),
    "empty braces": (0, exprs(('sum(input)', '1m', "[{labels: '{}', value: 2}]"))),
    "labels left out": (0, exprs(('sum(input)', '1m', "[{value: 2}]"))),
    "labels empty": (0, exprs(('sum(input)', '1m', "[{labels: '', value: 2}]"))),
    "labels do not parse": (1, exprs(('input', '1m', "[{labels: 'input{a=', value: 2}]"))),
    "labels with a matcher": (1, exprs(('input', '1m', "[{labels: 'input{a=~\"b\"}', value: 2}]"))),
    "labels with an empty value": (0, exprs(
        ('input', '1m', """[{labels: 'input{a="b",c=""}', value: 2}]"""))),
    "a scalar": (0, exprs(('1 + 1', '1m', "[{labels: '{}', value: 2}]"))),
    "a string": (1, exprs(('"x"', '1m', "[]"))),
    "a range vector": (1, exprs(('input[5m]', '1m', "[]"))),
    "no samples": (0, exprs(('input > 99', '1m', "[]"))),
    "no samples, null": (0, exprs(('input > 99', '1m', ""))),
    "samples missing": (1, exprs(('input', '1m', "[]"))),
    "too many samples": (1, exprs(('sum(input)', '1m', "[{value: 2}, {value: 2}]"))),
    "another value": (1, exprs(('sum(input)', '1m', "[{value: 3}]"))),
    "value left out is 0": (0, exprs(('sum(input) * 0', '1m', "[{labels: '{}'}]"))),
    "value 1e1": (0, exprs(('vector(10)', '1m', "[{labels: '{}', value: 1e1}]"))),
    "value .inf": (0, exprs(('vector(Inf)', '1m', "[{labels: '{}', value: .inf}]"))),
    "value Inf": (0, exprs(('vector(Inf)', '1m', "[{labels: '{}', value: Inf}]"))),
    "value +Inf": (0, exprs(('vector(Inf)', '1m', "[{labels: '{}', value: +Inf}]"))),
    "value -.Inf": (0, exprs(('vector(-Inf)', '1m', "[{labels: '{}', value: -.Inf}]"))),
    "value .nan equals nothing": (1, exprs(('vector(NaN)', '1m', "[{labels: '{}', value: .nan}]"))),
    "value 0x10": (0, exprs(('vector(16)', '1m', "[{labels: '{}', value: 0x10}]"))),
    "value quoted": (0, exprs(('vector(5)', '1m', "[{labels: '{}', value: \"5\"}]"))),
    "value 1_000": (0, exprs(('vector(1000)', '1m', "[{labels: '{}', value: 1_000}]"))),
    "value a duration": (1, exprs(('vector(60)', '1m', "[{labels: '{}', value: 1m}]"))),
    "value a word": (1, exprs(('vector(1)', '1m', "[{labels: '{}', value: one}]"))),
    "value true": (1, exprs(('vector(1)', '1m', "[{labels: '{}', value: true}]"))),
    "minus zero": (0, exprs(('vector(0) * -1', '1m', "[{labels: '{}', value: 0}]"))),
    "the order does not count": (0, exprs(
        ('sort_desc(label_replace(input, "a", "c", "", "") or input)', '1m',
         """[{labels: 'input{a="c"}', value: 2}, {labels: 'input{a="b"}', value: 2}]"""))),
    # Input.
    "stale": (0, exprs(('input', '3m', "[]"), values="1 2 stale")),
    "a gap": (0, exprs(('count_over_time(input[10m])', '5m', """[{labels: '{a="b"}', value: 3}]"""),
                       values="1 _x3 2 3")),
    "NaN and Inf": (0, exprs(('count_over_time(input[10m])', '5m', """[{labels: '{a="b"}', value: 3}]"""),
                             values="NaN Inf -Inf")),
    "no values": (0, exprs(('input', '1m', "[]"), values="")),
    "values that do not parse": (1, exprs(('input', '1m', "[]"), values="1 x")),
    "a series without a name": (0, exprs(('{a="b"}', '1m', """[{labels: '{a="b"}', value: 2}]"""),
                                         series='{a="b"}', head="")),
    "twice the same series": (0, test("""interval: 1m
input_series:
- {series: input, values: 1 2 3}
- {series: input, values: 4 5}
promql_expr_test:
- {expr: input, eval_time: 2m, exp_samples: [{labels: input, value: 5}]}
""")),
    "no input": (0, test("""promql_expr_test:
- {expr: input, eval_time: 1m}
""")),
    # Times.
    "eval_time 0": (0, exprs(('input', '0', """[{labels: 'input{a="b"}', value: 1}]"""))),
    "eval_time left out": (0, test("""input_series:
- {series: input, values: 1 2 3}
promql_expr_test:
- {expr: input, exp_samples: [{labels: input, value: 1}]}
""")),
    "eval_time a number": (1, exprs(('input', '60', "[]"))),
    "eval_time negative": (1, exprs(('input', '-1m', "[]"))),
    "eval_time 1h30m": (0, exprs(('time()', '1h30m', "[{labels: '{}', value: 5400}]"))),
    "between two evaluations": (0, exprs(
        ('time()', '90s', "[{labels: '{}', value: 90}]"),
        ('input', '90s', """[{labels: 'input{a="b"}', value: 2}]"""))),
    # Only what has come by the last evaluation can be seen, here that at 0.
    "evaluation rarer than input": (0, exprs(
        ('input', '4m', """[{labels: 'input{a="b"}', value: 1}]"""), head="evaluation_interval: 5m\n")),
    "steps of subqueries": (0, exprs(
        ('count_over_time(input[10m:])', '10m', """[{labels: '{a="b"}', value: 5}]"""),
        head="evaluation_interval: 2m\n")),
    "evaluation_interval 0": (0, exprs(('vector(1)', '1m', "[{labels: '{}', value: 1}]"),
                                       head="evaluation_interval: 0s\n")),
    # Order of groups; the groups' own intervals do not count.
    "named order": (0, exprs(('twice', '3m', """[{labels: 'twice{a="b"}', value: 8}]"""), head=ORDER)),
    "other order": (0, exprs(('twice', '3m', """[{labels: 'twice{a="b"}', value: 6}]"""),
                             head="group_eval_order: [second, first]\n")),
    "order names a group twice": (1, exprs(('vector(1)', '0', "[{labels: '{}', value: 1}]"),
                                           head="group_eval_order: [first, first]\n")),
    "order names no group": (0, exprs(('vector(1)', '0', "[{labels: '{}', value: 1}]"),
                                      head="group_eval_order: [nobody]\n")),
    # Alerts.
    "an alert": (0, alerts(TWICE % ("2m", "16", "8"), head=ORDER, extra=OUTSIDE)),
    "still pending": (1, alerts(TWICE % ("1m", "14", "7"), head=ORDER, extra=OUTSIDE)),
    "pending is none": (0, alerts("- {eval_time: 1m, alertname: Twice}", head=ORDER, extra=OUTSIDE)),
    "between, the evaluation before": (0, alerts(TWICE % ("2m59s", "16", "8"), head=ORDER, extra=OUTSIDE)),
    "another annotation": (1, alerts(TWICE % ("2m", "17", "8"), head=ORDER, extra=OUTSIDE)),
    "annotations left out": (1, alerts("""
- eval_time: 2m
  alertname: Twice
  exp_alerts: [{exp_labels: {severity: page, kind: b, a: b}}]
""", head=ORDER, extra=OUTSIDE)),
    "alertname among the labels": (0, alerts("""
- {eval_time: 0, alertname: Keep, exp_alerts: [{exp_labels: {alertname: Keep, a: b}}]}
""")),
    "another alertname among the labels": (0, alerts("""
- {eval_time: 0, alertname: Keep, exp_alerts: [{exp_labels: {alertname: Other, a: b}}]}
""")),
    "labels with no value": (0, alerts("""
- {eval_time: 0, alertname: Keep, exp_alerts: [{exp_labels: {a: b, c: ""}}]}
""")),
    "labels with a number": (1, alerts("""
- {eval_time: 0, alertname: Keep, exp_alerts: [{exp_labels: {a: b, c: 1}}]}
""")),
    "kept firing": (0, alerts("""
- {eval_time: 4m, alertname: Keep, exp_alerts: [{exp_labels: {a: b}}]}
- {eval_time: 5m, alertname: Keep}
""", values="6 6 1x20")),
    "too many alerts": (1, alerts("""
- {eval_time: 0, alertname: Keep, exp_alerts: [{exp_labels: {a: b}}, {exp_labels: {a: b}}]}
""")),
    "an alert of no rule": (0, alerts("- {eval_time: 0, alertname: Nobody}")),
    "an alert of no rule, expected": (1, alerts("- {eval_time: 0, alertname: Nobody, exp_alerts: [{}]}")),
    "no alertname": (1, alerts("- {eval_time: 0}")),
    "one case of two fails": (1, alerts("""
- {eval_time: 0, alertname: Keep, exp_alerts: [{exp_labels: {a: b}}]}
- {eval_time: 0, alertname: Keep}
""")),
    "series of alerts": (0, exprs(
        ('ALERTS', '3m', """
  - {labels: 'ALERTS{alertname="Keep",alertstate="firing",a="b"}', value: 1}
  - {labels: 'ALERTS{alertname="Twice",alertstate="pending",a="b",kind="b",severity="page"}', value: 1}"""),
        ('ALERTS_FOR_STATE{alertname="Twice"}', '3m', """
  - {labels: 'ALERTS_FOR_STATE{alertname="Twice",a="b",kind="b",severity="page"}', value: 120}"""),
        head=ORDER, values="4+1x10")),
    "absent": (0, test("""alert_rule_test:
- {eval_time: 0, alertname: Silent, exp_alerts: [{}]}
""")),
    # Files.
    "no tests": (0, "rule_files: [rules.yml]\ntests: []\n"),
    "nothing": (0, "\n"),
    "no rule files": (0, "tests:\n- promql_expr_test:\n  - {expr: 'vector(1)', exp_samples: "
                         "[{labels: '{}', value: 1}]}\n"),
    "a pattern": (0, "rule_files: ['rul*.y?l']\n" + exprs(
        ('once', '1m', """[{labels: 'once{a="b"}', value: 2}]""")).split("\n", 1)[1]),
    "a pattern that matches nothing": (0, "rule_files: [none*.yml]\ntests: []\n"),
    "a file that is not there": (0, "rule_files: [none.yml]\ntests: []\n"),
    "rules that do not parse": (1, "rule_files: [broken.yml]\ntests:\n- name: a\n"),
    "rules that do not parse, no test": (0, "rule_files: [broken.yml]\ntests: []\n"),
    "a rule that fails": (1, """
rule_files: [failing.yml]
tests:
- input_series:
  - {series: 'one{a="b",x="1"}', values: 1x5}
  - {series: 'two{a="b",x="1"}', values: 1x5}
  - {series: 'two{a="b",x="2"}', values: 1x5}
"""),
    "an expression that does not parse": (1, exprs(('sum(', '0', "[]"))),
    "an unknown key": (1, "rule_files: [rules.yml]\ntests: []\nmore: 1\n"),
    "an unknown key of a test": (1, test("nmae: x")),
    "a key twice": (1, "tests: []\ntests: []\n"),
    "not YAML": (1, "tests: [\n"),
    "a list": (1, "- tests\n"),
    "tests is a word": (1, "tests: many\n"),
    "rule_files is a word": (1, "rule_files: rules.yml\ntests: []\n"),
    "anchors": (0, """
rule_files: [rules.yml]
tests:
- input_series: &input
  - {series: 'input{a="b"}', values: 6x10}
  alert_rule_test:
  - &case {eval_time: 1m, alertname: Keep, exp_alerts: [{exp_labels: {a: b}}]}
- input_series: *input
  alert_rule_test: [*case]
"""),
    "merged keys": (0, """
rule_files: [rules.yml]
tests:
- &base
  interval: 2m
  input_series:
  - {series: 'input{a="b"}', values: 1+1x10}
- <<: *base
  promql_expr_test:
  - {expr: input, eval_time: 4m, exp_samples: [{labels: 'input{a="b"}', value: 3}]}
"""),
    "external_url is relative": (0, test("""external_url: /x
promql_expr_test:
- {expr: vector(1), exp_samples: [{labels: '{}', value: 1}]}
""")),
    "labels without quotes": (0, test("""external_labels: {site: 1, b: true}
promql_expr_test:
- {expr: vector(1), exp_samples: [{labels: '{}', value: 1}]}
""")),
    "Windows line ends": (0, exprs(
        ('input', '1m', """[{labels: 'input{a="b"}', value: 2}]""")).replace("\n", "\r\n")),
}

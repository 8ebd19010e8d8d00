# The condition holds, but not for long enough.
== rules
[[group]]
name = "test"
interval = "15s"
[[group.alert]]
name = "Hot"
expr = 'vector(95) > 90'
severity = "medium"
for = "30m"
no_data = "ok"
== story
10m  explain alertname="Hot"
     Nobody was called yet because the alert is pending: the condition of rule 'Hot' (/rules/story.toml:5) holds since 2026-11-23T12:0*, and `for` is 30m: 2*m* more
2h   explain alertname="Hot"
     Called: ops by webhook at 2026-11-23T12:3*
# That time is past; the series of the alert still tell of it.
2h   explain alertname="Hot" at 10m
     Nobody was called yet because the alert is pending: the condition of rule 'Hot' (/rules/story.toml:5) holds since 2026-11-23T12:0*, and `for` is 30m: 2*m* more

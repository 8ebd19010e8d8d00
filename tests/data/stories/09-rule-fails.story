# Two series on both sides: the rule cannot be evaluated at all.
== rules
[[group]]
name = "test"
interval = "15s"
[[group.alert]]
name = "Mixed"
expr = 'tocsin_alertd_alerts + on () tocsin_alertd_alerts > 100'
severity = "high"
no_data = "ok"
== story
10m  explain alertname="Mixed"
     Nobody was called because rule 'Mixed' (/rules/story.toml:5) cannot be evaluated: *many*

# Somebody is sure that it was hot. It was not.
== rules
[[group]]
name = "test"
interval = "15s"
[[group.alert]]
name = "Hot"
expr = 'vector(20) > 90'
severity = "medium"
no_data = "ok"
== story
10m  explain alertname="Hot"
     Nobody was called because no such alert fires: the condition of rule 'Hot' (/rules/story.toml:5) does not hold for {alertname="Hot"}, last evaluated at 2026-11-23T12:*

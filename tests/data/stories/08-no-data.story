# The exporter was never installed: the rule looks at nothing.
== rules
[[group]]
name = "test"
interval = "15s"
[[group.alert]]
name = "QueueFull"
expr = 'rabbitmq_queue_messages > 1000'
severity = "high"
no_data = "ok"
== story
10m  explain alertname="QueueFull"
     Nobody was called because rule 'QueueFull' (/rules/story.toml:5) finds no data: there is no series rabbitmq_queue_messages

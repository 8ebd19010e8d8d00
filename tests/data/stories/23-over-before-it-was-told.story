# It came and went while the group waited.
== config
[[receiver]]
name = "ops"
[[receiver.webhook]]
url = "http://hooks.test/ops"
[route]
receiver = "ops"
group_wait = "5m"
== story
0s   fire alertname="LinkDown",host="sw1",severity="medium"
2m   over alertname="LinkDown",host="sw1",severity="medium"
1h   explain alertname="LinkDown",host="sw1"
     Nobody was called because it was over before anything was sent, at its group's turn at 2026-11-23T12:05:00Z

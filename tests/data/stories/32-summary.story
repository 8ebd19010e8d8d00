# A channel's rate: many are told by one message.
== config
[[receiver]]
name = "ops"
[[receiver.slack]]
url = "http://hooks.test/ops"
rate_per_minute = 1
rate_burst = 1
[route]
receiver = "ops"
group_by = ["..."]
group_wait = "0s"
== story
0s   storm 15 alertname="Down",severity="medium"
10m  explain alertname="Down",n="14"
     Called: ops by slack, told by a summary: *

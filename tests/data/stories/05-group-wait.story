# The group is new and waits for company.
== config
[[receiver]]
name = "ops"
[[receiver.webhook]]
url = "http://hooks.test/ops"
[route]
receiver = "ops"
group_wait = "10m"
== story
0s   fire alertname="DiskFull",host="db1",severity="medium"
1m   explain alertname="DiskFull",host="db1"
     Nobody was called yet because its new group waits for company: group_wait until 2026-11-23T12:10:00Z

# The policy gives it ten minutes to go away by itself.
== config
[[receiver]]
name = "ops"
[[receiver.webhook]]
url = "http://hooks.test/ops"
[route]
receiver = "ops"
group_wait = "0s"
[policies]
medium = "slow"
[[policy]]
name = "slow"
[[policy.step]]
after = "10m"
notify = ["receiver:ops"]
== story
0s   fire alertname="QueueLong",host="mq1",severity="medium"
5m   explain alertname="QueueLong"
     Nobody was called yet because the first step of policy 'slow' is due at 2026-11-23T12:10:00Z

# The host is down, which explains the rest.
== config
[[receiver]]
name = "ops"
[[receiver.webhook]]
url = "http://hooks.test/ops"
[route]
receiver = "ops"
group_by = ["alertname", "host"]
group_wait = "0s"
[[inhibit]]
name = "a host that is down"
source = ['alertname="HostDown"']
target = ['severity=~"medium|low"']
equal = ["host"]
== story
0s   fire alertname="HostDown",host="db1",severity="critical"
1m   fire alertname="SlowQueries",host="db1",severity="medium"
10m  explain alertname="SlowQueries"
     Nobody was called because it is inhibited by {alertname="HostDown", host="db1", severity="critical"}

# The route speaks in office hours only; 12:00 is not one of them.
== config
[[receiver]]
name = "ops"
[[receiver.webhook]]
url = "http://hooks.test/ops"
[route]
receiver = "ops"
group_wait = "10s"
[[route.routes]]
name = "reports"
matchers = ['team="reports"']
active_time_intervals = ["office hours"]
[[time_interval]]
name = "office hours"
times = ["08:00-11:00"]
== story
0s   fire alertname="ReportLate",team="reports",severity="medium"
1h   explain alertname="ReportLate"
     Nobody was called because its route is quiet now: outside time interval 'office hours'
# Another one joins the group that waits for the morning.
2h   fire alertname="ReportLate",team="reports",severity="medium",n="2"
3h   explain alertname="ReportLate",n="2" at 2h
     Nobody was called because its route is quiet now: outside time interval 'office hours'
21h  explain alertname="ReportLate",n="2"
     Called: ops by webhook at 2026-11-24T08:00:00Z, delivered (*)*

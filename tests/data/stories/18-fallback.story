# Nobody was on call: the fallback was told instead.
== config
[[receiver]]
name = "ada"
[[receiver.webhook]]
url = "http://hooks.test/ada"
[[receiver]]
name = "office"
[[receiver.webhook]]
url = "http://hooks.test/office"
[route]
receiver = "office"
group_wait = "0s"
[[person]]
name = "ada"
receiver = "ada"
[[schedule]]
name = "primary"
[[schedule.layer]]
name = "nights"
persons = ["ada"]
start = "2026-01-05T09:00"
hours = ["18:00-08:00"]
[policies]
high = "page"
[[policy]]
name = "page"
fallback = ["receiver:office"]
[[policy.step]]
notify = ["schedule:primary"]
== story
0s   fire alertname="DiskFull",host="db1",severity="high"
1m   explain alertname="DiskFull",host="db1"
     Called: office by webhook at 2026-11-23T12:00:00Z, delivered (*); in place of those on call: nobody was (policy 'page', step 1 of 1: schedule:primary: nobody)*

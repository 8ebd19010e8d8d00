# The schedule has a hole, and the fallback is nobody either.
== config
[[receiver]]
name = "ada"
[[receiver.webhook]]
url = "http://hooks.test/ada"
[[receiver]]
name = "nowhere"
[route]
receiver = "nowhere"
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
[[policy.step]]
notify = ["schedule:primary"]
== story
0s   fire alertname="DiskFull",host="db1",severity="high"
10m  explain alertname="DiskFull",host="db1"
     Nobody was called because nobody is on call: policy 'page', step 1 of 1: schedule:primary: nobody

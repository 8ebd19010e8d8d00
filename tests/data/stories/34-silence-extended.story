# The silence was made longer; at half past one the answer is the longer one.
== story
0s   fire alertname="DiskFull",host="db1",severity="high"
10m  silence alertname="DiskFull" for 1h by ann comment disks are replaced
40m  silence alertname="DiskFull" for 4h by ben comment still replacing
2h   explain alertname="DiskFull",host="db1"
     Called: ops by webhook at 2026-11-23T12:00:30Z, delivered (*); nothing more because it is silenced: silence * of ben (still replacing) until 2026-11-23T16:40:00Z
2h   explain alertname="DiskFull",host="db1" at 90m
     Called: ops by webhook at 2026-11-23T12:00:30Z, delivered (*); nothing more because it is silenced: silence * of ben (still replacing) until 2026-11-23T16:40:00Z
2h   explain alertname="DiskFull",host="db1" at 20m
     Called: ops by webhook at 2026-11-23T12:00:30Z, delivered (*); nothing more because it is silenced: silence * of ann (disks are replaced) until 2026-11-23T13:10:00Z

# A colleague silenced the alert before it fired.
== story
0s   silence alertname="DiskFull" for 2h by ann comment disks are replaced
10m  fire alertname="DiskFull",host="db1",severity="high"
20m  explain alertname="DiskFull",host="db1"
     Nobody was called because it is silenced: silence * of ann (disks are replaced) until 2026-11-23T14:00:00Z
# The silence is over: it is told at once, and the past stays what it was.
130m explain alertname="DiskFull",host="db1"
     Called: ops by webhook at 2026-11-23T14:00:00Z, delivered (*)*
130m explain alertname="DiskFull",host="db1" at 20m
     Nobody was called because it is silenced: silence * of ann (disks are replaced) until 2026-11-23T14:00:00Z

# It was gone before the silence ended.
== story
0s   silence alertname="DiskFull" for 2h by ann comment disks are replaced
1m   fire alertname="DiskFull",host="db1",severity="high"
30m  over alertname="DiskFull",host="db1",severity="high"
5h   explain alertname="DiskFull",host="db1"
     Nobody was called because it is silenced: silence * of ann (disks are replaced) until 2026-11-23T14:00:00Z; it was over at 2026-11-23T12:30:00Z

# Of one group one alert is silenced, one is told, one is somewhere else.
== story
0s   silence alertname="DiskFull",host="db2" for 2h by ann comment disks are replaced
1m   fire alertname="DiskFull",host="db1",severity="high"
1m   fire alertname="DiskFull",host="db2",severity="high"
30m  explain alertname="DiskFull",host="db1"
     Called: ops by webhook at 2026-11-23T12:01:30Z, delivered (*)*
30m  explain alertname="DiskFull",host="db2"
     Nobody was called because it is silenced: silence * of ann (disks are replaced) until 2026-11-23T14:00:00Z
30m  explain alertname="DiskFull",host="db2" at 10m
     Nobody was called because it is silenced: silence * of ann (disks are replaced) until 2026-11-23T14:00:00Z
30m  explain alertname="DiskFull",host="db3"
     Nobody was called because no such alert was ever seen, and there is no rule 'DiskFull'
30m  explain alertname="DiskFull",host="db1" at 30s
     Nobody was called because no such alert was ever seen, and there is no rule 'DiskFull'

# With Alertmanager's file the answers are the same.
== alertmanager
route:
  receiver: ops
  group_by: [alertname]
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 4h
  routes:
  - receiver: nobody
    matchers: ['team="lab"']
receivers:
- name: nobody
- name: ops
  webhook_configs:
  - url: http://hooks.test/ops
== story
0s   silence alertname="DiskFull" for 2h by ann comment disks are replaced
1m   fire alertname="DiskFull",host="db1"
1m   fire alertname="CpuHot",host="db1"
1m   fire alertname="Smoke",team="lab"
30m  explain alertname="DiskFull",host="db1"
     Nobody was called because it is silenced: silence * of ann (disks are replaced) until 2026-11-23T14:00:00Z
30m  explain alertname="CpuHot",host="db1"
     Called: ops by webhook at 2026-11-23T12:01:30Z, delivered (*)*
30m  explain alertname="Smoke",team="lab"
     Nobody was called because the receiver has no channel*
3h   explain alertname="DiskFull",host="db1"
     Called: ops by webhook at 2026-11-23T14:0*Z, delivered (*)*

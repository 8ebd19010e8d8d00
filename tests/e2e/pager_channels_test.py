#!/usr/bin/env python3
"""Pagers, SMS, a webhook with its own payload and a command: an incident from its first page to its end.

It fires High, becomes Critical, every service answers 429 once, somebody acknowledges, it ends. What is
asserted is what a person would see at each service; the emulators (emulators/) refuse wrong requests.
"""

import json
import unittest

from emulators.ntfy import Ntfy
from emulators.opsgenie import Opsgenie
from emulators.pagerduty import PagerDuty
from emulators.pushover import Pushover
from emulators.twilio import Twilio
from harness import HookReceiver, Probes, World, wait_until

RULES = """
[[group]]
name = "disk"
interval = "1s"

[[group.alert]]
name = "DiskFull"
value = 'disk_used'
high = { above = 50, for = "0s" }
critical = { above = 90, for = "0s" }
clear = { below = 40 }
summary = "/ on {{ $labels.host }} is {{ $value }} % full – Größe prüfen"
"""

RECEIVERS = """
[notify]
allow_commands = true

[[receiver]]
name = "ops"

[[receiver.pagerduty]]
url = "%(pagerduty)s/v2/enqueue"
routing_key_file = "routing.key"

[[receiver.opsgenie]]
url = "%(opsgenie)s"
api_key_file = "opsgenie.key"
responders = ["team:dba", "user:ada@example.org"]
tags = ["disk"]

[[receiver.ntfy]]
url = "%(ntfy)s"
topic = "ops"
bearer_token_file = "ntfy.token"

[[receiver.pushover]]
url = "%(pushover)s"
token_file = "pushover.token"
user_file = "pushover.user"

[[receiver.twilio]]
url = "%(twilio)s"
account_sid = "AC0123"
auth_token_file = "twilio.token"
from = "+4915100000000"
to = "+4917000000000"
segments_max = 2

[[receiver.webhook]]
url = "%(hook)s/{{ .CommonLabels.host | urlquery }}"
payload = '{"what": {{ .CommonLabels.alertname | toJson }}, "hosts": [{{ range $i, $a := .Alerts }}{{ if $i }}, {{ end }}{{ toJson $a.Labels.host }}{{ end }}], "status": {{ toJson .Status }}}'

[[receiver.command]]
command = ["%(script)s", "fixed argument"]

[route]
receiver = "ops"
group_by = ["alertname"]
group_wait = "0s"
group_interval = "1s"
"""

SCRIPT = """#!/bin/sh
# Keeps what it was given: arguments, environment, standard input.
folder=%s
{ printf '%%s\\n' "$#" "$1"; env | sort; } > "$folder/$TOCSIN_KEY.how"
cat > "$folder/$TOCSIN_KEY.part"
mv "$folder/$TOCSIN_KEY.part" "$folder/$TOCSIN_KEY.json"
"""


class PagerChannelsTest(unittest.TestCase):
    def setUp(self):
        self.world = self.enterContext(World())
        world = self.world
        self.pagerduty = PagerDuty("R" + "0" * 31)
        self.opsgenie = Opsgenie("geniekey")
        self.ntfy = Ntfy("ops", "tk_ntfy")
        self.pushover = Pushover("apptoken", "userkey")
        self.twilio = Twilio("AC0123", "twiliotoken")
        self.hook = HookReceiver()
        self.emulators = [self.pagerduty, self.opsgenie, self.ntfy, self.pushover, self.twilio]
        for one in self.emulators + [self.hook]:
            world.cleanups.append(one.stop)
        self.calls = world.folder / "calls"
        self.calls.mkdir()
        script = world.write("page", SCRIPT % self.calls)
        script.chmod(0o755)
        for name, secret in (("routing.key", self.pagerduty.routing_key), ("opsgenie.key", "geniekey"),
                             ("ntfy.token", "tk_ntfy"), ("pushover.token", "apptoken"),
                             ("pushover.user", "userkey"), ("twilio.token", "twiliotoken")):
            world.write(name, secret + "\n").chmod(0o600)
        world.alertd_config(RULES, 'restart_window = "1s"\n' + RECEIVERS % {
            "pagerduty": self.pagerduty.url, "opsgenie": self.opsgenie.url, "ntfy": self.ntfy.url,
            "pushover": self.pushover.url, "twilio": self.twilio.url, "hook": self.hook.url,
            "script": script})
        world.start_alertd()
        self.disk = Probes(world, metric="disk_used", label="host")

    def command_calls(self):
        return [json.loads(path.read_text()) for path in sorted(self.calls.glob("*.json"),
                                                               key=lambda path: path.stat().st_mtime_ns)]

    def everywhere(self, condition, what):
        try:
            wait_until(condition, 15, what)
        except AssertionError as failure:
            state = [self.pagerduty.incidents, self.opsgenie.alerts, self.ntfy.messages,
                     self.pushover.messages, self.pushover.ringing, self.twilio.sms,
                     [one.refused for one in self.emulators]]
            raise AssertionError("%s: %s" % (failure, json.dumps(state, indent=1)[:6000])) from None

    def incident(self):
        return next(iter(self.pagerduty.incidents.values()), {"state": "", "severity": ""})

    def alert(self):
        return next(iter(self.opsgenie.alerts.values()),
                    {"status": "", "priority": "", "acknowledged": False})

    def test_an_incident_at_every_service(self):
        # --- it fires
        self.disk.values["db 1"] = 60.0
        self.everywhere(lambda: self.incident()["state"] == "triggered" and self.alert()["status"] == "open"
                        and self.ntfy.messages and self.pushover.messages and self.twilio.sms
                        and self.hook.requests and self.command_calls(), "the first page everywhere")
        self.assertEqual(self.incident()["severity"], "error")
        self.assertEqual(self.alert()["priority"], "P2")
        self.assertEqual(self.alert()["responders"], [{"type": "team", "name": "dba"},
                                                      {"type": "user", "username": "ada@example.org"}])
        self.assertEqual(self.ntfy.messages[0]["priority"], 4)
        self.assertIn("[HIGH] / on db 1 is 60 % full – Größe prüfen", self.ntfy.messages[0]["title"])
        self.assertIn("Größe prüfen", self.ntfy.messages[0]["message"])
        self.assertEqual(self.pushover.ringing, {})
        self.assertEqual(self.twilio.sms[0][0], "+4917000000000")
        self.assertIn("DiskFull", self.twilio.sms[0][1])
        self.assertLessEqual(len(self.twilio.sms[0][1]), 306)
        hook = self.hook.requests[0]
        self.assertEqual(hook["path"], "/hook/db+1")
        self.assertEqual(hook["body"], {"what": "DiskFull", "hosts": ["db 1"], "status": "firing"})
        call = self.command_calls()[0]
        self.assertEqual(call["incident"]["severity"], "high")
        how = next(self.calls.glob("*.how")).read_text().splitlines()
        self.assertEqual(how[:2], ["1", "fixed argument"])
        names = {line.split("=")[0] for line in how[2:]}
        self.assertLessEqual(names, {"PATH", "LANG", "PWD", "OLDPWD", "SHLVL", "_", "TOCSIN_KEY", "TOCSIN_KIND",
                                     "TOCSIN_REPEATED"})

        # --- it becomes worse
        self.disk.values["db 1"] = 95.0
        self.everywhere(lambda: self.incident()["severity"] == "critical" and self.alert()["priority"] == "P1"
                        and self.ntfy.messages[-1]["priority"] == 5 and self.pushover.ringing
                        and len(self.twilio.sms) == 2, "Critical everywhere")
        self.assertEqual(len(self.pagerduty.incidents), 1)
        self.assertEqual(len(self.opsgenie.alerts), 1)
        self.assertEqual(len(self.ntfy.shown), 1)

        # --- somebody takes it, and every service is busy at that moment
        for one in self.emulators:
            # Pushover's 429 means: over the month's quota.
            one.fail_next(1, 500 if one is self.pushover else "rate")
        name = self.world.get_json("/api/v1/incidents")["data"]["incidents"][0]["id"]
        self.world.tocsin("ack", name)
        self.everywhere(lambda: self.incident()["state"] == "acknowledged" and self.alert()["acknowledged"]
                        and "acknowledged" in self.ntfy.messages[-1]["title"] and not self.pushover.ringing
                        and "acknowledged" in self.twilio.sms[-1][1]
                        and self.pushover.messages[-1]["priority"] == "0", "the acknowledgement everywhere")
        self.assertEqual(len(self.twilio.sms), 3)

        # --- it is over
        self.disk.values["db 1"] = 10.0
        self.everywhere(lambda: self.incident()["state"] == "resolved" and self.alert()["status"] == "closed"
                        and "resolved" in self.ntfy.messages[-1]["title"]
                        and "resolved" in self.twilio.sms[-1][1]
                        and self.hook.requests[-1]["body"]["status"] == "resolved"
                        and self.command_calls()[-1]["incident"]["state"] == "resolved", "the end everywhere")
        self.assertIn("white_check_mark", self.ntfy.messages[-1]["tags"])
        for one in self.emulators:
            self.assertEqual(one.refused, [], type(one).__name__)
        # 429 was answered once each; nothing else was said twice.
        actions = [event["event_action"] for event in self.incident()["events"]]
        self.assertEqual(actions[-2:], ["acknowledge", "resolve"])
        self.assertEqual(set(actions[:-2]), {"trigger"})
        self.assertNotIn("possibly duplicate", json.dumps(self.twilio.sms))


if __name__ == "__main__":
    unittest.main()

"""Metrics that applications of this host hand to the agent, all the way to alertd: StatsD by UDP and by a Unix socket, OTLP
as JSON, as protobuf and packed, and a plugin of Nagios with its numbers; what becomes of them at a reload, when a
port is taken, when there are too many, and when the plugin turns critical or hangs."""

import gzip
import http.client
import json
import re
import signal
import socket
import struct
import time
import unittest

from harness import SOURCE, HookReceiver, World, field, free_port, listening, route_to, wait_until

PLUGIN = """#!/usr/bin/python3
import sys, time
mode = open(%r).read().strip()
if mode == "hang":
    time.sleep(60)
print("%%s - details for people | used=75%%%%;80;90 time=250ms size=2MB;;;0;4" %% mode.upper())
sys.exit({"ok": 0, "critical": 2}[mode])
"""


def scaled(rules):
    return re.sub(r'\bfor = "[^"]+"', 'for = "1s"', rules).replace('interval = "15s"', 'interval = "1s"')


def otlp_json(value, stamp):
    point = {"timeUnixNano": str(stamp), "asInt": str(value),
             "attributes": [{"key": "http.route", "value": {"stringValue": "/pay"}}]}
    metric = {"name": "shop.orders", "unit": "{order}",
              "sum": {"aggregationTemporality": 1, "isMonotonic": True, "dataPoints": [point]}}
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    return json.dumps({"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": [metric]}]}]})


def otlp_protobuf(name, value):
    """One gauge, by hand, so that the reader is not tested against a writer of ours."""
    point = b"\x19" + struct.pack("<Q", time.time_ns()) + b"\x21" + struct.pack("<d", value)
    metric = field(1, name.encode()) + field(3, b"By") + field(5, field(1, point))
    return field(1, field(2, field(2, metric)))



class ApplicationMetricsTest(unittest.TestCase):
    def begin(self, extra=""):
        self.world = World()
        self.addCleanup(self.world.__exit__)
        self.hook = HookReceiver()
        self.addCleanup(self.hook.stop)
        for book in (SOURCE / "rules" / "runbooks").glob("*.md"):
            if book.name.startswith(("check-", "application-")):
                self.world.write("rules/runbooks/" + book.name, book.read_text())
        self.world.alertd_config(scaled((SOURCE / "rules" / "checks.toml").read_text()),
                                 route_to(self.hook.url, ["alertname"]))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self.statsd_port = probe.getsockname()[1]
        self.otlp_port = free_port()
        self.mode = self.world.write("mode", "ok")
        self.plugin = self.world.write("check_shop", PLUGIN % str(self.mode))
        self.plugin.chmod(0o755)
        self.extra = ('[host]\nenabled = ["time"]\n'
                      '[statsd]\nlisten = "127.0.0.1:%d"\nsocket = "%s/statsd.sock"\nseries_max = 40\n'
                      '[[statsd.mapping]]\nmatch = "shop.*.visits"\nname = "shop_visits"\nlabels = { branch = "$1" }\n'
                      '[otlp]\nlisten = "127.0.0.1:%d"\n'
                      '[[check]]\nname = "shop"\ncommand = ["%s"]\nevery = "1s"\ntimeout = "900ms"\n%s'
                      % (self.statsd_port, self.world.folder, self.otlp_port, self.plugin, extra))
        self.world.agent_config(self.extra)
        self.world.start_alertd()
        self.world.start_agent()

    def udp(self, text):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(text.encode(), ("127.0.0.1", self.statsd_port))

    def post(self, body, kind, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.otlp_port, timeout=10)
        try:
            connection.request("POST", "/v1/metrics", body, {"Content-Type": kind, **headers})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def arrives(self, query, seconds=20):
        return wait_until(lambda: self.world.query(query), seconds, query)

    def told(self, alert, status="firing"):
        return [request["body"] for request in self.hook.distinct()
                if request["body"]["commonLabels"].get("alertname") == alert and request["body"]["status"] == status]

    def test_everything_arrives(self):
        self.begin()
        wait_until(lambda: listening(self.otlp_port), 20, "the receivers")
        self.udp("shop.north.visits:3|c\ncart.size:7|g\ncart.size:-2|g\npay.time:120:480|ms|#route:pay\nuser:a|s\nuser:b|s")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.sendto(b"jobs.done:5|c|@0.5", str(self.world.folder / "statsd.sock"))
        self.arrives('shop_visits{branch="north", host="testhost"} == 3')
        self.arrives("cart_size == 5")
        self.arrives('pay_time_bucket{route="pay", le="0.25"} == 1 and on (route) pay_time_count == 2')
        self.arrives("user == 2")
        self.arrives("jobs_done == 10")

        stamp = time.time_ns()
        for value, when in ((5, stamp), (2, stamp + 1), (2, stamp + 1)):  # the last one is sent again
            self.assertEqual(self.post(otlp_json(value, when), "application/json"), (200, b"{}"))
        self.arrives('shop_orders_total{job="shop", http_route="/pay"} == 7')
        self.assertEqual(self.post(otlp_protobuf("heap.used", 4096.0), "application/x-protobuf"), (200, b""))
        self.arrives("heap_used_bytes == 4096")
        packed = gzip.compress(otlp_protobuf("heap.free", 512.0))
        self.assertEqual(self.post(packed, "application/x-protobuf", **{"Content-Encoding": "gzip"})[0], 200)
        self.arrives("heap_free_bytes == 512")
        for body, kind, wanted in ((b"\xff\xff", "application/x-protobuf", 400), (b"[", "application/json", 400),
                                   (b"x", "text/plain", 415)):
            self.assertEqual(self.post(body, kind)[0], wanted, kind)
        bomb = gzip.compress(b"\0" * (5 << 20))
        self.assertEqual(self.post(bomb, "application/x-protobuf", **{"Content-Encoding": "gzip"})[0], 413)

        self.arrives('nagios_check_status{check="shop"} == 0')
        self.arrives('nagios_perfdata_ratio{label="used"} == 0.75 and on () nagios_perfdata_seconds{label="time"} == 0.25')
        self.arrives('nagios_perfdata_bytes{label="size"} == 2097152')
        self.arrives('nagios_perfdata_threshold{label="used", level="critical", bound="high"} == 0.9')
        self.assertEqual(self.world.query('{__name__=~".+", details!=""}'), {})

        # A reload that changes nothing here keeps the counters; one that does begins anew, on the same port.
        self.world.processes["agent"].send_signal(signal.SIGHUP)
        wait_until(lambda: "reloaded" in self.world.log("agent"), 10, "the reload")
        self.udp("shop.north.visits:1|c")
        self.arrives("shop_visits == 4")
        self.world.agent_config(self.extra.replace("series_max = 40", "series_max = 41"))
        self.world.processes["agent"].send_signal(signal.SIGHUP)

        def anew():
            self.udp("after.reload:1|c")
            return self.world.query("after_reload") and not self.world.query("shop_visits")

        wait_until(anew, 20, "the receiver with other settings")
        # Of all this only the requests that were none are told.
        wait_until(lambda: self.told("ApplicationMetricsRefused"), 20, "the refusal")
        labels = [request["body"]["commonLabels"] for request in self.hook.requests]
        self.assertEqual({(each["alertname"], each.get("reason")) for each in labels},
                         {("ApplicationMetricsRefused", "malformed")})

    def test_what_goes_wrong_is_told(self):
        taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.addCleanup(taken.close)
        self.begin()
        self.world.stop("agent")
        taken.bind(("127.0.0.1", self.otlp_port))
        taken.listen()
        self.world.start_agent()
        self.arrives('tocsin_agent_receiver_up{receiver="otlp"} == 0')
        wait_until(lambda: self.told("ApplicationReceiverDown"), 30, "the port that is taken")
        taken.close()
        wait_until(lambda: self.told("ApplicationReceiverDown", "resolved"), 30, "the port to be free")

        def flood():  # a number of somebody in a name
            self.udp("\n".join("u%d.visits:1|c" % i for i in range(100)))
            return self.told("ApplicationMetricsRefused")

        wait_until(flood, 30, "too many series")
        self.assertEqual(self.told("ApplicationMetricsRefused")[0]["incident"]["severity"], "low")
        self.assertLessEqual(len(self.world.query('{__name__=~"u[0-9]+_visits"}')), 40)

        self.mode.write_text("critical")
        wait_until(lambda: self.told("CheckNotOk"), 30, "the plugin that is critical")
        self.mode.write_text("hang")
        wait_until(lambda: self.told("CheckUnknown"), 30, "the plugin that hangs")
        self.assertEqual(self.told("CheckUnknown")[0]["incident"]["severity"], "medium")
        self.arrives('nagios_check_timed_out{check="shop"} == 1')
        log = self.world.log("agent")
        self.assertIn("shop is critical: CRITICAL - details for people", log)
        self.assertIn("no end within 900ms", log)
        self.mode.write_text("ok")
        wait_until(lambda: self.told("CheckUnknown", "resolved"), 30, "the plugin to be well")


if __name__ == "__main__":
    unittest.main()

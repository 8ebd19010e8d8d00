"""Our probes beside Debian's prometheus-blackbox-exporter, against a real nginx, dnsmasq and the kernel: every name
that it has we have, with the same labels; the same values where they do not move, and both positive where they are times."""

import shutil
import socket
import unittest
import urllib.parse
import urllib.request

from exporter import one_round, parse
from harness import World, free_port, listening, wait_until
from web_server import NGINX, Authority, WebServer

EXPORTER = shutil.which("prometheus-blackbox-exporter")
DNSMASQ = shutil.which("dnsmasq", path="/usr/sbin:/usr/bin")

# What theirs has and ours has not, and why.
NOT_OURS = {"probe_ip_addr_hash": "a hash for those who may not show addresses; the target's label says where"}
OURS_ONLY = {"probe", "target"}
TIMES = ("duration", "lookup_time")

MODULES = """
modules:
  http: {prober: http, timeout: 4s, http: {preferred_ip_protocol: ip4, tls_config: {ca_file: %(ca)s}}}
  missing: {prober: http, timeout: 4s, http: {preferred_ip_protocol: ip4, fail_if_body_not_matches_regexp: ["nowhere"]}}
  tcp: {prober: tcp, timeout: 4s, tcp: {preferred_ip_protocol: ip4}}
  tls: {prober: tcp, timeout: 4s, tcp: {preferred_ip_protocol: ip4, tls: true, tls_config: {ca_file: %(ca)s, server_name: localhost}}}
  dns: {prober: dns, timeout: 4s, dns: {preferred_ip_protocol: ip4, query_name: shop.test, query_type: A}}
  icmp: {prober: icmp, timeout: 4s, icmp: {preferred_ip_protocol: ip4}}
"""


def may_ping():
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP).close()
            return True
        except PermissionError:
            continue
    return False


def without_ours(families):
    """The samples of each probe apart: {probe: {name: {labels: value}}}."""
    apart = {}
    for name, series in families.items():
        for labels, value in series.items():
            probe = dict(labels)["probe"]
            rest = frozenset(label for label in labels if label[0] not in OURS_ONLY)
            apart.setdefault(probe, {}).setdefault(name, {})[rest] = value
    return apart


@unittest.skipIf(EXPORTER is None or NGINX is None or DNSMASQ is None,
                 "prometheus-blackbox-exporter, nginx or dnsmasq is not installed (packaging/install-deps --tests)")
class BlackboxExporterParityTest(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.__exit__)
        self.authority = Authority(self.world)
        self.http, self.https, self.dns, self.closed, self.port = (free_port() for _ in range(5))
        chain, key = self.authority.leaf("localhost", 20)
        self.world.write("web.crt", chain)
        self.world.write("web.key", key)
        web = WebServer(self.world, """
server { listen 127.0.0.1:%d; location / { add_header Last-Modified "Wed, 21 Oct 2015 07:28:00 GMT"; return 200 "hello\\n"; }
         location /old { return 301 /; } location /broken { return 500 "no\\n"; } }
server { listen 127.0.0.1:%d ssl http2; ssl_certificate %s/web.crt; ssl_certificate_key %s/web.key; return 200 "safe\\n"; }
""" % (self.http, self.https, self.world.folder, self.world.folder))
        self.world.start("dnsmasq", DNSMASQ, "--no-daemon", "--no-resolv", "--no-hosts", "--conf-file=/dev/null",
                         "--port=%d" % self.dns, "--listen-address=127.0.0.1", "--bind-interfaces", "--user=root",
                         "--pid-file=", "--address=/shop.test/10.1.2.3")
        config = self.world.write("blackbox.yml", MODULES % {"ca": self.authority.root})
        self.world.start("exporter", EXPORTER, "--config.file", config, "--web.listen-address", "127.0.0.1:%d" % self.port)
        web.wait(self.http, self.https)
        wait_until(lambda: listening(self.port) and listening(self.dns), 20, "the exporter and dnsmasq")

    def theirs(self, module, target):
        query = urllib.parse.urlencode({"module": module, "target": target})
        text = urllib.request.urlopen("http://127.0.0.1:%d/probe?%s" % (self.port, query), timeout=20).read().decode()
        return parse(text, "probe_")

    def compare(self, name, ours, theirs):
        self.assertEqual(set(theirs) - set(ours), set(NOT_OURS) & set(theirs), name)
        for metric in sorted(set(theirs) & set(ours)):
            self.assertEqual(set(ours[metric]), set(theirs[metric]), "%s %s" % (name, metric))
            for labels, value in ours[metric].items():
                other = theirs[metric][labels]
                if any(part in metric for part in TIMES):
                    self.assertGreaterEqual(value, 0, "%s %s %s" % (name, metric, labels))
                    self.assertLess(abs(value - other), 1, "%s %s %s" % (name, metric, labels))
                else:
                    self.assertEqual(value, other, "%s %s %s" % (name, metric, labels))
        self.assertGreater(ours["probe_duration_seconds"][frozenset()], 0)

    def test_every_name_of_theirs_is_ours_with_the_same_value(self):
        web, tls = "http://127.0.0.1:%d" % self.http, "https://localhost:%d" % self.https
        cases = [  # name, module, their target, our keys
            ("page", "http", web + "/", 'url = "%s/"' % web),
            ("moved", "http", web + "/old", 'url = "%s/old"' % web),
            ("broken", "http", web + "/broken", 'url = "%s/broken"' % web),
            ("missing", "missing", web + "/", 'url = "%s/"\nbody_match = "nowhere"' % web),
            ("safe", "http", tls + "/", 'url = "%s/"\nca_file = "%s"' % (tls, self.authority.root)),
            ("open", "tcp", "127.0.0.1:%d" % self.http, 'kind = "tcp"\naddress = "127.0.0.1:%d"' % self.http),
            ("closed", "tcp", "127.0.0.1:%d" % self.closed, 'kind = "tcp"\naddress = "127.0.0.1:%d"' % self.closed),
            ("tls", "tls", "127.0.0.1:%d" % self.https,
             'kind = "tls"\naddress = "127.0.0.1:%d"\nserver_name = "localhost"\nca_file = "%s"'
             % (self.https, self.authority.root)),
            ("dns", "dns", "127.0.0.1:%d" % self.dns,
             'kind = "dns"\nserver = "127.0.0.1:%d"\nquery = "shop.test"\nexpect = ["10.1.2.3"]' % self.dns),
        ]
        if may_ping():
            cases.append(("ping", "icmp", "127.0.0.1", 'kind = "icmp"\naddress = "127.0.0.1"'))
        tables = "".join('[[probe]]\nname = "%s"\nip_protocol = "4"\n%s\n' % (name, keys) for name, _, _, keys in cases)
        ours = without_ours(one_round(self.world, tables, "probe_"))
        for name, module, target, _ in cases:
            theirs = self.theirs(module, target)
            if name == "dns":  # theirs takes no name of a server apart
                theirs.pop("probe_dns_serial", None)
            self.compare(name, ours[name], theirs)
        up = {name: values["probe_success"][frozenset()] for name, values in ours.items()}
        self.assertEqual({name for name, value in up.items() if value == 0}, {"broken", "missing", "closed"})
        reasons = {name: dict(next(iter(values["probe_failed"])))["reason"]
                   for name, values in ours.items() if "probe_failed" in values}
        self.assertEqual(reasons, {"broken": "status", "missing": "body", "closed": "connect"})


if __name__ == "__main__":
    unittest.main()

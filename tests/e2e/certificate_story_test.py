#!/usr/bin/env python3
"""Certificates of a real nginx: one that ends in two days, one that was renewed and not loaded, a wrong name, a broken
chain, an old TLS, one that its authority took back. Each is told at its severity, by the rules that ship (their `for` in seconds); a second server, which is
well, is never named.
"""

import re
import time
import unittest

from harness import SOURCE, HookReceiver, World, free_port, route_to, wait_until
from web_server import NGINX, Authority, Responder, WebServer


def scaled(rules):
    rules = re.sub(r'\bfor = "[^"]+"', 'for = "2s"', rules)
    return rules.replace('interval = "15s"', 'interval = "1s"')


@unittest.skipIf(NGINX is None, "nginx is not installed (packaging/install-deps --tests)")
class CertificateStoryTest(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.__exit__)
        self.hook = HookReceiver()
        self.addCleanup(self.hook.stop)
        self.authority = Authority(self.world)
        self.shop, self.twin = free_port(), free_port()
        self.install("shop", "localhost", 90)
        self.install("twin", "localhost", 90)
        self.web = WebServer(self.world, "".join("""
server { listen 127.0.0.1:%d ssl; ssl_protocols %s; ssl_ciphers ALL:@SECLEVEL=0;
         add_header Strict-Transport-Security "max-age=60";
         ssl_certificate %s/fullchain.pem; ssl_certificate_key %s/privkey.pem; return 200 "ok\\n"; }
""" % (port, protocols, self.world.folder / site, self.world.folder / site)
            for site, port, protocols in (("shop", self.shop, "TLSv1.1 TLSv1.2 TLSv1.3"),
                                          ("twin", self.twin, "TLSv1.2 TLSv1.3"))))
        self.web.wait(self.shop, self.twin)

    def install(self, site, name, days, chain=True, responder=None):
        certificate, key = self.authority.leaf(name, days, chain, responder)
        (self.world.folder / site).mkdir(exist_ok=True)
        self.world.write(site + "/privkey.pem", key).chmod(0o600)
        # As certbot does: the whole file at once.
        self.world.write(site + "/new.pem", certificate).rename(self.world.folder / site / "fullchain.pem")

    def tables(self, site, port, extra=""):
        return ('[[certificate]]\nname = "%(site)s"\nfiles = ["%(folder)s/%(site)s/fullchain.pem"]\n'
                'served_by = ["127.0.0.1:%(port)d"]\nserver_name = "localhost"\nnames = ["localhost"]\n'
                'ca_file = "%(ca)s"\ninterval = "1s"\ntimeout = "900ms"\n%(extra)s'
                '[[probe]]\nname = "%(site)s"\nurl = "https://localhost:%(port)d/"\nca_file = "%(ca)s"\n'
                'ip_protocol = "4"\ntimeout = "900ms"\n'
                % {"site": site, "port": port, "folder": self.world.folder, "ca": self.authority.root, "extra": extra})

    def begin(self, extra="", of_shop=""):
        rules = scaled((SOURCE / "rules/probes.toml").read_text())
        for pattern in ("probe-*.md", "certificate-*.md", "tls-*.md"):
            for book in (SOURCE / "rules/runbooks").glob(pattern):
                self.world.write("rules/runbooks/" + book.name, book.read_text())
        self.world.alertd_config(rules, route_to(self.hook.url, ["alertname", "probe", "certificate", "problem", "target"]))
        self.world.agent_config('[host]\nenabled = ["time"]\n' + self.tables("shop", self.shop, extra + of_shop)
                                + self.tables("twin", self.twin, extra))
        self.world.start_alertd()
        self.world.start_agent()
        wait_until(lambda: len(self.world.query("cert_served_matches_file == 1")) == 2
                   and len(self.world.query("probe_success == 1")) == 2, 30, "the first samples")

    def told(self, alert, status="firing"):
        return [request["body"] for request in self.hook.distinct()
                if request["body"]["commonLabels"].get("alertname") == alert and request["body"]["status"] == status]

    def severity(self, alert):
        return self.told(alert)[-1]["incident"]["severity"]

    def names(self):
        return {request["body"]["commonLabels"].get("alertname") for request in self.hook.requests}

    def tearDown(self):
        for request in self.hook.requests:
            labels = request["body"]["commonLabels"]
            self.assertNotIn("twin", (labels.get("probe"), labels.get("certificate")), labels)

    def test_two_days_left_then_renewed_and_not_loaded_and_an_old_tls(self):
        self.install("shop", "localhost", 2)
        self.web.reload()
        self.begin("weak_protocols = true\n")
        wait_until(lambda: self.told("CertificateExpiring") and self.told("ServedCertificateExpiring"), 30, "the alerts")
        self.assertEqual(self.severity("CertificateExpiring"), "critical")
        self.assertEqual(self.severity("ServedCertificateExpiring"), "critical")
        self.install("shop", "localhost", 90)  # and nobody tells nginx
        wait_until(lambda: self.told("CertificateNotLoaded"), 30, "renewed, not loaded")
        wait_until(lambda: self.told("CertificateExpiring", "resolved"), 30, "the file to be well")
        self.assertEqual(self.severity("CertificateNotLoaded"), "high")
        self.assertEqual(self.told("ServedCertificateExpiring", "resolved"), [])
        self.web.reload()
        wait_until(lambda: self.told("CertificateNotLoaded", "resolved")
                   and self.told("ServedCertificateExpiring", "resolved"), 30, "the reload to be seen")
        self.assertEqual(self.severity("WeakTlsAccepted"), "high")
        self.assertEqual(self.told("WeakTlsAccepted")[0]["commonLabels"]["version"], "TLS 1.1")
        self.assertEqual(len(self.world.query("cert_weak_protocol_accepted == 0")), 3)
        self.assertEqual(self.names(), {"CertificateExpiring", "ServedCertificateExpiring", "CertificateNotLoaded",
                                        "WeakTlsAccepted"})

    def test_wrong_name_broken_chain_wrong_key_and_a_file_nobody_may_read(self):
        self.begin()
        time.sleep(3)
        self.assertEqual(self.hook.requests, [])  # all is well
        self.install("shop", "other.example", 90)
        self.web.reload()
        wait_until(lambda: self.told("CertificateNameWrong") and self.told("ProbeDown"), 30, "the wrong name")
        self.assertEqual(self.severity("CertificateNameWrong"), "high")
        self.assertEqual(self.severity("ProbeDown"), "critical")
        self.assertTrue(self.world.query('probe_failed{probe="shop", reason="certificate_name"} == 1'))
        self.install("shop", "localhost", 90, chain=False)
        self.web.reload()
        wait_until(lambda: self.told("CertificateChainBroken"), 30, "the broken chain")
        wait_until(lambda: self.world.query('probe_failed{probe="shop", reason="certificate_chain"} == 1'), 30, "why")
        self.assertEqual({body["commonLabels"]["problem"] for body in self.told("CertificateChainBroken")}
                         - {"chain_incomplete", "untrusted"}, set())
        # Back to good, with the key of another one, for everybody to read; nginx keeps what it has.
        self.install("shop", "localhost", 90)
        self.web.reload()
        wait_until(lambda: self.told("ProbeDown", "resolved"), 30, "the good one")
        self.world.write("shop/privkey.pem", (self.world.folder / "twin/privkey.pem").read_text()).chmod(0o644)
        wait_until(lambda: self.told("CertificateKeyMismatch") and self.told("CertificateKeyExposed"), 30, "the key")
        (self.world.folder / "shop/fullchain.pem").unlink()
        wait_until(lambda: self.told("CertificateCheckFailed"), 30, "that nothing is known")
        self.assertEqual(self.severity("CertificateCheckFailed"), "medium")
        self.assertIn("no such file", self.world.log("agent"))

    def test_one_that_its_authority_took_back(self):
        responder = Responder(self.world, self.authority)
        self.install("shop", "localhost", 90, responder=responder.url)
        self.web.reload()
        responder.start("V")
        self.begin(of_shop='revocation = true\nrevocation_interval = "1s"\n')
        of_shop = 'cert_problem{certificate="shop", problem="revoked"} == %d'
        wait_until(lambda: len(self.world.query(of_shop % 0)) == 2, 30, "the file and the server to be good")
        time.sleep(3)
        self.assertEqual(self.told("CertificateRevoked"), [])
        self.assertFalse(self.world.query('cert_problem{certificate="twin", problem="revoked"}'))  # not asked for
        responder.start("R")
        wait_until(lambda: len(self.told("CertificateRevoked")) == 2, 30, "both to be told")
        self.assertEqual(self.severity("CertificateRevoked"), "critical")
        # A responder that is gone is a failed check; what it said last is told on.
        self.world.stop("responder")
        wait_until(lambda: self.told("CertificateCheckFailed"), 30, "that nobody answers")
        self.assertEqual(len(self.world.query(of_shop % 1)), 2)
        self.install("shop", "localhost", 90, responder=responder.url)
        self.web.reload()
        responder.start("V")
        wait_until(lambda: len(self.told("CertificateRevoked", "resolved")) == 2, 30, "the new one to be good")


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""IRC and XMPP against Debian's own servers: fires, is acknowledged, ends, and a person in the room reads it.

Then the servers go away and come back: what is said meanwhile arrives afterwards. Wrong passwords are given up
at once, with a reason.
"""

import signal
import time
import unittest

from chat_channels_test import RULES
from harness import Probes, World, wait_until
from real_chat import IrcPerson, XmppPerson, start_ngircd, start_prosody

PASSWORD = "correct horse"


class ChatServersTest(unittest.TestCase):
    def setUp(self):
        self.world = self.enterContext(World())

    def secret(self, name, value):
        path = self.world.write("secrets/" + name, value + "\n")
        path.chmod(0o600)
        return path

    def start(self, channels):
        self.world.alertd_config(RULES, """
[[receiver]]
name = "ops"
%s
[route]
receiver = "ops"
group_by = ["alertname"]
group_wait = "0s"
group_interval = "1s"
""" % channels)
        self.world.start_alertd()
        self.probes = Probes(self.world)

    def story(self, person, has_said):
        """Fires, is acknowledged, ends; `has_said(text)` waits until the person has read it."""
        self.probes.values["disk <1> & more"] = 9.0
        has_said("ProbeHigh")
        incident = self.world.get_json("/api/v1/incidents")["data"]["incidents"][0]["id"]
        self.world.tocsin("ack", incident, "--by", "ana")
        has_said("acknowledged by ana")
        self.probes.values["disk <1> & more"] = 1.0
        has_said("resolved at")
        time.sleep(1)
        everything = "\n".join(person.words())
        self.assertEqual(everything.count("acknowledged by ana"), 1, everything)
        self.assertEqual(everything.count("resolved at"), 1, everything)

    def test_irc(self):
        port, tls_port, certificate = start_ngircd(self.world)
        person = IrcPerson(port, "eva", "#ops", "sesame")
        self.assertTrue(person.ready.wait(10))
        self.start("""
[[receiver.irc]]
server = "127.0.0.1:%d"
ca_file = "%s"
nick = "tocsin"
target = "#ops"
key_file = "%s"
[[receiver]]
name = "trial"
[[receiver.irc]]
name = "locked-out"
server = "127.0.0.1:%d"
tls = false
nick = "tocsin2"
target = "#ops"
""" % (tls_port, certificate, self.secret("irc", "sesame"), port))

        def has_said(text):
            wait_until(lambda: any(text in words for words in person.words()), 40, "'%s' in IRC: %s" % (
                text, person.said))

        self.story(person, has_said)
        self.assertEqual({who for who, _ in person.said}, {"tocsin"})
        self.assertIn("disk <1> & more is high", "\n".join(person.words()))
        refused = self.world.tocsin("send-test", "trial/locked-out", check=False)
        self.assertIn("475", refused.stdout + refused.stderr)

        # ngircd asks for a sign of life after 3 s without a word: the connection must still be there.
        time.sleep(8)
        self.world.tocsin("send-test", "ops/irc")
        has_said("[TEST]")
        self.assertEqual({who for who, _ in person.said}, {"tocsin"})

        # The server dies and comes back on another connection.
        self.world.stop("ngircd", signal.SIGKILL)
        gone = self.world.tocsin("send-test", "ops/irc", check=False)
        self.assertNotEqual(gone.returncode, 0)

    def test_xmpp(self):
        port, certificate = start_prosody(self.world, {"tocsin": PASSWORD, "eva": "evas"})
        room = "ops@conference.localhost"
        person = XmppPerson(port, certificate, "eva", "evas", room)
        self.start("""
[[receiver.xmpp]]
server = "127.0.0.1:%d"
jid = "tocsin@localhost"
password_file = "%s"
ca_file = "%s"
room = "%s"
[[receiver.xmpp]]
name = "direct"
server = "127.0.0.1:%d"
jid = "tocsin@localhost/direct"
password_file = "%s"
ca_file = "%s"
to = "eva@localhost"
[[receiver]]
name = "trial"
[[receiver.xmpp]]
name = "wrong"
server = "127.0.0.1:%d"
jid = "tocsin@localhost"
password_file = "%s"
ca_file = "%s"
to = "eva@localhost"
[[receiver.xmpp]]
name = "stranger"
server = "127.0.0.1:%d"
jid = "tocsin@localhost"
password_file = "%s"
to = "eva@localhost"
""" % (port, self.secret("xmpp", PASSWORD), certificate, room,
            port, self.secret("xmpp", PASSWORD), certificate,
            port, self.secret("wrong", "wrong"), certificate,
            port, self.secret("xmpp", PASSWORD)))
        in_room = lambda: [words for who, words in person.said if who.startswith(room)]
        direct = lambda: [words for who, words in person.said if who.startswith("tocsin@localhost")]

        def has_said(text):
            for place, words in (("the room", in_room), ("private", direct)):
                wait_until(lambda words=words: any(text in one for one in words()), 40,
                           "'%s' in %s: %s" % (text, place, person.said))

        self.probes.values["disk <1> & more"] = 9.0
        has_said("ProbeHigh")
        self.assertIn("disk &lt;1&gt; &amp; more is high", in_room()[0])
        incident = self.world.get_json("/api/v1/incidents")["data"]["incidents"][0]["id"]
        self.world.tocsin("ack", incident, "--by", "ana")
        has_said("acknowledged by ana")
        self.probes.values["disk <1> & more"] = 1.0
        has_said("resolved at")
        time.sleep(1)
        self.assertEqual([len(in_room()), len(direct())], [3, 3], person.said)
        self.assertEqual(len(set(person.ids)), 6)

        wrong = self.world.tocsin("send-test", "trial/wrong", check=False)
        self.assertIn("check jid and password", wrong.stdout + wrong.stderr)
        stranger = self.world.tocsin("send-test", "trial/stranger", check=False)
        self.assertIn("cannot log in", stranger.stdout + stranger.stderr)


if __name__ == "__main__":
    unittest.main()

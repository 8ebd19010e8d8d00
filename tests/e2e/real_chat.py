"""Real chat servers of Debian on loopback, and a person in the room: ngircd for IRC, prosody for XMPP."""

import base64
import re
import shutil
import socket
import ssl
import subprocess
import threading
import unittest

from harness import free_port, wait_until


def need(program):
    path = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if path is None:
        raise unittest.SkipTest("Debian's %s is not installed" % program)
    return path


def listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def start_ngircd(world):
    """Returns (port, TLS port, certificate) of an ngircd with the channel #ops, key "sesame"."""
    program = need("ngircd")
    port, tls_port = free_port(), free_port()
    certificate, key = world.certificate("irc")
    # A well-known group: ngircd would look for one of its own for a minute.
    parameters = world.folder / "dh.pem"
    subprocess.run(["openssl", "genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048",
                    "-out", parameters], check=True, capture_output=True)
    config = world.write("ngircd.conf", """
[Global]
    Name = irc.test
    Info = test
    Listen = 127.0.0.1
    Ports = %d
    MotdPhrase = hello
[SSL]
    CertFile = %s
    KeyFile = %s
    DHFile = %s
    Ports = %d
[Limits]
    MaxConnectionsIP = 0
    MaxNickLength = 20
    PingTimeout = 5
    PongTimeout = 5
[Options]
    Ident = no
    DNS = no
    PAM = no
    SyslogFacility = local1
[Channel]
    Name = #ops
    Modes = +tnk sesame
""" % (port, certificate, key, parameters, tls_port))
    world.start("ngircd", program, "-n", "-f", config)
    wait_until(lambda: listening(port) and listening(tls_port), 10, "ngircd")
    return port, tls_port, certificate


def start_prosody(world, users):
    """Returns (port, certificate) of a prosody for "localhost" with rooms at conference.localhost."""
    program = need("prosody")
    port = free_port()
    certificate, key = world.certificate("localhost")
    for user, password in users.items():
        world.write("prosody/localhost/accounts/%s.dat" % user, 'return { ["password"] = "%s"; };\n' % password)
    config = world.write("prosody.cfg.lua", """
run_as_root = true
daemonize = false
pidfile = "%(folder)s/prosody.pid"
data_path = "%(folder)s/prosody"
log = { info = "*console" }
interfaces = { "127.0.0.1" }
c2s_ports = { %(port)d }
s2s_ports = { }
http_ports = { }
https_ports = { }
modules_enabled = { "roster", "saslauth", "tls", "ping" }
modules_disabled = { "s2s" }
c2s_require_encryption = true
authentication = "internal_plain"
storage = "internal"
ssl = { key = "%(key)s"; certificate = "%(certificate)s" }
VirtualHost "localhost"
Component "conference.localhost" "muc"
    restrict_room_creation = false
    muc_room_default_public = true
""" % {"folder": world.folder, "port": port, "key": key, "certificate": certificate})
    world.start("prosody", program, "--config", config)
    wait_until(lambda: listening(port), 15, "prosody")
    return port, certificate


class _Person(threading.Thread):
    """Somebody who reads; `said` holds (who, words)."""

    def __init__(self):
        super().__init__(daemon=True)
        self.said = []
        self.ready = threading.Event()

    def words(self):
        return [words for _, words in self.said]


class IrcPerson(_Person):
    def __init__(self, port, nick, channel, key):
        super().__init__()
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.channel = channel
        self.send("NICK %s" % nick, "USER %s 0 * :A person" % nick)
        self.join_line = "JOIN %s %s" % (channel, key)
        self.start()

    def send(self, *lines):
        self.socket.sendall("".join(line + "\r\n" for line in lines).encode())

    def run(self):
        for raw in self.socket.makefile("rb"):
            line = raw.decode(errors="replace").rstrip("\r\n")
            words = line.split(" ")
            if words[0] == "PING":
                self.send("PONG " + words[1])
            elif words[1] == "001":
                self.send(self.join_line)
            elif words[1] == "366":
                self.ready.set()
            elif words[1] == "PRIVMSG" and words[2] == self.channel:
                self.said.append((words[0][1:].split("!")[0], line.split(" :", 1)[1]))


class XmppPerson(_Person):
    """Logs in with STARTTLS and PLAIN, enters the room, reads."""

    def __init__(self, port, certificate, user, password, room):
        super().__init__()
        self.room = room
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.text = ""
        self.ids = []
        self.opening()
        self.say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        self.until("<proceed")
        self.socket = ssl.create_default_context(cafile=str(certificate)).wrap_socket(
            self.socket, server_hostname="localhost")
        self.text = ""
        self.opening()
        token = base64.b64encode(("\0%s\0%s" % (user, password)).encode()).decode()
        self.say("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>" % token)
        self.until("<success")
        self.text = ""
        self.opening()
        self.say("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
        self.until("</jid>")
        self.say("<presence/><presence to='%s/%s'><x xmlns='http://jabber.org/protocol/muc'/></presence>" % (
            room, user))
        self.until("code='201'", "code='110'")
        # A new room waits for its owner's settings; the defaults will do.
        self.say("<iq type='set' id='c' to='%s'><query xmlns='http://jabber.org/protocol/muc#owner'>"
                 "<x xmlns='jabber:x:data' type='submit'/></query></iq>" % room)
        self.until("id='c'")
        self.start()

    def say(self, text):
        self.socket.sendall(text.encode())

    def opening(self):
        self.say("<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns='jabber:client' "
                 "xmlns:stream='http://etherx.jabber.org/streams'>")
        self.until("</stream:features>")

    def until(self, *marks):
        self.socket.settimeout(10)
        while not any(mark in self.text for mark in marks):
            part = self.socket.recv(65536)
            if not part:
                raise AssertionError("prosody hung up: " + self.text)
            self.text += part.decode(errors="replace")
        self.socket.settimeout(None)

    def run(self):
        pattern = re.compile(r"<message\b([^>]*)>(.*?)</message>", re.S)
        while True:
            for match in pattern.finditer(self.text):
                sender = re.search(r"from='([^']*)'", match.group(1))
                body = re.search(r"<body>(.*?)</body>", match.group(2), re.S)
                identifier = re.search(r"\bid='([^']*)'", match.group(1))
                if body:
                    self.said.append((sender.group(1), body.group(1)))
                    self.ids.append(identifier.group(1) if identifier else None)
            self.text = pattern.sub("", self.text)
            try:
                part = self.socket.recv(65536)
            except OSError:
                return
            if not part:
                return
            self.text += part.decode(errors="replace")

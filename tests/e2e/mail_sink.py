"""A mail relay that a test can break: it delivers into Maildirs, drops what it took, defers, or hangs.

SMTP as far as a client needs it, from Python's standard library.
"""

import email
import email.policy
import socketserver
import threading
import time


class MailSink:
    """`mode`: "deliver", "drop", "defer" (451), "refuse" (550), "hang". May change at any time."""

    def __init__(self, folder):
        sink = self
        self.folder = folder  # One Maildir for each recipient's local part.
        self.mode = "deliver"
        self.taken = []  # Recipients of what was answered with 250.
        self.attempts = 0
        self.released = threading.Event()

        class Handler(socketserver.StreamRequestHandler):
            def say(self, line):
                self.wfile.write(line.encode() + b"\r\n")

            def handle(self):
                if sink.mode == "hang":
                    sink.attempts += 1
                    sink.released.wait(60)
                    return
                self.say("220 sink ESMTP")
                recipients = []
                while line := self.rfile.readline():
                    word = line[:4].upper()
                    if word == b"QUIT":
                        self.say("221 bye")
                        return
                    if word in (b"EHLO", b"HELO"):
                        self.say("250 sink")
                    elif word == b"MAIL":
                        sink.attempts += 1
                        recipients = []
                        answer = {"defer": "451 4.3.0 try again later", "refuse": "550 5.7.1 not from you"}
                        self.say(answer.get(sink.mode, "250 ok"))
                    elif word == b"RCPT":
                        recipients.append(line.decode().split("<")[1].split("@")[0])
                        self.say("250 ok")
                    elif word == b"DATA":
                        self.say("354 go on")
                        self.take(recipients)
                    else:
                        self.say("250 ok")

            def take(self, recipients):
                lines = []
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(line[1:] if line.startswith(b"..") else line)
                sink.taken += recipients
                if sink.mode == "deliver":
                    for name in recipients:
                        sink.deliver(name, b"".join(lines))
                self.say("250 queued")

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def maildir(self, name):
        folder = self.folder / name
        for part in ("tmp", "new", "cur"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        return folder

    def deliver(self, name, content):
        unique = "%d.%d.sink" % (time.time(), time.monotonic_ns())
        folder = self.maildir(name)
        (folder / "tmp" / unique).write_bytes(content)
        (folder / "tmp" / unique).rename(folder / "new" / unique)

    def mails(self, name):
        return [email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
                for path in sorted(self.maildir(name).glob("new/*"))]

    def set(self, mode):
        self.mode = mode
        if mode != "hang":
            self.released.set()
            self.released = threading.Event()

    def stop(self):
        self.set("drop")
        self.server.shutdown()
        self.server.server_close()

"""A product's HTTP API, as far as its documentation describes it: refuses what the product would refuse.

An emulator checks the path, the credential, the content type, every field and every length, and answers
mistakes in the product's own shape. It keeps messages, threads and edits, so that a test can ask what a
person would see; `refused` lists every request that was wrong. Faults come on demand:

    chat.fail_next(2, "rate")    the next two requests get the product's 429
    chat.fail_next(1, 503)       ... a bare 503
"""

import http.server
import itertools
import json
import threading
import time
import urllib.parse


class Refusal(Exception):
    """What is wrong with a request: the answer to give."""

    def __init__(self, status, body, headers=None):
        super().__init__(str(body))
        self.status = status
        self.body = body
        self.headers = headers or {}


class Request:
    def __init__(self, handler):
        self.method = handler.command
        parts = urllib.parse.urlsplit(handler.path)
        self.path = urllib.parse.unquote(parts.path)
        self.query = urllib.parse.parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        self.headers = {name.lower(): value for name, value in handler.headers.items()}
        self.raw = handler.rfile.read(int(self.headers.get("content-length", 0)))
        self.type = self.headers.get("content-type", "").split(";")[0].strip().lower()

    def form(self):
        return {name: values[0] for name, values in
                urllib.parse.parse_qs(self.raw.decode(), keep_blank_values=True, strict_parsing=True).items()}


def utf16_length(text):
    return len(text.encode("utf-16-le")) // 2


class Message:
    """One message as a person sees it."""

    def __init__(self, identifier, text, thread=None, colour=None):
        self.id = identifier
        self.text = text
        self.thread = thread  # id of the first message, or the name of a topic
        self.colour = colour
        self.versions = [text]
        self.time = time.time()

    def edit(self, text, colour=None):
        self.text = text
        self.colour = colour
        self.versions.append(text)


class Emulator:
    """Subclasses implement answer(request) -> (status, JSON or text) and rate_limited()."""

    def __init__(self):
        emulator = self
        self.messages = []
        self.refused = []
        self.requests = 0
        self.faults = []
        self.lock = threading.Lock()
        self.numbers = itertools.count(1)

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def respond(self):
                request = Request(self)
                with emulator.lock:
                    status, body, headers = emulator.serve(request)
                data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type",
                                 "text/plain" if isinstance(body, str) else "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = respond

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def fail_next(self, count, fault):
        with self.lock:
            self.faults += [fault] * count

    def serve(self, request):
        self.requests += 1
        if self.faults:
            fault = self.faults.pop(0)
            if fault == "rate":
                return self.rate_limited()
            return fault, "", {}
        try:
            status, body = self.answer(request)
            return status, body, {}
        except Refusal as refusal:
            self.refused.append("%s %s: %s" % (request.method, request.path, refusal))
            return refusal.status, refusal.body, refusal.headers
        except Exception as mistake:  # a request this emulator cannot even read
            self.refused.append("%s %s: %r" % (request.method, request.path, mistake))
            return 400, "unreadable: %r" % mistake, {}

    # --- for tests

    def first(self):
        return self.messages[0]

    def roots(self):
        return [one for one in self.messages if one.thread is None]

    def replies(self):
        return [one for one in self.messages if one.thread is not None]

    def find(self, identifier):
        return next((one for one in self.messages if one.id == identifier), None)


def only(fields, allowed, refuse):
    """Calls refuse(name) for a field that is not in the documentation."""
    for name in fields:
        if name not in allowed:
            refuse(name)

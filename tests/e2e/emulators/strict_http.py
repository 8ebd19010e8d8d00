"""The ground of all emulators: an HTTP server on loopback that refuses what the real service would.

A subclass answers in `handle(request)`: it returns (status, body) or (status, body, headers), body bytes,
text or something for JSON; or it raises Refuse. Every refusal is kept in `refusals`: a test ends by
asserting that there is none that it did not ask for. `fail(...)` puts answers in front, e.g. a 429.
"""

import http.server
import json
import threading
import time
import urllib.parse


class Refuse(Exception):
    """A request that the service would not take; `body` in the service's own form."""

    def __init__(self, status, body):
        super().__init__("%d %s" % (status, body))
        self.status = status
        self.body = body


class Request:
    def __init__(self, method, target, headers, body):
        url = urllib.parse.urlsplit(target)
        self.time = time.time()
        self.method = method
        self.path = urllib.parse.unquote(url.path)
        self.raw_path = url.path
        self.query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        self.headers = headers  # lower-case names
        self.body = body

    def json(self):
        """The body as JSON; refused with 400 unless it is declared and valid."""
        if self.headers.get("content-type", "").split(";")[0] != "application/json":
            raise Refuse(400, "Content-Type is not application/json")
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise Refuse(400, "not JSON: %s" % error) from error

    def form(self):
        """The body as a form; each field once."""
        if self.headers.get("content-type", "").split(";")[0] != "application/x-www-form-urlencoded":
            raise Refuse(400, "Content-Type is not a form's")
        pairs = urllib.parse.parse_qsl(self.body.decode(), keep_blank_values=True, strict_parsing=True)
        if len(pairs) != len(dict(pairs)):
            raise Refuse(400, "a field is given twice")
        return dict(pairs)


def known_keys(data, allowed, required=()):
    """Refuses keys that the documentation does not have, and missing ones."""
    unknown = sorted(set(data) - set(allowed))
    missing = sorted(set(required) - set(data))
    if unknown or missing:
        raise Refuse(400, {"message": "unknown %s, missing %s" % (unknown, missing)})


class Emulator:
    def __init__(self):
        emulator = self
        self.requests = []
        self.refusals = []
        self.failures = []  # answers put in front
        self.lock = threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(self.command, self.path, headers, body)
                with emulator.lock:
                    reply = emulator.reply(request)
                status, content, *more = reply
                if not isinstance(content, (bytes, str)):
                    content = json.dumps(content)
                if isinstance(content, str):
                    content = content.encode()
                self.send_response(status)
                for name, value in (more[0] if more else {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = "http://127.0.0.1:%d" % self.port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def fail(self, status, body=b"", headers=None, times=1):
        """The next `times` requests get this answer and change nothing."""
        with self.lock:
            self.failures += [(status, body, headers or {})] * times

    def reply(self, request):
        self.requests.append(request)
        if self.failures:
            return self.failures.pop(0)
        try:
            return self.handle(request)
        except Refuse as refused:
            self.refusals.append("%s %s: %s" % (request.method, request.path, refused))
            return refused.status, refused.body
        except Exception as error:  # what the emulator itself stumbles over is a wrong request too
            self.refusals.append("%s %s: %r" % (request.method, request.path, error))
            return 500, "emulator: %r" % error

    def handle(self, request):
        raise NotImplementedError

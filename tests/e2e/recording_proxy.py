"""A proxy between agent and alertd that keeps what alertd acknowledged.

Decodes remote write 2.0 by hand, so that alertd is not tested against its own decoder.
"""

import contextlib
import http.client
import http.server
import struct
import threading

from wire import fields, read_varint, unsnappy

STALE_BITS = 0x7FF0000000000002  # Prometheus's staleness marker


def samples_of(body):
    """Yields (labels as a sorted tuple, timestamp in ms, value) of a remote write 2.0 request."""
    message = list(fields(unsnappy(body)))
    symbols = [value.decode() for number, value in message if number == 4]
    for number, series in message:
        if number != 5:
            continue
        parts = list(fields(series))
        refs = []
        for packed in (value for field, value in parts if field == 1):
            at = 0
            while at < len(packed):
                ref, at = read_varint(packed, at)
                refs.append(symbols[ref])
        labels = tuple(sorted(zip(refs[::2], refs[1::2])))
        for one in (dict(fields(value)) for field, value in parts if field == 2):
            bits = one.get(1, bytes(8))
            if struct.unpack("<Q", bits)[0] != STALE_BITS:
                yield labels, one.get(2, 0), struct.unpack("<d", bits)[0]


class RecordingProxy:
    """Forwards POSTs to `port`; keeps each body that was answered with 2xx, and tells the sender after."""

    def __init__(self, port):
        proxy = self
        self.acknowledged = []  # bodies

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                with contextlib.closing(connection):
                    try:
                        connection.request("POST", self.path, body, dict(self.headers))
                        response = connection.getresponse()
                        answer = response.read()
                    except (OSError, http.client.HTTPException):
                        self.close_connection = True
                        return
                if response.status // 100 == 2:
                    proxy.acknowledged.append(body)
                self.send_response(response.status)
                for name, value in response.getheaders():
                    if name.lower() not in ("content-length", "connection", "date", "server"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

"""A remote read client of our own: written from the protocol, and proven on Debian's prometheus as the server.

Both forms of an answer become the same: for each query a list of (labels, [(timestamp_ms, bits of the value)]).
"""

import http.client

from harness import field, snappy_block, varint
from wire import fields, read_varint, unsnappy

SAMPLES, STREAMED = 0, 1
EQ, NEQ, RE, NRE = range(4)


def number(tag, value):
    return varint(tag << 3) + varint(value & (1 << 64) - 1)


def read_request(queries, forms):
    """`queries`: a list of (begin_ms, end_ms, [(type, name, value), ...])."""
    body = b""
    for begin, end, matchers in queries:
        one = number(1, begin) + number(2, end)
        for kind, name, value in matchers:
            one += field(3, number(1, kind) + field(2, name.encode()) + field(3, value.encode()))
        # A hint, as Prometheus sends: step, function, range.
        one += field(4, number(1, 15000) + field(2, b"rate") + number(3, begin) + number(4, end))
        body += field(1, one)
    return snappy_block(body + (field(2, b"".join(varint(form) for form in forms)) if forms else b""))


def post(port, body, headers=None):
    """Returns (status, headers in lower case, body)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/api/v1/read", body, dict({
        "Content-Type": "application/x-protobuf", "Content-Encoding": "snappy",
        "X-Prometheus-Remote-Read-Version": "0.1.0"}, **(headers or {})))
    response = connection.getresponse()
    answer = response.status, {n.lower(): v for n, v in response.getheaders()}, response.read()
    connection.close()
    return answer


# --- bytes back to values -----------------------------------------------------------------------------------


def signed(value, bits=64):
    return value - (1 << bits) if value >= 1 << (bits - 1) else value


def labels_of(message):
    parts = dict(fields(message))
    return parts.get(1, b"").decode(), parts.get(2, b"").decode()


def crc32c(data):
    total = 0xFFFFFFFF
    for byte in data:
        total ^= byte
        for _ in range(8):
            total = total >> 1 ^ (0x82F63B78 if total & 1 else 0)
    return total ^ 0xFFFFFFFF


class Bits:
    def __init__(self, data):
        self.value = int.from_bytes(data, "big")
        self.left = len(data) * 8

    def take(self, count):
        self.left -= count
        assert self.left >= 0
        return self.value >> self.left & (1 << count) - 1

    def varint(self):
        value = shift = 0
        while True:
            byte = self.take(8)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7


def xor_samples(data):
    """Prometheus's docs/format/chunks.md, "XOR chunk data"."""
    bits = Bits(data)
    count = bits.take(16)
    zigzag = bits.varint()
    time, value, delta = zigzag >> 1 ^ -(zigzag & 1), bits.take(64), 0
    leading = trailing = 0
    out = [(time, value)]
    while len(out) < count:
        if len(out) == 1:
            delta = bits.varint()
        else:
            prefix = 0
            while prefix < 4 and bits.take(1):
                prefix += 1
            if prefix:
                width = [0, 14, 17, 20, 64][prefix]
                raw = bits.take(width)
                delta += raw - (1 << width) if raw > 1 << (width - 1) else raw
        time += delta
        if bits.take(1):
            if bits.take(1):
                leading, significant = bits.take(5), bits.take(6) or 64
                trailing = 64 - leading - significant
            value ^= bits.take(64 - leading - trailing) << trailing
        out.append((time, value))
    return out


def sampled(body, queries):
    results = []
    for _, result in fields(unsnappy(body)):
        series = []
        for _, one in fields(result):
            labels, samples = {}, []
            for tag, part in fields(one):
                if tag == 1:
                    name, value = labels_of(part)
                    labels[name] = value
                else:
                    sample = dict(fields(part))
                    samples.append((signed(sample.get(2, 0)), int.from_bytes(sample.get(1, b""), "little")))
            series.append((labels, samples))
        results.append(series)
    assert len(results) == queries
    return results


def streamed(body, queries, chunks=None):
    """Also appends (labels, bytes of the chunk) to `chunks`, if given; frames of one series follow each other."""
    results = [[] for _ in range(queries)]
    at = 0
    while at < len(body):
        size, at = read_varint(body, at)
        checksum, message = body[at:at + 4], body[at + 4:at + 4 + size]
        at += 4 + size
        assert int.from_bytes(checksum, "big") == crc32c(message), "checksum"
        index, frames = 0, []
        for tag, value in fields(message):
            if tag == 1:
                frames.append(value)
            else:
                index = value
        for frame in frames:
            labels, samples = {}, []
            for tag, part in fields(frame):
                if tag == 1:
                    name, value = labels_of(part)
                    labels[name] = value
                    continue
                chunk = dict(fields(part))
                assert chunk[3] == 1, "encoding"
                decoded = xor_samples(chunk[4])
                assert decoded[0][0] == signed(chunk.get(1, 0)) and decoded[-1][0] == signed(chunk.get(2, 0))
                samples += decoded
                if chunks is not None:
                    chunks.append((labels, chunk[4]))
            if results[index] and results[index][-1][0] == labels:
                results[index][-1][1].extend(samples)
            else:
                results[index].append((labels, samples))
    return results

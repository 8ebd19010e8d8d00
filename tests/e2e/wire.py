"""Protobuf and snappy read by hand, so that our programs are not tested against their own decoders."""


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def fields(data):
    """Yields (number, value) of a message: a varint is an int, all else bytes; groups do not occur."""
    at = 0
    while at < len(data):
        tag, at = read_varint(data, at)
        if tag & 7 == 0:
            value, at = read_varint(data, at)
        else:
            size = 8 if tag & 7 == 1 else 4
            if tag & 7 == 2:
                size, at = read_varint(data, at)
            assert tag & 7 in (1, 2, 5), tag
            value, at = data[at:at + size], at + size
        yield tag >> 3, value


def unsnappy(data):
    """The snappy block format (google/snappy, format_description.txt)."""
    wanted, at = read_varint(data, 0)
    out = bytearray()
    while at < len(data):
        tag = data[at]
        at += 1
        if tag & 3 == 0:
            size = (tag >> 2) + 1
            if size > 60:
                width = size - 60
                size = int.from_bytes(data[at:at + width], "little") + 1
                at += width
            out += data[at:at + size]
            at += size
            continue
        if tag & 3 == 1:
            size, offset = (tag >> 2 & 7) + 4, (tag >> 5) << 8 | data[at]
            at += 1
        else:
            width = 2 if tag & 3 == 2 else 4
            size, offset = (tag >> 2) + 1, int.from_bytes(data[at:at + width], "little")
            at += width
        for _ in range(size):
            out.append(out[-offset])
    assert len(out) == wanted
    return bytes(out)

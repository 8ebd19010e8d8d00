"""The ground of the pagers' emulators, above base.py: bodies as JSON or forms, known keys only.

A subclass answers in `handle(request)`: it returns (status, body), or raises Refuse. `refused` (base.py) keeps
every refusal; each test ends by asserting that there is none.
"""

import json
import urllib.parse

from emulators.base import Emulator as Base
from emulators.base import Refusal


class Refuse(Refusal):
    """A request that the service would not take; `body` in the service's own form."""


class Strict:
    """A request as the pagers' emulators read it: each query parameter once, the path undecoded beside."""

    def __init__(self, request):
        self.method = request.method
        self.path = request.path
        self.query = {name: values[0] for name, values in request.query.items()}
        self.headers = request.headers
        self.body = request.raw
        self.type = request.type

    def json(self):
        """The body as JSON; refused with 400 unless it is declared and valid."""
        if self.type != "application/json":
            raise Refuse(400, "Content-Type is not application/json")
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise Refuse(400, "not JSON: %s" % error) from error

    def form(self):
        """The body as a form; each field once."""
        if self.type != "application/x-www-form-urlencoded":
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


class Emulator(Base):
    def rate_limited(self):
        return 429, {"message": "too many requests"}, {"Retry-After": "1"}

    def answer(self, request):
        return self.handle(Strict(request))

    def handle(self, request):
        raise NotImplementedError

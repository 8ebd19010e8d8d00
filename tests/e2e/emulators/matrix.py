"""Matrix: PUT of m.room.message events with transaction ids, threads and replacements."""

import json
import re

from emulators.base import Emulator, Message, Refusal, only

CONTENT = {"msgtype", "body", "format", "formatted_body", "m.mentions", "m.relates_to", "m.new_content"}


class Matrix(Emulator):
    TOKEN = "syt_secret"
    ROOM = "!ops:example.org"

    def __init__(self):
        super().__init__()
        self.transactions = {}

    def refuse(self, status, code, text):
        raise Refusal(status, {"errcode": code, "error": text})

    def rate_limited(self):
        return 429, {"errcode": "M_LIMIT_EXCEEDED", "error": "Too many requests", "retry_after_ms": 700}, {}

    def answer(self, request):
        match = re.fullmatch(r"/_matrix/client/v3/rooms/([^/]+)/send/m\.room\.message/([\w.-]+)", request.path)
        if not match:
            self.refuse(404, "M_UNRECOGNIZED", "unknown endpoint")
        if request.method != "PUT":
            self.refuse(405, "M_UNRECOGNIZED", "PUT only")
        if "authorization" not in request.headers:
            self.refuse(401, "M_MISSING_TOKEN", "no token")
        if request.headers["authorization"] != "Bearer " + self.TOKEN:
            self.refuse(401, "M_UNKNOWN_TOKEN", "token")
        if match.group(1) != self.ROOM:
            self.refuse(403, "M_FORBIDDEN", "not in the room")
        transaction = match.group(2)
        if transaction in self.transactions:  # the same event again
            return 200, {"event_id": self.transactions[transaction]}
        if len(request.raw) > 65000:
            self.refuse(413, "M_TOO_LARGE", "event too large")
        if request.type != "application/json":
            self.refuse(400, "M_NOT_JSON", "content type")
        event = self.take(json.loads(request.raw))
        self.transactions[transaction] = event
        return 200, {"event_id": event}

    def check(self, content):
        only(content, CONTENT, lambda name: self.refuse(400, "M_BAD_JSON", "unknown field " + name))
        if content.get("msgtype") not in ("m.text", "m.notice") or not isinstance(content.get("body"), str):
            self.refuse(400, "M_BAD_JSON", "msgtype and body are required")
        if "formatted_body" in content and content.get("format") != "org.matrix.custom.html":
            self.refuse(400, "M_BAD_JSON", "format")
        if content.get("m.mentions") != {}:
            self.refuse(400, "M_BAD_JSON", "test: somebody is mentioned")

    def take(self, content):
        self.check(content)
        event = "$event%d" % next(self.numbers)
        relation = content.get("m.relates_to")
        if relation is None:
            self.messages.append(Message(event, content["body"]))
            return event
        target = self.find(relation.get("event_id"))
        if target is None:
            self.refuse(404, "M_NOT_FOUND", "related event")
        if relation["rel_type"] == "m.replace":
            if "m.new_content" not in content:
                self.refuse(400, "M_BAD_JSON", "m.new_content is missing")
            self.check(content["m.new_content"])
            target.edit(content["m.new_content"]["body"])
        elif relation["rel_type"] == "m.thread":
            if target.thread is not None:
                self.refuse(400, "M_UNKNOWN", "cannot start threads from an event with a relation")
            self.messages.append(Message(event, content["body"], target.id))
        else:
            self.refuse(400, "M_BAD_JSON", "rel_type")
        return event

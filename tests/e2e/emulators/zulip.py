"""Zulip: messages by form with basic authentication; a topic is the thread."""

import base64
import re

from emulators.base import Emulator, Message, Refusal, only


class Zulip(Emulator):
    EMAIL, KEY = "tocsin-bot@example.org", "api-secret"
    STREAM = "ops"

    def __init__(self):
        super().__init__()
        self.edits_allowed = True

    def refuse(self, status, code, message):
        raise Refusal(status, {"result": "error", "code": code, "msg": message})

    def rate_limited(self):
        return 429, {"result": "error", "code": "RATE_LIMIT_HIT", "msg": "API usage exceeded rate limit",
                     "retry-after": 0.7}, {"Retry-After": "1"}

    def answer(self, request):
        wanted = "Basic " + base64.b64encode(("%s:%s" % (self.EMAIL, self.KEY)).encode()).decode()
        if request.headers.get("authorization") != wanted:
            self.refuse(401, "UNAUTHORIZED", "Malformed API key")
        if request.type != "application/x-www-form-urlencoded":
            self.refuse(400, "REQUEST_VARIABLE_MISSING", "Missing 'content' argument")
        form = request.form()
        if "content" in form and (len(form["content"]) > 10000 or not form["content"].strip()):
            self.refuse(400, "BAD_REQUEST", "Message length")
        if re.search(r"@\*\*(all|everyone|channel|topic)\*\*", form.get("content", "")):
            self.refuse(400, "BAD_REQUEST", "test: a label mentions everybody")
        if request.path == "/api/v1/messages" and request.method == "POST":
            return self.post(form)
        match = re.fullmatch(r"/api/v1/messages/(\d+)", request.path)
        if match and request.method == "PATCH":
            return self.edit(int(match.group(1)), form)
        self.refuse(404, "BAD_REQUEST", "unknown endpoint")

    def post(self, form):
        only(form, {"type", "to", "topic", "content"},
             lambda name: self.refuse(400, "BAD_REQUEST", "unknown parameter " + name))
        if form.get("type") not in ("stream", "channel"):
            self.refuse(400, "BAD_REQUEST", "Invalid type")
        if form.get("to") != self.STREAM:
            self.refuse(400, "STREAM_DOES_NOT_EXIST", "Channel '%s' does not exist" % form.get("to"))
        if not form.get("topic") or len(form["topic"]) > 60:
            self.refuse(400, "BAD_REQUEST", "topic")
        identifier = next(self.numbers)
        known = any(one.topic == form["topic"] for one in self.messages)
        message = Message(identifier, form["content"], form["topic"] if known else None)
        message.topic = form["topic"]
        self.messages.append(message)
        return 200, {"result": "success", "msg": "", "id": identifier}

    def edit(self, identifier, form):
        only(form, {"content", "topic", "propagate_mode", "stream_id"},
             lambda name: self.refuse(400, "BAD_REQUEST", "unknown parameter " + name))
        message = self.find(identifier)
        if message is None:
            self.refuse(400, "BAD_REQUEST", "Invalid message(s)")
        if not self.edits_allowed:
            raise Refusal(400, {"result": "error", "code": "BAD_REQUEST",
                                "msg": "The time limit for editing this message has passed"})
        message.edit(form["content"])
        return 200, {"result": "success", "msg": ""}

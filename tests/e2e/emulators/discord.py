"""Discord's webhooks: execute with wait=true, edit, and the limits of embeds."""

import json
import re

from emulators.base import Emulator, Message, Refusal, only, utf16_length

EMBED = {"title", "type", "description", "url", "timestamp", "color", "footer", "fields", "author"}
EXECUTE = {"content", "username", "avatar_url", "tts", "embeds", "allowed_mentions", "flags", "thread_name"}
EDIT = {"content", "embeds", "allowed_mentions", "flags"}


class Discord(Emulator):
    ID, TOKEN = "115", "hook-secret"

    def hook(self):
        return "%s/api/webhooks/%s/%s" % (self.url, self.ID, self.TOKEN)

    def refuse(self, status, code, message):
        raise Refusal(status, {"code": code, "message": message})

    def rate_limited(self):
        return 429, {"message": "You are being rate limited.", "retry_after": 0.64, "global": False}, {
            "Retry-After": "1", "X-RateLimit-Scope": "user"}

    def answer(self, request):
        match = re.fullmatch(r"/api/webhooks/(\d+)/([^/]+)(/messages/(\w+))?", request.path)
        if not match or match.group(1) != self.ID:
            self.refuse(404, 10015, "Unknown Webhook")
        if match.group(2) != self.TOKEN:
            self.refuse(401, 50027, "Invalid Webhook Token")
        if request.type != "application/json":
            self.refuse(400, 50109, "The request body contains invalid JSON.")
        body = json.loads(request.raw)
        if match.group(4) is not None:
            if request.method != "PATCH":
                self.refuse(405, 0, "405: Method Not Allowed")
            return self.edit(match.group(4), body)
        if request.method != "POST":
            self.refuse(405, 0, "405: Method Not Allowed")
        return self.execute(request, body)

    def content(self, body, fields):
        def bad(what):
            self.refuse(400, 50035, "Invalid Form Body: " + what)

        only(body, fields, bad)
        if utf16_length(body.get("content", "")) > 2000:
            bad("content: Must be 2000 or fewer in length.")
        if body.get("allowed_mentions") != {"parse": []}:
            bad("test: somebody could be mentioned")
        texts = [body.get("content", "")]
        colour = None
        for embed in body.get("embeds", []):
            only(embed, EMBED, bad)
            if utf16_length(embed.get("title", "")) > 256 or utf16_length(embed.get("description", "")) > 4096:
                bad("embed: too long")
            if utf16_length(embed.get("title", "") + embed.get("description", "")) > 6000:
                bad("embed: more than 6000 in all")
            if not 0 <= embed.get("color", 0) <= 0xffffff:
                bad("color")
            if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", embed["timestamp"]):
                bad("timestamp")
            colour = "#%06x" % embed["color"]
            texts += [embed["title"], embed["description"]]
        if not any(texts):
            self.refuse(400, 50006, "Cannot send an empty message")
        return re.sub(r"\\([^\w\s])", r"\1", "\n".join(texts)), colour

    def execute(self, request, body):
        text, colour = self.content(body, EXECUTE)
        identifier = "9%017d" % next(self.numbers)
        self.messages.append(Message(identifier, text, None, colour))
        if request.query.get("wait") == ["true"]:
            return 200, {"id": identifier, "content": body.get("content", "")}
        return 204, ""

    def edit(self, identifier, body):
        message = self.find(identifier)
        if message is None:
            self.refuse(404, 10008, "Unknown Message")
        message.edit(*self.content(body, EDIT))
        return 200, {"id": identifier}

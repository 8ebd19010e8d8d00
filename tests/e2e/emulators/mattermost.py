"""Mattermost: /api/v4/posts with threads and patches, and an incoming webhook."""

import json
import re

from emulators.base import Emulator, Message, Refusal, only

ATTACHMENT = {"fallback", "color", "pretext", "title", "title_link", "text", "fields", "footer"}


def unescape(text):
    return re.sub(r"\\([^\w\s])", r"\1", text)


class Mattermost(Emulator):
    TOKEN = "bot-secret"
    CHANNEL = "c2345678901234567890123456"
    HOOK = "/hooks/xxx-generated"

    def refuse(self, status, identifier, message=""):
        raise Refusal(status, {"id": identifier, "message": message, "status_code": status})

    def rate_limited(self):
        return 429, "limit exceeded", {"X-RateLimit-Reset": "1", "Retry-After": "1"}

    def answer(self, request):
        if request.type != "application/json":
            self.refuse(400, "api.context.invalid_body_param.app_error", "content type")
        body = json.loads(request.raw)
        if request.path == self.HOOK and request.method == "POST":
            return self.hook(body)
        if request.path.startswith("/hooks/"):
            self.refuse(400, "web.incoming_webhook.invalid.app_error")
        if request.headers.get("authorization") != "Bearer " + self.TOKEN:
            self.refuse(401, "api.context.session_expired.app_error")
        if request.path == "/api/v4/posts" and request.method == "POST":
            return self.post(body)
        match = re.fullmatch(r"/api/v4/posts/(\w+)/patch", request.path)
        if match and request.method == "PUT":
            return self.patch(match.group(1), body)
        self.refuse(404, "api.context.404.app_error")

    def content(self, text, attachments):
        if len(text) > 16383:
            self.refuse(400, "model.post.is_valid.message_length.app_error")
        colour = None
        texts = [text]
        for one in attachments:
            only(one, ATTACHMENT, lambda name: self.refuse(400, "api.context.invalid_body_param.app_error", name))
            colour = one["color"]
            texts += [one["title"], one["text"]]
        joined = "\n".join(texts)
        if re.search(r"@(all|channel|here)\b", joined):
            self.refuse(400, "test: a label mentions everybody")
        return unescape(joined), colour

    def hook(self, body):
        only(body, {"text", "channel", "username", "icon_url", "icon_emoji", "attachments", "type", "props",
                    "priority"}, lambda name: self.refuse(400, "web.incoming_webhook.parse.app_error", name))
        text, colour = self.content(body.get("text", ""), body.get("attachments", []))
        self.messages.append(Message(next(self.numbers), text, None, colour))
        return 200, "ok"

    def post(self, body):
        only(body, {"channel_id", "message", "root_id", "file_ids", "props", "metadata"},
             lambda name: self.refuse(400, "api.context.invalid_body_param.app_error", name))
        if body.get("channel_id") != self.CHANNEL:
            self.refuse(403, "api.context.permissions.app_error")
        root = body.get("root_id") or None
        if root is not None and (self.find(root) is None or self.find(root).thread):
            self.refuse(400, "api.post.create_post.root_id.app_error")
        text, colour = self.content(body.get("message", ""), body.get("props", {}).get("attachments", []))
        identifier = "p%025d" % next(self.numbers)
        self.messages.append(Message(identifier, text, root, colour))
        return 201, {"id": identifier, "channel_id": self.CHANNEL, "root_id": root or ""}

    def patch(self, identifier, body):
        only(body, {"message", "is_pinned", "file_ids", "has_reactions", "props"},
             lambda name: self.refuse(400, "api.context.invalid_body_param.app_error", name))
        message = self.find(identifier)
        if message is None:
            self.refuse(404, "app.post.get.app_error")
        message.edit(*self.content(body.get("message", ""), body.get("props", {}).get("attachments", [])))
        return 200, {"id": identifier}

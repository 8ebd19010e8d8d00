"""Slack's Web API: chat.postMessage and chat.update. Mistakes are answered with status 200."""

import json

from emulators.base import Emulator, Message, Refusal, only

ATTACHMENT = {"color", "title", "title_link", "text", "fallback", "footer", "ts", "fields", "mrkdwn_in"}
POST = {"channel", "text", "attachments", "blocks", "thread_ts", "reply_broadcast", "username", "icon_emoji",
        "unfurl_links", "unfurl_media", "mrkdwn", "metadata"}
UPDATE = {"channel", "ts", "text", "attachments", "blocks", "reply_broadcast", "metadata"}


class Slack(Emulator):
    TOKEN = "xoxb-1-secret"
    CHANNEL, CHANNEL_ID = "#ops", "C0OPS"

    def rate_limited(self):
        return 429, {"ok": False, "error": "ratelimited"}, {"Retry-After": "1"}

    def refuse(self, error):
        raise Refusal(200, {"ok": False, "error": error})

    def answer(self, request):
        if request.method != "POST" or not request.path.startswith("/api/"):
            raise Refusal(404, "not found")
        if request.headers.get("authorization") != "Bearer " + self.TOKEN:
            self.refuse("invalid_auth" if "authorization" in request.headers else "not_authed")
        if request.type != "application/json" or "charset=utf-8" not in request.headers["content-type"]:
            self.refuse("invalid_post_type")
        body = json.loads(request.raw)
        if request.path == "/api/chat.postMessage":
            return self.post(body)
        if request.path == "/api/chat.update":
            return self.update(body)
        self.refuse("unknown_method")

    def check(self, body, fields):
        only(body, fields, lambda name: self.refuse("invalid_arguments: " + name))
        if not body.get("text") and not body.get("attachments"):
            self.refuse("no_text")
        if len(body.get("text", "")) > 40000:
            self.refuse("msg_too_long")
        for attachment in body.get("attachments", []):
            only(attachment, ATTACHMENT, lambda name: self.refuse("invalid_attachments: " + name))
            if len(attachment.get("text", "")) > 3000:
                self.refuse("msg_too_long")
        for text in [body.get("text", "")] + [one.get("text", "") for one in body.get("attachments", [])]:
            for special in ("<!channel", "<!here", "<!everyone", "<@"):
                if special in text:
                    self.refuse("test: a label shouts " + special)

    def content(self, body):
        attachments = body.get("attachments", [])
        text = "\n".join([body.get("text", "")] + [one["title"] + "\n" + one["text"] for one in attachments])
        return text, attachments[0]["color"] if attachments else None

    def post(self, body):
        self.check(body, POST)
        if body.get("channel") not in (self.CHANNEL, self.CHANNEL_ID):
            self.refuse("channel_not_found")
        thread = body.get("thread_ts")
        if thread is not None and (self.find(thread) is None or self.find(thread).thread):
            self.refuse("thread_not_found")
        ts = "1700000000.%06d" % next(self.numbers)
        text, colour = self.content(body)
        self.messages.append(Message(ts, text, thread, colour))
        return 200, {"ok": True, "channel": self.CHANNEL_ID, "ts": ts, "message": {"text": body.get("text")}}

    def update(self, body):
        self.check(body, UPDATE)
        if body.get("channel") != self.CHANNEL_ID:  # a name is not enough here
            self.refuse("channel_not_found")
        message = self.find(body.get("ts"))
        if message is None:
            self.refuse("message_not_found")
        message.edit(*self.content(body))
        return 200, {"ok": True, "channel": self.CHANNEL_ID, "ts": message.id, "text": body.get("text")}

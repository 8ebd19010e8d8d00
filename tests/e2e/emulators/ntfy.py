"""ntfy: what a subscriber's phone shows, one entry for each sequence id."""

import email.header

from emulators.strict_http import Emulator, Refuse


def decoded(text):
    return str(email.header.make_header(email.header.decode_header(text)))


class Ntfy(Emulator):
    def __init__(self, topic, token):
        super().__init__()
        self.topic = topic
        self.token = token
        self.messages = []  # every message, in order
        self.shown = {}     # sequence id -> the last message

    def handle(self, request):
        if request.method not in ("POST", "PUT") or request.path != "/" + self.topic:
            raise Refuse(404, {"code": 40401, "error": "page not found"})
        if request.headers.get("authorization") != "Bearer " + self.token:
            raise Refuse(403, {"code": 40301, "error": "forbidden"})
        if len(request.body) > 4096:
            raise Refuse(400, {"code": 40001, "error": "the text would become an attachment"})
        headers = request.headers
        for name, value in headers.items():
            if not value.isascii():
                raise Refuse(400, {"error": "header %s is not ASCII" % name})
        priority = headers.get("priority", "3")
        if priority not in "12345" or len(priority) != 1:
            raise Refuse(400, {"code": 40007, "error": "invalid request: priority invalid"})
        click = headers.get("click", "")
        if click and not click.startswith(("http://", "https://", "mailto:", "tel:", "ntfy:")):
            raise Refuse(400, {"error": "click"})
        actions = [one.strip() for one in headers.get("actions", "").split(";") if one.strip()]
        if len(actions) > 3 or any(one.split(",")[0] not in ("view", "http", "broadcast")
                                   for one in actions):
            raise Refuse(400, {"code": 40018, "error": "invalid request: actions invalid"})
        message = {"title": decoded(headers.get("title", "")), "priority": int(priority),
                   "tags": decoded(headers.get("tags", "")).split(","), "click": click,
                   "actions": actions, "message": request.body.decode()}
        self.messages.append(message)
        self.shown[headers.get("x-sequence-id", str(len(self.messages)))] = message
        return 200, {"id": "m%d" % len(self.messages), "event": "message", "topic": self.topic}

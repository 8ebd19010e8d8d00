"""Google Chat: spaces.messages.create by a space's webhook, with threadKey and requestId."""

import json

from emulators.base import Emulator, Message, Refusal, only


class GoogleChat(Emulator):
    def __init__(self):
        super().__init__()
        self.request_ids = {}
        self.threads = set()

    def hook(self):
        return self.url + "/v1/spaces/AAAA/messages?key=k1&token=t1-secret"

    def refuse(self, code, status, message):
        raise Refusal(code, {"error": {"code": code, "message": message, "status": status}})

    def rate_limited(self):
        return 429, {"error": {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED"}}, {
            "Retry-After": "1"}

    def answer(self, request):
        if request.query.get("key") != ["k1"] or request.query.get("token") != ["t1-secret"]:
            self.refuse(403, "PERMISSION_DENIED", "key or token")
        if request.method != "POST" or request.path != "/v1/spaces/AAAA/messages":
            self.refuse(404, "NOT_FOUND", "space")
        if request.type != "application/json":
            self.refuse(400, "INVALID_ARGUMENT", "content type")
        only(request.query, {"key", "token", "requestId", "messageReplyOption", "messageId"},
             lambda name: self.refuse(400, "INVALID_ARGUMENT", "unknown parameter " + name))
        body = json.loads(request.raw)
        only(body, {"text", "cardsV2", "thread", "fallbackText"},
             lambda name: self.refuse(400, "INVALID_ARGUMENT", "Unknown name \"%s\"" % name))
        if not body.get("text") or len(body["text"]) > 4096:
            self.refuse(400, "INVALID_ARGUMENT", "text")
        if "<users/" in body["text"]:
            self.refuse(400, "INVALID_ARGUMENT", "test: a label mentions everybody")
        request_id = request.query.get("requestId", [None])[0]
        if request_id in self.request_ids:
            return 200, {"name": self.request_ids[request_id]}
        key = body.get("thread", {}).get("threadKey")
        if key is not None and request.query.get("messageReplyOption") != [
                "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD"]:
            self.refuse(400, "INVALID_ARGUMENT", "messageReplyOption")
        known = key in self.threads
        self.threads.add(key)
        name = "spaces/AAAA/messages/%d" % next(self.numbers)
        self.messages.append(Message(name, body["text"], key if known else None))
        if request_id:
            self.request_ids[request_id] = name
        return 200, {"name": name, "thread": {"name": "spaces/AAAA/threads/T"}}

"""Rocket.Chat: chat.postMessage, chat.update."""

import json

from emulators.base import Emulator, Message, Refusal, only
from emulators.mattermost import unescape


class RocketChat(Emulator):
    USER, TOKEN = "uid1", "personal-secret"
    CHANNEL, ROOM = "#ops", "GENERAL9"

    def refuse(self, status, error, kind=None):
        body = {"success": False, "error": error}
        if kind:
            body["errorType"] = kind
        raise Refusal(status, body)

    def rate_limited(self):
        return 429, {"success": False, "error": "Error, too many requests. Please slow down. You must wait 1 "
                     "seconds before trying this endpoint again. [error-too-many-requests]"}, {}

    def answer(self, request):
        if (request.headers.get("x-auth-token"), request.headers.get("x-user-id")) != (self.TOKEN, self.USER):
            raise Refusal(401, {"status": "error", "message": "You must be logged in to do this."})
        if request.type != "application/json" or request.method != "POST":
            self.refuse(405, "method or content type")
        body = json.loads(request.raw)
        if request.path == "/api/v1/chat.postMessage":
            return self.post(body)
        if request.path == "/api/v1/chat.update":
            return self.update(body)
        self.refuse(404, "unknown endpoint")

    def text_of(self, body):
        text = body.get("text", "")
        if not text:
            self.refuse(400, "The 'text' is required", "error-params")
        if len(text) > 5000:
            self.refuse(400, "Message size exceeds Message_MaxAllowedSize", "error-message-size-exceeded")
        return unescape(text)

    def post(self, body):
        only(body, {"channel", "roomId", "text", "alias", "emoji", "avatar", "attachments", "tmid", "tshow",
                    "parseUrls"}, lambda name: self.refuse(400, "must NOT have additional properties: " + name,
                                                           "invalid-params"))
        if body.get("channel") != self.CHANNEL:
            self.refuse(400, "invalid-channel", "invalid-channel")
        thread = body.get("tmid")
        if thread is not None and self.find(thread) is None:
            self.refuse(400, "Invalid message", "error-invalid-message")
        identifier = "m%d" % next(self.numbers)
        self.messages.append(Message(identifier, self.text_of(body), thread))
        return 200, {"success": True, "channel": self.CHANNEL, "ts": 1,
                     "message": {"_id": identifier, "rid": self.ROOM, "msg": body["text"]}}

    def update(self, body):
        only(body, {"roomId", "msgId", "text", "previewUrls", "customFields"},
             lambda name: self.refuse(400, "must NOT have additional properties: " + name, "invalid-params"))
        message = self.find(body.get("msgId"))
        if message is None:
            self.refuse(400, 'No message found with the id of "%s".' % body.get("msgId"))
        if body.get("roomId") != self.ROOM:
            self.refuse(400, "The room id provided does not match where the message is from.")
        message.edit(self.text_of(body))
        return 200, {"success": True, "message": {"_id": message.id, "rid": self.ROOM}}

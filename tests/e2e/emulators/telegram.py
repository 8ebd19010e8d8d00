"""Telegram's Bot API: sendMessage, editMessageText, with its HTML and its lengths."""

import html
import html.parser
import json
import re

from emulators.base import Emulator, Message, Refusal, only, utf16_length

TAGS = {"b", "strong", "i", "em", "u", "ins", "s", "strike", "del", "a", "code", "pre", "blockquote", "tg-spoiler"}
SEND = {"chat_id", "message_thread_id", "text", "parse_mode", "link_preview_options", "disable_notification",
        "protect_content", "reply_parameters"}
EDIT = {"chat_id", "message_id", "text", "parse_mode", "link_preview_options"}


class _Markup(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=False)
        self.open = []
        self.text = ""

    def handle_starttag(self, tag, attributes):
        if tag not in TAGS:
            raise ValueError('Unsupported start tag "%s"' % tag)
        self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            raise ValueError('Unexpected end tag "%s"' % tag)

    def handle_data(self, data):
        if "<" in data or ">" in data or "&" in data:
            raise ValueError("a bare sign of markup")
        self.text += data

    def handle_entityref(self, name):
        if name not in ("lt", "gt", "amp", "quot"):
            raise ValueError("unknown entity " + name)
        self.text += html.unescape("&%s;" % name)

    def handle_charref(self, name):
        self.text += html.unescape("&#%s;" % name)


def read_html(text):
    parser = _Markup()
    parser.feed(text)
    parser.close()
    if parser.open:
        raise ValueError("Can't find end tag corresponding to start tag " + parser.open[-1])
    return parser.text


class Telegram(Emulator):
    TOKEN = "123456:ABC-secret"
    CHAT, TOPIC = -1001234567890, 17

    def refuse(self, status, description, **parameters):
        body = {"ok": False, "error_code": status, "description": description}
        if parameters:
            body["parameters"] = parameters
        raise Refusal(status, body)

    def rate_limited(self):
        return 429, {"ok": False, "error_code": 429, "description": "Too Many Requests: retry after 1",
                     "parameters": {"retry_after": 1}}, {}

    def answer(self, request):
        match = re.fullmatch(r"/bot([^/]+)/(\w+)", request.path)
        if not match:
            self.refuse(404, "Not Found")
        if match.group(1) != self.TOKEN:
            self.refuse(401, "Unauthorized")
        if request.type != "application/json":
            self.refuse(400, "Bad Request: message text is empty")
        body = json.loads(request.raw)
        if match.group(2) == "sendMessage":
            return self.send(body)
        if match.group(2) == "editMessageText":
            return self.edit(body)
        self.refuse(404, "Not Found")

    def text_of(self, body, fields):
        only(body, fields, lambda name: self.refuse(400, "Bad Request: unknown field " + name))
        if body.get("chat_id") != self.CHAT:
            self.refuse(400, "Bad Request: chat not found")
        text = body.get("text", "")
        if body.get("parse_mode") == "HTML":
            try:
                text = read_html(text)
            except ValueError as mistake:
                self.refuse(400, "Bad Request: can't parse entities: %s" % mistake)
        elif "parse_mode" in body:
            self.refuse(400, "Bad Request: unsupported parse_mode")
        if not text.strip():
            self.refuse(400, "Bad Request: message text is empty")
        if utf16_length(text) > 4096:
            self.refuse(400, "Bad Request: message is too long")
        return text

    def send(self, body):
        text = self.text_of(body, SEND)
        if body.get("message_thread_id", self.TOPIC) != self.TOPIC:
            self.refuse(400, "Bad Request: message thread not found")
        reply = body.get("reply_parameters")
        thread = None
        if reply is not None:
            only(reply, {"message_id", "chat_id", "allow_sending_without_reply", "quote"},
                 lambda name: self.refuse(400, "Bad Request: unknown field " + name))
            thread = reply["message_id"]
            if self.find(thread) is None:
                if not reply.get("allow_sending_without_reply"):
                    self.refuse(400, "Bad Request: message to be replied not found")
                thread = None
        number = next(self.numbers)
        self.messages.append(Message(number, text, thread))
        return 200, {"ok": True, "result": {"message_id": number, "chat": {"id": self.CHAT}, "text": text}}

    def edit(self, body):
        text = self.text_of(body, EDIT)
        message = self.find(body.get("message_id"))
        if message is None:
            self.refuse(400, "Bad Request: message to edit not found")
        if message.text == text:
            self.refuse(400, "Bad Request: message is not modified: specified new message content and reply "
                             "markup are exactly the same as a current content and reply markup of the message")
        message.edit(text)
        return 200, {"ok": True, "result": {"message_id": message.id, "text": text}}

"""A workflow of Microsoft Teams that posts Adaptive Cards: their schema as of version 1.4, and 28 KB."""

import json

from emulators.base import Emulator, Message, Refusal

SCHEMA = {  # type -> (required, optional)
    "AdaptiveCard": ({"type", "version", "body"}, {"$schema", "fallbackText", "msteams", "actions", "lang", "speak"}),
    "Container": ({"type", "items"}, {"style", "bleed", "spacing", "separator"}),
    "TextBlock": ({"type", "text"}, {"size", "weight", "color", "wrap", "spacing", "isSubtle"}),
    "RichTextBlock": ({"type", "inlines"}, {"horizontalAlignment", "spacing", "separator"}),
    "TextRun": ({"type", "text"}, {"size", "weight", "color", "isSubtle", "fontType"}),
    "FactSet": ({"type", "facts"}, {"spacing"}),
    "Action.OpenUrl": ({"type", "title", "url"}, {"style", "iconUrl"}),
}
VALUES = {
    "style": {"default", "emphasis", "good", "attention", "warning", "accent", "positive", "destructive"},
    "size": {"default", "small", "medium", "large", "extraLarge"},
    "weight": {"default", "lighter", "bolder"},
    "spacing": {"none", "small", "default", "medium", "large", "extraLarge", "padding"},
}


class Teams(Emulator):
    def hook(self):
        return self.url + "/workflows/abc/triggers/manual/paths/invoke?api-version=2016-06-01&sig=secret"

    def refuse(self, code, message, status=400):
        raise Refusal(status, {"error": {"code": code, "message": message}})

    def rate_limited(self):
        return 429, {"error": {"code": "TooManyRequests", "message": "slow down"}}, {"Retry-After": "1"}

    def answer(self, request):
        if request.query.get("sig") != ["secret"]:
            self.refuse("DirectApiAuthorizationRequired", "sig", 401)
        if request.method != "POST" or request.path != "/workflows/abc/triggers/manual/paths/invoke":
            self.refuse("WorkflowNotFound", "path", 404)
        if request.type != "application/json":
            self.refuse("InvalidRequestContent", "content type")
        if len(request.raw) > 28 * 1024:
            self.refuse("RequestEntityTooLarge", "%d bytes" % len(request.raw), 413)
        body = json.loads(request.raw)
        if set(body) != {"type", "attachments"} or body["type"] != "message" or len(body["attachments"]) != 1:
            self.refuse("InvalidBody", "message with one attachment")
        attachment = body["attachments"][0]
        if attachment.get("contentType") != "application/vnd.microsoft.card.adaptive":
            self.refuse("InvalidBody", "contentType")
        card = attachment["content"]
        if card.get("version") not in ("1.2", "1.3", "1.4", "1.5"):
            self.refuse("InvalidBody", "version")
        texts = []
        self.element(card, "AdaptiveCard", texts)
        style = next((one["style"] for one in card["body"] if "style" in one), None)
        self.messages.append(Message(next(self.numbers), "\n".join(texts), None, style))
        return 202, ""

    def element(self, element, wanted, texts):
        kind = element.get("type")
        if kind not in SCHEMA or (wanted and kind != wanted):
            self.refuse("InvalidCard", "element %r" % kind)
        required, optional = SCHEMA[kind]
        if not required <= set(element) <= required | optional:
            self.refuse("InvalidCard", "%s: %s" % (kind, sorted(set(element) ^ required)))
        for name, values in VALUES.items():
            if name in element and element[name] not in values:
                self.refuse("InvalidCard", "%s: %s = %r" % (kind, name, element[name]))
        if kind == "Action.OpenUrl" and not element["url"].startswith(("https://", "http://")):
            self.refuse("InvalidCard", "url")
        if "text" in element:
            texts.append(element["text"])
        for name in ("body", "items"):
            for child in element.get(name, []):
                self.element(child, None, texts)
        for child in element.get("inlines", []):
            self.element(child, "TextRun", texts)
        for child in element.get("actions", []):
            self.element(child, "Action.OpenUrl", texts)

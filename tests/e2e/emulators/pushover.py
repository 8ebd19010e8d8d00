"""Pushover: messages, and what still rings."""

from emulators.strict_http import Emulator, Refuse, known_keys

FIELDS = ("token", "user", "message", "title", "device", "html", "monospace", "priority", "sound",
          "timestamp", "ttl", "url", "url_title", "retry", "expire", "callback", "tags")


class Pushover(Emulator):
    def __init__(self, token, user):
        super().__init__()
        self.token = token
        self.user = user
        self.messages = []
        self.ringing = {}  # tag -> number of emergencies not yet ended

    def handle(self, request):
        def bad(error):
            return Refuse(400, {"status": 0, "errors": [error], "request": "r"})

        if request.method != "POST":
            raise Refuse(404, "")
        form = request.form()
        if form.get("token") != self.token:
            raise bad("application token is invalid")
        prefix = "/1/receipts/cancel_by_tag/"
        if request.path.startswith(prefix):
            known_keys(form, ("token",))
            tag = request.path[len(prefix):].removesuffix(".json")
            return 200, {"status": 1, "request": "r", "canceled": self.ringing.pop(tag, 0)}
        if request.path != "/1/messages.json":
            raise Refuse(404, "")
        known_keys(form, FIELDS, ("token", "user", "message"))
        if form["user"] != self.user:
            raise bad("user identifier is not a valid user")
        for name, limit in (("message", 1024), ("title", 250), ("url", 512), ("url_title", 100)):
            if len(form.get(name, "")) > limit:
                raise bad("%s is longer than %d" % (name, limit))
        priority = int(form.get("priority", "0"))
        if not -2 <= priority <= 2:
            raise bad("priority is invalid")
        answer = {"status": 1, "request": "r"}
        if priority == 2:
            if not 30 <= int(form.get("retry", "0")) or not 0 < int(form.get("expire", "0")) <= 10800:
                raise bad("retry and expire are needed: retry >= 30, expire <= 10800")
            for tag in form.get("tags", "").split(","):
                self.ringing[tag] = self.ringing.get(tag, 0) + 1
            answer["receipt"] = "rcpt"
        elif {"retry", "expire"} & set(form):
            raise bad("retry and expire go with priority 2 only")
        self.messages.append(form)
        return 200, answer

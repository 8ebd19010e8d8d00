"""Twilio's Programmable Messaging: SMS that arrived at a number."""

import base64

from emulators.strict_http import Emulator, Refuse, known_keys


class Twilio(Emulator):
    def __init__(self, account, token):
        super().__init__()
        self.account = account
        self.token = token
        self.sms = []  # (to, text)

    def handle(self, request):
        def bad(status, code, message):
            return Refuse(status, {"code": code, "message": message, "status": status,
                                   "more_info": "https://www.twilio.com/docs/errors/%d" % code})

        wanted = base64.b64encode(("%s:%s" % (self.account, self.token)).encode()).decode()
        if request.headers.get("authorization") != "Basic " + wanted:
            raise bad(401, 20003, "Authenticate")
        path = "/2010-04-01/Accounts/%s/Messages.json" % self.account
        if (request.method, request.path) != ("POST", path):
            raise bad(404, 20404, "not found")
        form = request.form()
        known_keys(form, ("To", "From", "MessagingServiceSid", "Body", "StatusCallback"), ("To", "Body"))
        if ("From" in form) == ("MessagingServiceSid" in form):
            raise bad(400, 21603, "one of From and MessagingServiceSid")
        if not form["To"].startswith("+") or not form["To"][1:].isdigit():
            raise bad(400, 21211, "Invalid 'To' Phone Number")
        if not form["Body"] or len(form["Body"]) > 1600:
            raise bad(400, 21617, "The message is empty or longer than 1600 characters")
        self.sms.append((form["To"], form["Body"]))
        return 201, {"sid": "SM%d" % len(self.sms), "status": "queued"}

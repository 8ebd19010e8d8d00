"""Opsgenie's alert API: alerts by alias, as a responder would see them."""

from emulators.strict_http import Emulator, Refuse, known_keys

PRIORITIES = ("P1", "P2", "P3", "P4", "P5")


class Opsgenie(Emulator):
    def __init__(self, api_key):
        super().__init__()
        self.api_key = api_key
        self.alerts = {}  # alias -> {status, acknowledged, priority, message, count, notes}

    def handle(self, request):
        if request.headers.get("authorization") != "GenieKey " + self.api_key:
            raise Refuse(401, {"message": "Could not authenticate"})
        body = request.json()
        if request.path == "/v2/alerts" and request.method == "POST":
            return self.create(body)
        parts = request.path.split("/")
        if parts[:3] != ["", "v2", "alerts"] or len(parts) != 5:
            raise Refuse(404, {"message": "no such path"})
        if request.query != {"identifierType": "alias"}:
            raise Refuse(422, {"message": "identifierType is not alias: the key would be taken for an id"})
        alias, action = parts[3], parts[4]
        alert = self.alerts.get(alias)
        if action == "priority" and request.method == "PUT":
            known_keys(body, ("priority",), ("priority",))
            if body["priority"] not in PRIORITIES:
                raise Refuse(422, {"message": "priority"})
            if alert:
                alert["priority"] = body["priority"]
        elif action in ("acknowledge", "close") and request.method == "POST":
            known_keys(body, ("user", "source", "note"))
            self.lengths(body, {"user": 100, "source": 100, "note": 25000})
            if alert and action == "acknowledge":
                alert["acknowledged"] = True
            elif alert:
                alert["status"] = "closed"
            if alert:
                alert["notes"].append(body.get("note", ""))
        else:
            raise Refuse(405, {"message": "no such action"})
        return 202, {"result": "Request will be processed", "took": 0.1, "requestId": "r"}

    def create(self, body):
        known_keys(body, ("message", "alias", "description", "responders", "visibleTo", "actions", "tags",
                          "details", "entity", "source", "priority", "user", "note"), ("message",))
        self.lengths(body, {"message": 130, "alias": 512, "description": 15000, "entity": 512,
                            "source": 100, "user": 100, "note": 25000})
        if not body["message"]:
            raise Refuse(422, {"message": "message is empty"})
        if body.get("priority", "P3") not in PRIORITIES:
            raise Refuse(422, {"message": "priority"})
        if len(body.get("tags", [])) > 20 or any(len(tag) > 50 for tag in body.get("tags", [])):
            raise Refuse(422, {"message": "tags"})
        details = body.get("details", {})
        if any(not isinstance(value, str) for value in details.values()) or \
                sum(len(key) + len(value) for key, value in details.items()) > 8000:
            raise Refuse(422, {"message": "details"})
        for one in body.get("responders", []):
            if one.get("type") not in ("team", "user", "escalation", "schedule"):
                raise Refuse(422, {"message": "responders"})
            known_keys(one, ("type", "id", "username" if one["type"] == "user" else "name"))
        alert = self.alerts.get(body["alias"])
        if alert is None or alert["status"] == "closed":
            self.alerts[body["alias"]] = dict(body, status="open", acknowledged=False, count=1, notes=[])
        else:
            alert["count"] += 1  # nothing else changes: the real one does the same
        return 202, {"result": "Request will be processed", "took": 0.1, "requestId": "r"}

    @staticmethod
    def lengths(body, limits):
        for name, limit in limits.items():
            if len(body.get(name, "")) > limit:
                raise Refuse(422, {"message": "%s is longer than %d" % (name, limit)})

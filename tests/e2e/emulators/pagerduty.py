"""PagerDuty Events API v2: incidents by dedup_key, as a responder would see them."""

import datetime

from emulators.strict_http import Emulator, Refuse, known_keys

SEVERITIES = ("critical", "error", "warning", "info")


class PagerDuty(Emulator):
    def __init__(self, routing_key):
        super().__init__()
        self.routing_key = routing_key
        self.incidents = {}  # dedup_key -> {state, summary, severity, events}

    def handle(self, request):
        def invalid(*errors):
            return Refuse(400, {"status": "invalid event", "message": "Event object is invalid",
                                "errors": list(errors)})

        if (request.method, request.path) != ("POST", "/v2/enqueue"):
            raise Refuse(404, "not found")
        if len(request.body) > 512 * 1024:
            raise Refuse(413, "too large")
        event = request.json()
        known_keys(event, ("routing_key", "event_action", "dedup_key", "payload", "client", "client_url",
                           "links", "images"), ("routing_key", "event_action"))
        if event["routing_key"] != self.routing_key:
            raise invalid("'routing_key' is not of a known integration")
        key = event.get("dedup_key", "")
        action = event["event_action"]
        if action not in ("trigger", "acknowledge", "resolve"):
            raise invalid("'event_action' is unknown")
        if not key or len(key) > 255:
            raise invalid("'dedup_key' is missing or longer than 255")
        if action == "trigger":
            self.check_payload(event, invalid)
            incident = self.incidents.setdefault(key, {"state": "resolved", "events": []})
            if incident["state"] == "resolved":
                incident["state"] = "triggered"
            incident["summary"] = event["payload"]["summary"]
            incident["severity"] = event["payload"]["severity"]
        elif key in self.incidents and self.incidents[key]["state"] != "resolved":
            self.incidents[key]["state"] = "acknowledged" if action == "acknowledge" else "resolved"
        if key in self.incidents:
            self.incidents[key]["events"].append(event)
        return 202, {"status": "success", "message": "Event processed", "dedup_key": key}

    @staticmethod
    def check_payload(event, invalid):
        payload = event.get("payload")
        if not isinstance(payload, dict):
            raise invalid("'payload' is missing")
        known_keys(payload, ("summary", "source", "severity", "timestamp", "component", "group", "class",
                             "custom_details"), ("summary", "source", "severity"))
        if not payload["summary"] or len(payload["summary"]) > 1024:
            raise invalid("'summary' is empty or longer than 1024")
        if not payload["source"]:
            raise invalid("'source' is empty")
        if payload["severity"] not in SEVERITIES:
            raise invalid("'severity' is none of " + ", ".join(SEVERITIES))
        if "timestamp" in payload:
            datetime.datetime.fromisoformat(payload["timestamp"].replace("Z", "+00:00"))
        for link in event.get("links", []):
            known_keys(link, ("href", "text"), ("href",))
        for image in event.get("images", []):
            known_keys(image, ("src", "href", "alt"), ("src",))

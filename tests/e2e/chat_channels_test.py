#!/usr/bin/env python3
"""One incident, told in every chat product at once: fires, grows, is acknowledged, ends.

alertd speaks to strict emulators that refuse what the products would refuse (emulators/*.py), and to Debian's
ngircd and prosody. What is asserted is what a person would see: one message an incident, up to date, with the
story below it; nothing twice, also when products say 429 in the middle. The alert's label tries every markup
and mention there is.
"""

import time
import unittest

from emulators.discord import Discord
from emulators.googlechat import GoogleChat
from emulators.matrix import Matrix
from emulators.mattermost import Mattermost
from emulators.rocketchat import RocketChat
from emulators.slack import Slack
from emulators.teams import Teams
from emulators.telegram import Telegram
from emulators.zulip import Zulip
from harness import Probes, World, probe_rules, wait_until

NASTY = "*a_b* <!channel> <users/all> @everyone @all @**all** [x](http://evil.example) </b> & `c`"

RULES = probe_rules('{{ $labels.item }} is high')


class ChatChannelsTest(unittest.TestCase):
    def setUp(self):
        self.world = self.enterContext(World())
        self.chats = {}
        for name, kind in (("slack", Slack), ("telegram", Telegram), ("matrix", Matrix), ("discord", Discord),
                           ("teams", Teams), ("mattermost", Mattermost), ("mattermost-hook", Mattermost),
                           ("rocketchat", RocketChat), ("googlechat", GoogleChat), ("zulip", Zulip)):
            self.chats[name] = kind()
            self.world.cleanups.append(self.chats[name].stop)

    def secret(self, name, value):
        path = self.world.write("secrets/" + name, value + "\n")
        path.chmod(0o600)
        return path

    def config(self):
        chats = self.chats
        slack, telegram, matrix = chats["slack"], chats["telegram"], chats["matrix"]
        blocks = {
            "slack": 'api_url = "%s/api"\ntoken_file = "%s"\nchannel = "#ops"' % (
                slack.url, self.secret("slack", slack.TOKEN)),
            "telegram": 'api_url = "%s"\ntoken_file = "%s"\nchat_id = "%d"\ntopic_id = %d' % (
                telegram.url, self.secret("telegram", telegram.TOKEN), telegram.CHAT, telegram.TOPIC),
            "matrix": 'homeserver_url = "%s"\ntoken_file = "%s"\nroom_id = "%s"' % (
                matrix.url, self.secret("matrix", matrix.TOKEN), matrix.ROOM),
            "discord": 'url_file = "%s"' % self.secret("discord", chats["discord"].hook()),
            "teams": 'url_file = "%s"' % self.secret("teams", chats["teams"].hook()),
            "mattermost": 'server_url = "%s"\ntoken_file = "%s"\nchannel_id = "%s"' % (
                chats["mattermost"].url, self.secret("mattermost", Mattermost.TOKEN), Mattermost.CHANNEL),
            "mattermost-hook": 'url_file = "%s"' % self.secret(
                "mattermost-hook", chats["mattermost-hook"].url + Mattermost.HOOK),
            "rocketchat": 'server_url = "%s"\nuser_id = "%s"\ntoken_file = "%s"\nchannel = "#ops"' % (
                chats["rocketchat"].url, RocketChat.USER, self.secret("rocketchat", RocketChat.TOKEN)),
            "googlechat": 'url_file = "%s"' % self.secret("googlechat", chats["googlechat"].hook()),
            "zulip": 'server_url = "%s"\nemail = "%s"\napi_key_file = "%s"\nstream = "ops"' % (
                chats["zulip"].url, Zulip.EMAIL, self.secret("zulip", Zulip.KEY)),
        }
        text = '\n[[receiver]]\nname = "ops"\n'
        for name, keys in blocks.items():
            text += '[[receiver.%s]]\nname = "%s"\nrate_per_minute = 6000\n%s\n' % (
                name.split("-")[0], name, keys)
        text += """
[route]
receiver = "ops"
group_by = ["alertname"]
group_wait = "0s"
group_interval = "1s"
"""
        self.world.alertd_config(RULES, text)

    def everywhere(self, condition, what, seconds=20):
        for name, chat in self.chats.items():
            try:
                wait_until(lambda chat=chat: condition(name, chat), seconds, "%s in %s" % (what, name))
            except AssertionError as late:
                seen = [(one.thread, one.versions) for one in chat.messages]
                raise AssertionError("%s; seen: %s; refused: %s" % (late, seen, chat.refused))

    EDITS = {"slack", "telegram", "matrix", "discord", "mattermost", "rocketchat", "zulip"}
    THREADS = {"slack", "telegram", "matrix", "mattermost", "rocketchat", "zulip", "googlechat"}

    def newest(self, name, chat):
        """What a person who opens the place reads about the incident now."""
        return chat.first().text if name in self.EDITS else chat.messages[-1].text

    def test_one_incident_everywhere(self):
        self.config()
        self.world.start_alertd()
        probes = Probes(self.world)

        probes.values[NASTY] = 9.0
        self.everywhere(lambda name, chat: chat.messages, "the first message")
        for name, chat in self.chats.items():
            self.assertIn("CRITICAL", chat.first().text, name)
            self.assertIn("ProbeHigh", chat.first().text, name)

        # It grows; each product refuses once or twice on the way.
        for chat in self.chats.values():
            chat.fail_next(1, "rate")
            chat.fail_next(1, 503)
        probes.values["second"] = 9.0
        self.everywhere(lambda name, chat: "second" in self.newest(name, chat)
                        or "2 firing" in chat.messages[-1].text, "the second alert")
        self.everywhere(lambda name, chat: len(chat.messages) == 2, "two messages")

        incident = self.world.get_json("/api/v1/incidents")["data"]["incidents"][0]["id"]
        self.world.tocsin("ack", incident, "-m", "looking into it", "--by", "ana")
        self.everywhere(lambda name, chat: "acknowledged by ana" in self.newest(name, chat), "who acknowledged")
        self.everywhere(lambda name, chat: "acknowledged by ana" in chat.messages[-1].text
                        and len(chat.messages) == 3, "the line about it")

        probes.values[NASTY] = 1.0
        probes.values["second"] = 1.0
        self.everywhere(lambda name, chat: "resolved at" in chat.messages[-1].text
                        and "resolved at" in self.newest(name, chat), "the end")
        time.sleep(2)

        for name, chat in self.chats.items():
            with self.subTest(name):
                self.assertEqual(chat.refused, [])
                if name in self.THREADS:
                    self.assertEqual(len(chat.roots()), 1)
                    self.assertTrue(all("resolved at" not in one.text for one in chat.messages[1:-1]))
                if name in self.EDITS:
                    self.assertGreaterEqual(len(chat.first().versions), 3)
        self.assertEqual(self.chats["slack"].first().colour, "#2e7d32")
        self.assertEqual(self.chats["discord"].first().colour, "#2e7d32")
        self.assertEqual([one.colour for one in self.chats["teams"].messages][0::3], ["attention", "good"])


if __name__ == "__main__":
    unittest.main()

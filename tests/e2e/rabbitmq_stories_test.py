#!/usr/bin/env python3
"""A task queue in a real RabbitMQ: what waits, what a worker holds, what is delayed, what was given up, each as its own
metric; the worker dies; the disk runs short; the broker hangs. By the rules that ship, with their times in seconds.
"""

import re
import signal
import time
import unittest

from harness import SOURCE, HookReceiver, World, route_to, wait_until
from rabbitmq_server import RabbitServer, RabbitWorker

MAIL = '{system="dramatiq",queue="mail",vhost="/"}'


def scaled(rules):
    rules = re.sub(r'\bfor = "[^"]+"', 'for = "2s"', rules)
    return rules.replace('interval = "15s"', 'interval = "1s"')


class RabbitmqStoriesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = RabbitServer()
        cls.addClassCleanup(cls.broker.stop)
        cls.broker.add_user("watcher", "s3cret-watcher", "monitoring")
        cls.broker.add_user("nobody", "s3cret-nobody", "")
        cls.broker.add_user("outsider", "s3cret-outsider", "monitoring", enters=None)
        cls.broker.declare_dramatiq("mail")
        cls.broker.declare("celery")

    def begin(self, tables=None):
        self.world = World()
        self.addCleanup(self.world.__exit__)
        self.hook = HookReceiver()
        self.addCleanup(self.hook.stop)
        for pattern in ("rabbitmq-*.md", "queue-*.md"):
            for book in (SOURCE / "rules/runbooks").glob(pattern):
                self.world.write("rules/runbooks/" + book.name, book.read_text())
        rules = "".join(scaled((SOURCE / "rules" / name).read_text()) for name in ("rabbitmq.toml", "queues.toml"))
        self.world.alertd_config(rules, route_to(self.hook.url, ["alertname", "queue"]))
        for user in ("watcher", "nobody", "outsider"):
            self.world.write(user + ".password", "s3cret-%s\n" % user).chmod(0o600)
        self.world.agent_config('[host]\nenabled = ["time"]\n' + (tables or (
            '[[rabbitmq]]\nname = "main"\ntimeout = "900ms"\nurl = "http://127.0.0.1:%d"\nuser = "watcher"\n'
            'password_file = "watcher.password"\nqueues_interval = "1s"\n' % self.broker.port)))
        self.world.start_alertd()
        self.world.start_agent()
        wait_until(lambda: self.world.query("rabbitmq_up"), 30, "the first samples")

    def told(self, alert, status="firing"):
        return [request["body"] for request in self.hook.distinct()
                if request["body"]["commonLabels"].get("alertname") == alert and request["body"]["status"] == status]

    def others(self, *alerts):
        return sorted({request["body"]["commonLabels"].get("alertname") for request in self.hook.requests}
                      - set(alerts))

    def wait_for(self, expr, value, what):
        wait_until(lambda: list(self.world.query(expr).values()) == [value], 20,
                   "%s: %s == %g, not %s" % (what, expr, value, self.world.query(expr)))

    def test_every_message_counts_where_it_is_and_a_dead_worker_is_missed(self):
        self.begin()
        worker = RabbitWorker(self.broker, {"mail": 2, "mail.DQ": 1000})
        self.broker.publish("mail", 6)
        self.broker.publish("mail.DQ", 3)
        wait_until(lambda: len(worker.held["mail"]) == 2 and len(worker.held["mail.DQ"]) == 3, 15, "the worker")
        self.wait_for("queue_messages" + MAIL, 4, "waiting")
        self.wait_for("queue_messages_unacked" + MAIL, 2, "taken")
        # The worker holds all of them in memory: none is ready in the broker.
        self.wait_for("queue_messages_delayed" + MAIL, 3, "delayed")
        self.wait_for('rabbitmq_queue_messages_ready{queue="mail.DQ"}', 0, "prefetched")
        self.wait_for("queue_messages_dead" + MAIL, 0, "dead")
        self.wait_for("queue_consumers" + MAIL, 1, "consumers")
        self.wait_for('queue_workers_alive{system="dramatiq",broker="rabbitmq"}', 1, "workers")
        worker.give_up("mail")
        worker.finish("mail")
        self.wait_for("queue_messages_dead" + MAIL, 1, "given up")
        self.wait_for("queue_messages" + MAIL, 2, "waiting, after two were taken")
        self.assertFalse(self.world.query('queue_messages{queue=~".*[.]DQ|.*[.]XQ"}'))
        # A queue that was left behind: named, but nobody knows whether there should be workers.
        self.broker.publish("celery", 3)
        self.addCleanup(self.broker.api, "DELETE", "/queues/%2F/celery/contents")
        wait_until(lambda: self.told("QueueWithoutWorkers"), 20, "the queue that nobody reads")
        self.assertIn("3 messages wait in queue celery", self.told("QueueWithoutWorkers")[0]["commonAnnotations"]["summary"])
        self.assertEqual(self.told("QueueWorkersGone"), [])
        wait_until(lambda: self.told("QueueDeadLetters"), 20, "the dead letter")
        worker.kill()
        wait_until(lambda: len(self.told("QueueWithoutWorkers")) == 2 and self.told("QueueWorkersGone"), 20, "the alerts")
        body = self.told("QueueWithoutWorkers")[1]
        self.assertEqual(body["incident"]["severity"], "high")
        self.assertIn("4 messages wait in queue mail", body["commonAnnotations"]["summary"])
        self.assertEqual(self.told("QueueWorkersGone")[0]["incident"]["severity"], "critical")
        self.wait_for("queue_messages_delayed" + MAIL, 3, "delayed, and back in the broker")
        again = RabbitWorker(self.broker, {"mail": 100, "mail.DQ": 1000})
        self.addCleanup(again.kill)
        wait_until(lambda: self.told("QueueWithoutWorkers", "resolved"), 20, "the end")
        self.assertEqual(self.others("QueueWithoutWorkers", "QueueWorkersGone", "QueueDeadLetters"), [])
        self.assertFalse(self.world.query("tocsin_agent_check_failed"))

    def test_the_age_of_what_waits_and_of_what_was_given_up(self):
        self.broker.declare("orders")
        self.broker.declare("orders.dlq")
        for queue in ("orders", "orders.dlq"):
            self.addCleanup(self.broker.api, "DELETE", "/queues/%2F/" + queue)
        self.begin()
        age = 'queue_oldest_message_age_seconds{queue="%s"}'
        self.wait_for(age % "orders", 0, "an empty queue")
        # Published one after the other, taken one after the other: the queue is never empty, and never old.
        self.broker.publish("orders", 1)
        self.broker.publish("orders.dlq", 1)
        begin = time.monotonic()
        while time.monotonic() - begin < 8:
            self.broker.publish("orders", 1)
            self.broker.api("POST", "/queues/%2F/orders/get",
                            {"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto"})
            time.sleep(0.4)
        self.wait_for('queue_messages{queue="orders"}', 1, "one waits")
        self.assertLess(list(self.world.query(age % "orders").values())[0], 5)
        wait_until(lambda: self.world.query('queue_oldest_dead_message_age_seconds{queue="orders.dlq"} > 5'), 20, "it")
        wait_until(lambda: self.world.query(age % "orders" + " > 5"), 20, "the one that stays")
        self.wait_for('queue_age_estimated{queue="orders"}', 1, "by counts")
        # A publisher that writes the time into its message is believed.
        self.broker.api("DELETE", "/queues/%2F/orders/contents")
        self.broker.publish("orders", 1, timestamp=int(time.time()) - 7200)
        old = wait_until(lambda: self.told("QueueOld"), 30, "the old message")[0]
        self.assertEqual(old["incident"]["severity"], "critical")
        self.wait_for('queue_age_estimated{queue="orders"}', 0, "by the publisher's time")

    def test_who_may_not_see_something_is_told_what_to_grant(self):
        tables = "".join('[[rabbitmq]]\nname = "%s"\nurl = "http://127.0.0.1:%d"\nuser = "%s"\n'
                         'password_file = "%s.password"\ntimeout = "900ms"\nqueues_interval = "1s"\n%s'
                         % (name, self.broker.port, user, user, extra)
                         for name, user, extra in (("closed", "nobody", ""), ("blind", "outsider", ""),
                                                   ("narrow", "watcher", "queues_max = 2\n")))
        self.begin(tables)
        # No tag: nothing is shown.
        wait_until(lambda: self.told("RabbitmqDown"), 20, "the page")
        failed = 'tocsin_agent_check_failed{server="%s",check="%s",reason="%s"}'
        self.assertTrue(self.world.query(failed % ("closed", "connection", "permission_denied")))
        self.assertIn("rabbitmqctl set_user_tags nobody monitoring", self.world.log("agent"))
        # A tag, and let into no vhost: RabbitMQ shows no queues and says nothing of it.
        self.wait_for(failed % ("blind", "queues", "permission_denied"), 1, "the failed check")
        self.assertIn("user 'outsider' sees 0 of 4 queues", self.world.log("agent"))
        self.assertIn("rabbitmqctl set_permissions -p VHOST outsider", self.world.log("agent"))
        # More queues than are watched.
        self.wait_for(failed % ("narrow", "queues", "limit_exceeded"), 1, "the failed check")
        self.wait_for('count(rabbitmq_queue_messages{server="narrow"})', 2, "what is watched")
        self.assertIn("4 queues, queues_max 2", self.world.log("agent"))
        self.assertNotIn("s3cret", self.world.log("agent"))

    def test_a_broker_short_of_disk_and_one_that_hangs(self):
        self.begin()
        self.broker.control("set_disk_free_limit", "900000GB")
        wait_until(lambda: self.told("RabbitmqDiskAlarm"), 40, "the alarm")
        self.assertEqual(self.told("RabbitmqDiskAlarm")[0]["incident"]["severity"], "critical")
        self.broker.control("set_disk_free_limit", "1MB")
        wait_until(lambda: self.told("RabbitmqDiskAlarm", "resolved"), 40, "the end of it")
        self.broker.signal(signal.SIGSTOP)
        try:
            wait_until(lambda: self.told("RabbitmqDown"), 20, "the page")
            self.assertTrue(self.world.query("time() - max(node_time_seconds) < 5"))
        finally:
            self.broker.signal(signal.SIGCONT)
        wait_until(lambda: self.told("RabbitmqDown", "resolved"), 20, "the end")


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""A task queue in Redis, by a stand-in that writes what Dramatiq writes: the worker is killed, the queue is evicted,
Redis hangs. Each is told at its severity, by the rules that ship (their `for` in seconds), and nothing else is.
"""

import http.server
import json
import re
import signal
import threading
import time
import unittest

from harness import SOURCE, HookReceiver, World, route_to, wait_until
from redis_server import RedisServer


def scaled(rules):
    rules = re.sub(r'\bfor = "[^"]+"', 'for = "2s"', rules)
    return rules.replace('interval = "15s"', 'interval = "1s"').replace("< 300", "< 0").replace("[15m]", "[8s]")


class StandIn(threading.Thread):
    """A worker: beats once a second, takes a message and gives it back as done."""

    def __init__(self, redis):
        super().__init__(daemon=True)
        self.redis = redis
        self.killed = threading.Event()

    def run(self):
        while not self.killed.wait(0.5):
            self.redis.run("ZADD", "dramatiq:__heartbeats__", int(time.time() * 1000), "worker-1")
            message = self.redis.run("LPOP", "dramatiq:default")
            if message:
                self.redis.run("SADD", "dramatiq:__acks__.worker-1.default", message)
                if self.killed.wait(1.5):
                    return
                self.redis.run("SREM", "dramatiq:__acks__.worker-1.default", message)
                self.redis.run("HDEL", "dramatiq:default.msgs", message)

    def kill(self):
        self.killed.set()
        self.join()


class Durations(http.server.ThreadingHTTPServer):
    """What Dramatiq's Prometheus middleware serves of an application whose tasks keep `busy` threads at work, 0.5 s each."""

    def __init__(self, busy):
        began = time.monotonic()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                worked = busy * (time.monotonic() - began)
                labels = '{queue_name="default",actor_name="send"}'
                text = ("# TYPE dramatiq_message_duration_milliseconds histogram\n"
                        "dramatiq_message_duration_milliseconds_bucket{queue_name=\"default\",actor_name=\"send\",le=\"+Inf\"} %f\n"
                        "dramatiq_message_duration_milliseconds_sum%s %f\ndramatiq_message_duration_milliseconds_count%s %f\n"
                        % (worked * 2, labels, worked * 1000, labels, worked * 2)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def stop(self):
        self.shutdown()
        self.server_close()


class QueueStoriesTest(unittest.TestCase):
    def begin(self, *settings, more=""):
        self.redis = RedisServer(*settings)
        self.addCleanup(self.redis.stop)
        self.world = World()
        self.addCleanup(self.world.__exit__)
        self.hook = HookReceiver()
        self.addCleanup(self.hook.stop)
        rules = "".join(scaled((SOURCE / "rules" / name).read_text()) for name in ("redis.toml", "queues.toml"))
        for pattern in ("redis-*.md", "queue-*.md"):
            for book in (SOURCE / "rules" / "runbooks").glob(pattern):
                self.world.write("rules/runbooks/" + book.name, book.read_text())
        self.world.alertd_config(rules, route_to(self.hook.url, ["alertname", "queue"]))
        self.world.agent_config('[host]\nenabled = ["time"]\n[[redis]]\nname = "main"\naddress = "127.0.0.1:%d"\n'
                                'timeout = "900ms"\nworker_timeout = "5s"\ndramatiq_queues = ["default"]\n'
                                % self.redis.port + more)
        self.world.start_alertd()
        self.world.start_agent()
        wait_until(lambda: self.world.query('redis_up{server="main"} == 1'), 30, "the first samples")

    def enqueue(self, number, age=0):
        stamp = int((time.time() - age) * 1000)
        for i in range(number):
            name = "m-%d-%d" % (stamp, i)
            self.redis.run("HSET", "dramatiq:default.msgs", name,
                           json.dumps({"queue_name": "default", "args": [], "message_timestamp": stamp}))
            self.redis.run("RPUSH", "dramatiq:default", name)
        self.redis.run("ZADD", "dramatiq:__heartbeats__", int(time.time() * 1000), "producer-1")

    def told(self, alert, status="firing"):
        return [request["body"] for request in self.hook.distinct()
                if request["body"]["commonLabels"].get("alertname") == alert and request["body"]["status"] == status]

    def others(self, *alerts):
        return sorted({request["body"]["commonLabels"].get("alertname") for request in self.hook.requests}
                      - set(alerts))

    def test_the_worker_dies_and_the_queue_grows(self):
        self.begin()
        worker = StandIn(self.redis)
        worker.start()
        self.enqueue(3)
        wait_until(lambda: self.world.query('queue_workers_alive{system="dramatiq"} == 1'), 30, "the worker")
        self.enqueue(5)
        wait_until(lambda: self.redis.run("SCARD", "dramatiq:__acks__.worker-1.default") == 1, 30, "a message taken")
        worker.kill()
        self.enqueue(150)
        wait_until(lambda: self.told("QueueWorkersGone") and self.told("QueueWorkersStuck")
                   and self.told("QueueLong"), 60, "the three alerts")
        self.assertEqual(self.told("QueueWorkersGone")[0]["incident"]["severity"], "critical")
        self.assertEqual(self.told("QueueWorkersStuck")[0]["incident"]["severity"], "high")
        self.assertEqual(self.told("QueueLong")[0]["incident"]["severity"], "medium")
        again = StandIn(self.redis)
        again.start()
        wait_until(lambda: self.told("QueueWorkersGone", "resolved"), 60, "the workers to be back")
        again.kill()
        self.assertEqual(self.others("QueueWorkersGone", "QueueWorkersStuck", "QueueLong"), [])

    def test_fewer_workers_than_the_work_needs(self):
        application = Durations(busy=21)
        self.addCleanup(application.stop)
        self.begin(more='workers_expected = { dramatiq = 2 }\n[[scrape]]\njob = "app"\nurl = "http://127.0.0.1:%d/metrics"\n'
                   'timeout = "900ms"\n' % application.server_address[1])
        worker = StandIn(self.redis)
        self.addCleanup(worker.kill)
        worker.start()
        self.enqueue(1)
        few = wait_until(lambda: self.told("QueueWorkersTooFew"), 60, "the advice")[0]
        self.assertIn("dramatiq: what comes in needs ", few["commonAnnotations"]["summary"])
        # 21 busy threads are 70 % of 30; with the 8 threads that a worker has unless it is said: 3.75.
        wait_until(lambda: list(self.world.query("queue_workers_recommended").values()) == [4], 30, "the advice to settle")
        self.assertEqual(few["incident"]["severity"], "medium")
        missing = wait_until(lambda: self.told("QueueWorkersMissing"), 30, "the worker that is missing")[0]
        self.assertEqual(missing["incident"]["severity"], "high")
        self.assertIn("only 1 dramatiq workers are alive", missing["commonAnnotations"]["summary"])
        self.assertEqual(self.others("QueueWorkersTooFew", "QueueWorkersMissing"), [])

    def test_the_queue_is_evicted(self):
        self.begin("--maxmemory", "4mb", "--maxmemory-policy", "allkeys-lru", "--maxmemory-samples", "64")
        self.enqueue(200)
        # Told before anything is lost.
        wait_until(lambda: self.told("RedisQueueMayBeEvicted"), 30, "the warning")
        self.assertEqual(self.told("QueueOrphans"), [])
        self.world.stop("agent")  # its reading is use, and use protects
        time.sleep(3)             # Redis knows how long a key was not used to the second
        for i in range(4000):
            self.redis.run("HLEN", "dramatiq:default.msgs")
            self.redis.run("SET", "session:%d" % i, "x" * 2000)
            if i > 1000 and i % 100 == 0 and self.redis.run("EXISTS", "dramatiq:default") == 0:
                break
        self.assertEqual(self.redis.run("EXISTS", "dramatiq:default"), 0, "not evicted")
        self.assertEqual(self.redis.run("HLEN", "dramatiq:default.msgs"), 200)
        self.world.start_agent()
        wait_until(lambda: self.told("QueueOrphans"), 30, "the orphans")
        body = self.told("QueueOrphans")[0]
        self.assertEqual(body["incident"]["severity"], "critical")
        self.assertIn("200 messages of queue default", body["commonAnnotations"]["summary"])

    def test_redis_accepts_and_never_answers(self):
        self.begin()
        self.redis.signal(signal.SIGSTOP)
        try:
            wait_until(lambda: self.told("RedisDown"), 30, "the page")
            self.assertEqual(self.told("RedisDown")[0]["incident"]["severity"], "critical")
            self.assertTrue(self.world.query("time() - max(node_time_seconds) < 5"))
        finally:
            self.redis.signal(signal.SIGCONT)
        wait_until(lambda: self.told("RedisDown", "resolved"), 30, "Redis to be back")
        self.assertEqual(self.others("RedisDown"), [])


if __name__ == "__main__":
    unittest.main()

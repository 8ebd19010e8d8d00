#!/usr/bin/env python3
"""Money in a student information system: a payment is entered twice, a table vanishes. By the example pack as it ships (its
queries every second), a real PostgreSQL and two receivers: finance is told, the common room is not; instalments, two currencies,
refunds and split scholarships are nobody's business.
"""

import re
import unittest

from harness import SOURCE, HookReceiver, World, wait_until
from postgres_server import PostgresServer

SCHEMA = """
CREATE TABLE finance_invoice (id bigserial PRIMARY KEY, invoice_number text, student_id bigint, status text, due_date date,
  total_amount numeric(12,2), paid_amount numeric(12,2) DEFAULT 0, currency text DEFAULT 'USD', created_at timestamptz DEFAULT now());
CREATE TABLE finance_payment (id bigserial PRIMARY KEY, payment_reference text, invoice_id bigint, amount numeric(12,2),
  currency text DEFAULT 'USD', payment_method text DEFAULT 'CASH', status text DEFAULT 'COMPLETED',
  payment_date timestamptz DEFAULT now(), external_reference text DEFAULT '', processed_by_id bigint,
  created_at timestamptz DEFAULT now());
CREATE TABLE finance_financialtransaction (id bigserial PRIMARY KEY, transaction_type text, amount numeric(12,2),
  student_id bigint, processed_by_id bigint, payment_id bigint, transaction_date timestamptz DEFAULT now());
CREATE TABLE finance_cashier_session (id bigserial PRIMARY KEY, cashier_id bigint, opened_at timestamptz, closed_at timestamptz,
  opening_balance numeric, closing_balance numeric, expected_balance numeric, is_active bool);
CREATE TABLE finance_reconciliation (id bigserial PRIMARY KEY, status text, created_at timestamptz DEFAULT now());
CREATE TABLE enrollment_classheaderenrollment (id bigserial PRIMARY KEY, student_id bigint, class_header_id bigint, status text,
  enrollment_date timestamptz DEFAULT now(), has_override bool DEFAULT false);
CREATE TABLE scheduling_classheader (id bigserial PRIMARY KEY, term_id bigint, max_enrollment int);
CREATE TABLE curriculum_term (id bigserial PRIMARY KEY, code text, ends_at timestamptz, enrollment_opens_at timestamptz,
  enrollment_closes_at timestamptz, grades_due_at timestamptz);
CREATE TABLE grading_classpartgrade (id bigserial PRIMARY KEY, enrollment_id bigint);
CREATE TABLE grading_gradechangehistory (id bigserial PRIMARY KEY, change_type text, changed_by_id bigint,
  changed_at timestamptz DEFAULT now(), reason text);
CREATE TABLE common_systemauditlog (id bigserial PRIMARY KEY, action_type text, created_at timestamptz DEFAULT now());
CREATE TABLE users_user (id bigserial PRIMARY KEY, email text, is_active bool DEFAULT true, is_superuser bool DEFAULT false,
  is_staff bool DEFAULT false, last_login timestamptz DEFAULT now(), date_joined timestamptz DEFAULT now());
CREATE TABLE django_migrations (id bigserial PRIMARY KEY, app text, name text);
INSERT INTO common_systemauditlog (action_type) VALUES ('LOGIN');
INSERT INTO finance_reconciliation (status) VALUES ('MATCHED');
INSERT INTO curriculum_term (code, ends_at, enrollment_opens_at, enrollment_closes_at, grades_due_at) VALUES
  ('2026T3', now() + interval '60 days', now() - interval '90 days', now() - interval '60 days', now() + interval '70 days');
INSERT INTO scheduling_classheader (term_id, max_enrollment) VALUES (1, 30);
INSERT INTO enrollment_classheaderenrollment (student_id, class_header_id, status) VALUES (880011223344, 1, 'ENROLLED');
"""

ROUTES = """
[[receiver]]
name = "ops"
[[receiver.webhook]]
name = "hook"
url = "%s"
[[receiver]]
name = "finance"
[[receiver.webhook]]
name = "hook"
url = "%s"

[route]
receiver = "ops"
group_by = ["alertname"]
group_wait = "0s"
group_interval = "1s"
[[route.routes]]
receiver = "finance"
matchers = ['team="finance"']
"""


def scaled(rules):
    return re.sub(r'\bfor = "[^"]+"', 'for = "2s"', rules).replace('interval = "15s"', 'interval = "1s"')


class BusinessStoryTest(unittest.TestCase):
    def setUp(self):
        self.server = PostgresServer()
        self.addCleanup(self.server.stop)
        self.server.query(SCHEMA)
        self.world = World()
        self.addCleanup(self.world.__exit__)
        self.ops, self.finance = HookReceiver(), HookReceiver()
        self.addCleanup(self.ops.stop)
        self.addCleanup(self.finance.stop)
        pack = SOURCE / "rules" / "business"
        for book in (pack / "runbooks").glob("*.md"):
            self.world.write("rules/runbooks/" + book.name, book.read_text())
        self.world.alertd_config(scaled((pack / "student-information.toml").read_text()),
                                 ROUTES % (self.ops.url, self.finance.url))
        queries = (SOURCE / "packaging" / "examples" / "student-information.agent.toml").read_text()
        queries = re.sub(r'\ninterval = "[0-9]+m"', '\ninterval = "1s"', queries)
        queries = queries.replace('database = "sis"', 'database = "alerts"')
        queries = re.sub(r'\ndsn = "[^"]+"', '\ndsn = "%s"\ntimeout = "900ms"' % self.server.dsn, queries)
        self.world.agent_config('[host]\nenabled = ["time"]\n' + queries)

    def begin(self):
        self.world.start_alertd()
        self.world.start_agent()
        wait_until(lambda: self.world.query("biz_payments_day"), 30, "the first figures")

    def pay(self, reference, invoice, amount, currency="USD", method="CASH", ago="0 s"):
        """A payment with all that belongs to it: its entry in the ledger, and the invoice's sum."""
        kind = "PAYMENT_RECEIVED" if amount > 0 else "PAYMENT_REFUNDED"
        self.server.query("""
            INSERT INTO finance_invoice (id, student_id, currency) VALUES (%(invoice)d, 880011223344, '%(currency)s')
              ON CONFLICT DO NOTHING;
            WITH paid AS (INSERT INTO finance_payment (payment_reference, invoice_id, amount, currency, payment_method,
                payment_date, processed_by_id) VALUES ('%(reference)s', %(invoice)d, %(amount)f, '%(currency)s', '%(method)s',
                now() - interval '%(ago)s', 7) RETURNING id)
            INSERT INTO finance_financialtransaction (transaction_type, amount, processed_by_id, payment_id)
              SELECT '%(kind)s', %(amount)f, 7, id FROM paid;
            UPDATE finance_invoice SET paid_amount = paid_amount + %(amount)f
              WHERE id = %(invoice)d AND currency = '%(currency)s'""" % locals())

    def told(self, hook, alert, status="firing"):
        return [request["body"] for request in hook.distinct()
                if request["body"]["commonLabels"].get("alertname") == alert and request["body"]["status"] == status]

    def names(self, hook):
        return sorted({request["body"]["commonLabels"].get("alertname") for request in hook.requests})

    def legitimate(self):
        for days in (0, 30, 60):                                       # instalments
            self.pay("INST-%d" % days, 1, 250, ago="%d days" % days)
        self.pay("CUR-1", 2, 100)                                      # the same number in two currencies
        self.pay("CUR-2", 2, 100, currency="KHR")
        for i in (1, 2):                                               # taken back twice
            self.pay("REF-%d" % i, 3, -80)
            self.pay("SCH-%d" % i, 4, 500, method="SCHOLARSHIP")       # split in halves
        self.pay("CASH-1", 5, 90)                                      # the same amount by two methods, and two invoices
        self.pay("CARD-1", 5, 90, method="CARD")
        self.pay("CASH-2", 6, 90)
        self.pay("SLOW-1", 7, 60, ago="11 minutes")                    # more than 10 minutes apart
        self.pay("SLOW-2", 7, 60)

    def test_a_payment_twice(self):
        self.legitimate()
        self.begin()
        # Every figure of the pack is there: nothing is silent by mistake.
        wait_until(lambda: not self.world.query('pg_scrape_collector_success{collector=~"sis_.*"} == 0')
                   and len(self.world.query('pg_scrape_collector_success{collector=~"sis_.*"}')) == 16, 30, "all checks")
        paid = self.world.query("biz_payments_day")
        self.pay("PAY-20260001041", 8, 120)
        self.pay("PAY-20260001042", 8, 120, ago="-4 minutes")
        body = wait_until(lambda: self.told(self.finance, "PaymentDuplicated"), 30, "the page")[0]
        self.assertGreater(list(self.world.query("biz_payments_day").values()), list(paid.values()))
        self.assertEqual(body["incident"]["severity"], "critical")
        self.assertEqual(len(body["alerts"]), 1)
        self.assertEqual(body["alerts"][0]["labels"]["payments"], "PAY-20260001_041 PAY-20260001_042")
        self.assertIn("PAY-20260001_041 PAY-20260001_042 (USD, CASH)", body["commonAnnotations"]["summary"])
        self.assertNotIn("880011223344", str(body))
        # The table vanishes: that is told, and nothing is declared well.
        self.server.query("ALTER TABLE finance_payment RENAME TO gone")
        wait_until(lambda: self.told(self.finance, "BusinessCheckFailing"), 30, "the failing check")
        failing = wait_until(lambda: self.world.query('pg_scrape_collector_success{collector=~"sis_.*"} == 0'), 5, "it")
        self.assertEqual(sorted(dict(labels)["collector"].split("/")[0] for labels in failing),
                         ["sis_invoices", "sis_ledger", "sis_payment_duplicates", "sis_payments", "sis_refunds"])
        self.assertIn('relation "finance_payment" does not exist', self.world.log("agent"))
        self.assertEqual(self.told(self.finance, "PaymentDuplicated", "resolved"), [])
        self.server.query("ALTER TABLE gone RENAME TO finance_payment")
        wait_until(lambda: self.told(self.finance, "BusinessCheckFailing", "resolved"), 30, "the check to be back")
        self.server.query("UPDATE finance_payment SET status = 'CANCELLED' WHERE payment_reference = 'PAY-20260001042';"
                          "UPDATE finance_invoice SET paid_amount = 120 WHERE id = 8")
        wait_until(lambda: self.told(self.finance, "PaymentDuplicated", "resolved"), 30, "the end")
        self.assertEqual(len(self.told(self.finance, "PaymentDuplicated")), 1)
        self.assertEqual(self.names(self.finance), ["BusinessCheckFailing", "PaymentDuplicated"])
        self.assertEqual(self.names(self.ops), [])

    def test_books_and_enrolments_that_do_not_match(self):
        self.begin()
        self.pay("PAY-1", 1, 100)
        self.server.query("""
            UPDATE finance_invoice SET paid_amount = 90;
            INSERT INTO finance_payment (payment_reference, invoice_id, amount, currency, created_at, payment_date)
              VALUES ('PAY-2', 1, 5, 'KHR', now() - interval '6 minutes', now() - interval '1 hour');
            INSERT INTO finance_cashier_session (opened_at, closed_at, closing_balance, expected_balance, is_active)
              VALUES (now() - interval '9 hours', now(), 100, 130, false);
            INSERT INTO enrollment_classheaderenrollment (student_id, class_header_id, status) VALUES (880011223344, 1, 'ACTIVE');
            INSERT INTO grading_gradechangehistory (change_type, changed_by_id) VALUES ('CORRECTION', 7)""")
        for alert in ("InvoicePaidMismatch", "LedgerEntryMissing", "CashierVariance"):
            wait_until(lambda: self.told(self.finance, alert), 30, alert)
        for alert in ("EnrollmentDuplicated", "GradeChangeWithoutReason"):
            wait_until(lambda: self.told(self.ops, alert), 30, alert)
        self.assertEqual(self.names(self.finance), ["CashierVariance", "InvoicePaidMismatch", "LedgerEntryMissing"])
        self.assertEqual(self.names(self.ops), ["EnrollmentDuplicated", "GradeChangeWithoutReason"])


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""Money in a student information system: a payment is entered twice, a table vanishes. By the example pack as it ships (its
queries every second), a real PostgreSQL and two receivers: finance is told, the common room is not; instalments, two currencies,
refunds and split scholarships are nobody's business.
"""

import re
import time
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
CREATE TABLE common_systemauditlog (id bigserial PRIMARY KEY, action_type text, row_count int DEFAULT 0,
  created_at timestamptz DEFAULT now());
CREATE TABLE finance_journalentry (id bigserial PRIMARY KEY, status text, entry_date date, updated_at timestamptz DEFAULT now());
CREATE TABLE finance_journalentryline (id bigserial PRIMARY KEY, journal_entry_id bigint, currency text, debit numeric(12,2)
  DEFAULT 0, credit numeric(12,2) DEFAULT 0);
CREATE TABLE finance_accountingperiod (id bigserial PRIMARY KEY, starts_on date, ends_on date, closed_at timestamptz);
CREATE TABLE finance_exchangerate (id bigserial PRIMARY KEY, from_currency text, to_currency text, rate numeric,
  effective_at timestamptz);
CREATE TABLE django_admin_log (id bigserial PRIMARY KEY, action_time timestamptz DEFAULT now(), user_id int, action_flag smallint,
  object_repr text DEFAULT '');
CREATE TABLE mobile_mobileauthattempt (id bigserial PRIMARY KEY, email text, ip_address inet, success bool,
  created_at timestamptz DEFAULT now());
CREATE TABLE users_loginevent (id bigserial PRIMARY KEY, user_id bigint, country text, created_at timestamptz DEFAULT now());
CREATE TABLE users_userrole (id bigserial PRIMARY KEY, user_id bigint, role text);
CREATE TABLE people_staffprofile (id bigserial PRIMARY KEY, user_id bigint, ended_at timestamptz);
CREATE TABLE auth_group (id int PRIMARY KEY, name text);
CREATE TABLE auth_permission (id int PRIMARY KEY, codename text);
CREATE TABLE auth_group_permissions (id serial PRIMARY KEY, group_id int, permission_id int);
CREATE TABLE privacy_subjectrequest (id bigserial PRIMARY KEY, kind text, due_at timestamptz, completed_at timestamptz);
CREATE TABLE django_session (session_key text PRIMARY KEY, expire_date timestamptz);
CREATE TABLE django_dramatiq_task (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), status text, updated_at timestamptz);
INSERT INTO auth_group VALUES (1, 'Registrar');
INSERT INTO auth_permission VALUES (1, 'change_grade'), (2, 'delete_grade');
INSERT INTO auth_group_permissions (group_id, permission_id) VALUES (1, 1);
INSERT INTO finance_exchangerate (from_currency, to_currency, rate, effective_at) VALUES ('USD', 'KHR', 4100, now());
INSERT INTO finance_accountingperiod (starts_on, ends_on, closed_at) VALUES
  (current_date - 60, current_date - 31, now() - interval '1 day'), (current_date - 30, current_date + 30, NULL);
CREATE TABLE users_user (id bigserial PRIMARY KEY, email text, is_active bool DEFAULT true, is_superuser bool DEFAULT false,
  is_staff bool DEFAULT false, last_login timestamptz DEFAULT now(), date_joined timestamptz DEFAULT now());
CREATE TABLE django_migrations (id bigserial PRIMARY KEY, app text, name text);
INSERT INTO common_systemauditlog (action_type) VALUES ('LOGIN');
INSERT INTO django_migrations (app, name) VALUES ('finance', '0001_initial'), ('finance', '0012_refund_reason');
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
    rules = re.sub(r'\bfor = "[^"]+"', 'for = "2s"', rules).replace('interval = "15s"', 'interval = "1s"')
    return rules.replace("offset 10m", "offset 3s").replace("[15m]", "[3s]")


def zone(hour):
    """A time zone in which it is Wednesday, `hour` o'clock: office hours are not those of the machine's day."""
    now = time.gmtime()
    return "TST-%d" % ((2 - now.tm_wday) % 7 * 24 + hour - now.tm_hour + (24 if hour < now.tm_hour else 0))


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
        self.queries = re.sub(r'\ndsn = "[^"]+"', '\ndsn = "%s"\ntimeout = "900ms"' % self.server.dsn, queries)

    def begin(self, hour=12):
        self.world.agent_config('[host]\nenabled = ["time"]\n' + self.queries.replace("Asia/Phnom_Penh", zone(hour)))
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
                   and len(self.world.query('pg_scrape_collector_success{collector=~"sis_.*"}'))
                   == self.queries.count('name = "sis_'), 30, "all checks")
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
        self.assertIn(self.names(self.ops), ([], ["SchemaDrift"]))  # it was renamed by hand

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

    def test_signs_of_fraud(self):
        # Balanced in both currencies, in a period that is open; and an old one of the closed period.
        self.server.query("""
            INSERT INTO finance_journalentry (status, entry_date, updated_at) VALUES ('POSTED', current_date, now()),
              ('POSTED', current_date - 40, now() - interval '35 days'), ('DRAFT', current_date, now());
            INSERT INTO finance_journalentryline (journal_entry_id, currency, debit, credit) VALUES
              (1, 'USD', 100, 0), (1, 'USD', 0, 100), (1, 'KHR', 4000, 0), (1, 'KHR', 0, 4000), (2, 'USD', 5, 5), (3, 'USD', 1, 0)""")
        self.begin(hour=2)
        wait_until(lambda: self.world.query("biz_journal_unbalanced == 0") and self.world.query("biz_closed_period_changes == 0")
                   and self.world.query("biz_finance_off_hours_hour == 0"), 30, "a quiet night")
        self.assertEqual(self.names(self.finance), [])
        self.server.query("""
            INSERT INTO finance_financialtransaction (transaction_type, amount, processed_by_id) VALUES ('ADJUSTMENT', 5, 7);
            INSERT INTO finance_financialtransaction (transaction_type, amount) VALUES ('PAYMENT_RECEIVED', 5);
            INSERT INTO finance_journalentry (status, entry_date) VALUES ('POSTED', current_date);
            UPDATE finance_journalentry SET updated_at = now() WHERE id = 2;
            UPDATE finance_exchangerate SET effective_at = now() - interval '5 days'""")
        for alert in ("JournalNotBalanced", "ClosedPeriodChanged", "ExchangeRateStale", "FinanceOffHours"):
            wait_until(lambda: self.told(self.finance, alert), 30, alert)
        off = self.told(self.finance, "FinanceOffHours")[0]
        self.assertEqual(off["incident"]["severity"], "medium")
        self.assertIn("1 bookings", off["commonAnnotations"]["summary"])  # the provider's call-back is nobody's
        self.assertIn("USD/KHR", self.told(self.finance, "ExchangeRateStale")[0]["commonAnnotations"]["summary"])
        self.assertEqual(self.names(self.finance),
                         ["ClosedPeriodChanged", "ExchangeRateStale", "FinanceOffHours", "JournalNotBalanced"])

    def test_who_enters_at_night_and_what_is_taken_away(self):
        # Somebody who forgot a password, two countries of long ago, an export of a class, work in the administration pages by day.
        self.server.query("""
            INSERT INTO mobile_mobileauthattempt (email, ip_address, success) VALUES ('a@x', '10.0.0.1', false), ('a@x', '10.0.0.1', true);
            INSERT INTO users_loginevent (user_id, country, created_at) VALUES (1, 'KH', now() - interval '90 days'),
              (1, 'TH', now() - interval '40 days'), (1, 'TH', now()), (2, 'FR', now());
            INSERT INTO common_systemauditlog (action_type, row_count) VALUES ('EXPORT', 40);
            INSERT INTO users_user (email) VALUES ('staff@x'), ('gone@x');
            INSERT INTO people_staffprofile (user_id, ended_at) VALUES (1, NULL), (2, now() - interval '1 hour');
            INSERT INTO users_userrole (user_id, role) VALUES (1, 'clerk');
            INSERT INTO django_admin_log (user_id, action_flag, action_time) VALUES (1, 2, now() - interval '14 hours')""")
        self.begin(hour=2)
        wait_until(lambda: self.world.query("biz_role_checksum offset 5s"), 30, "the roles to be known")
        self.assertEqual(self.names(self.ops), [])
        self.server.query("""
            INSERT INTO mobile_mobileauthattempt (email, ip_address, success, created_at)
              SELECT 'victim@x', '10.0.0.2', false, now() - interval '1 minute' FROM generate_series(1, 41);
            INSERT INTO mobile_mobileauthattempt (email, ip_address, success) VALUES ('victim@x', '10.0.0.2', true);
            INSERT INTO mobile_mobileauthattempt (email, ip_address, success)
              SELECT 'student' || i || '@x', '10.0.0.3', false FROM generate_series(1, 101) i;
            INSERT INTO users_loginevent (user_id, country) VALUES (1, 'BR');
            INSERT INTO common_systemauditlog (action_type, row_count) VALUES ('EXPORT', 20000);
            INSERT INTO django_admin_log (user_id, action_flag) SELECT 1, 3 FROM generate_series(1, 51);
            UPDATE people_staffprofile SET ended_at = now() - interval '2 days' WHERE user_id = 2;
            UPDATE auth_group_permissions SET permission_id = 2;
            INSERT INTO privacy_subjectrequest (kind, due_at) VALUES ('deletion', now() + interval '3 days'),
              ('access', now() + interval '20 days');
            CREATE TABLE alumni (id int, phone_home text)""")
        expected = {"MobileLoginAccountAttacked": "high", "MobileLoginAfterFailures": "critical", "MobileLoginSpray": "critical",
                    "MobileLoginBruteForce": "high", "LoginNewCountry": "medium", "BulkExport": "high", "AdminAtNight": "medium",
                    "AdminDeletionsMany": "high", "ApplicationLeaverActive": "high", "RolesChangedOffHours": "medium",
                    "PrivacyRequestDue": "high", "PersonalDataUnregistered": "low", "SchemaDrift": "medium"}
        for alert, severity in expected.items():
            body = wait_until(lambda: self.told(self.ops, alert), 30, alert)[0]
            self.assertEqual(body["incident"]["severity"], severity, alert)
        self.assertEqual(self.names(self.ops), sorted(expected))
        self.assertEqual(list(self.world.query("biz_logins_new_country_day").values()), [1])
        self.assertNotIn("victim", str(self.ops.requests))

    def test_the_schema_by_migration_and_by_hand(self):
        self.begin()
        wait_until(lambda: self.world.query("biz_schema_checksum_baseline offset 5s"), 30, "the schema to be known")
        self.server.query("ALTER TABLE users_user ADD COLUMN nick text;"
                          "INSERT INTO django_migrations (app, name) VALUES ('users', '0002_nick')")
        wait_until(lambda: self.world.query('biz_migration_applied_info{app="users",name="0002_nick"}'), 30, "the migration")
        time.sleep(6)
        self.assertEqual(self.names(self.ops), [])
        self.server.query("CREATE INDEX by_hand ON users_user (nick)")
        wait_until(lambda: self.told(self.ops, "SchemaDrift"), 30, "the drift")
        self.server.query("DROP INDEX by_hand")
        wait_until(lambda: self.told(self.ops, "SchemaDrift", "resolved"), 30, "the end")


if __name__ == "__main__":
    unittest.main()

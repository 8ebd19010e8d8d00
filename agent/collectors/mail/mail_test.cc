#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

#include <filesystem>
#include <fstream>
#include <future>

#include "agent/collectors/blocking/recording_round.h"
#include "agent/collectors/mail/canary_files.h"
#include "agent/collectors/mail/mail_canary.h"
#include "agent/collectors/mail/mail_queue_source.h"
#include "agent/collectors/mail/showq.h"
#include "common/base/asio_executor.h"
#include "common/base/file_system.h"
#include "common/base/sim_executor.h"
#include "common/config/source.h"
#include "common/config/table.h"
#include "common/config/toml.h"
#include "common/sim/test_folder.h"

namespace tocsin::agent {
namespace {

constexpr std::int64_t kNow = 1'700'000'000'000;

/// Takes, refuses or loses mail.
struct FakeRelay final : net::MailClient {
  void send(const net::SmtpServer&, net::Mail mail, base::Duration, base::Executor& reply_on,
            net::MailDone done) override {
    mails.push_back(mail);
    if (hangs) return;
    reply_on.post_after(base::Duration{50}, [outcome = outcome, done] { done(outcome); });
  }
  std::vector<net::Mail> mails;
  base::Result<net::MailOutcome> outcome = net::MailOutcome{250, false, "250 queued", {}};
  bool hangs = false;
};

/// Has what `arrived` says.
struct FakeMailbox final : net::ImapClient {
  void fetch_unseen(const net::ImapServer&, const net::ImapLimits&, base::Executor&,
                    net::ImapDone) override {
    FAIL("people's mail is not fetched");
  }
  void search(const net::ImapServer&, const net::MailSearch& search, base::Duration,
              base::Executor& reply_on, net::MailFoundDone done) override {
    searches.push_back(search);
    base::Result<net::MailFound> answer = net::MailFound{};
    if (broken) {
      answer = base::error(base::ErrorCode::InvalidArgument, "login refused");
    } else {
      for (const std::string& word : search.words) {
        if (std::find(arrived.begin(), arrived.end(), word) != arrived.end()) {
          answer->words.push_back(word);
        }
      }
    }
    reply_on.post_after(base::Duration{50}, [answer, done] { done(answer); });
  }
  std::vector<std::string> arrived;
  std::vector<net::MailSearch> searches;
  bool broken = false;
};

/// Threads for files outlive a canary; what they use is the program's.
base::FileSystem& lasting_files() {
  static const std::unique_ptr<base::FileSystem> kFiles = base::make_real_file_system();
  return *kFiles;
}
base::FailureLog& lasting_failures() {
  static base::FailureLog failures{"test"};
  return failures;
}

struct CanaryWorld {
  CanaryWorld() {
    settings.name = "relay";
    settings.host = "web1";
    settings.from = "app@example.org";
    settings.to = "canary@example.org";
    settings.imap.emplace();
    begin();
  }
  void begin() {
    canary =
        std::make_unique<MailCanary>(settings,
                                     MailCanary::World{executor, lasting_files(), &relay, &mailbox,
                                                       lasting_failures(), folder.path()},
                                     base::make_seeded_random(7));
  }
  /// Rounds of 15 s for `duration`; returns the last.
  RecordingRound run(base::Duration duration) {
    RecordingRound last;
    for (base::Duration at{0}; at < duration; at += base::Duration{15'000}) {
      canary->start(clock.wall(), [&](const Fill& fill) {
        last = RecordingRound{};
        fill(last);
      });
      executor.run_for(base::Duration{15'000});
    }
    CHECK_FALSE(last.repeated);
    return last;
  }
  void deliver() {
    for (const net::Mail& mail : relay.mails) {
      mailbox.arrived.push_back(mail.subject.substr(mail.subject.rfind(' ') + 1));
    }
  }

  sim::TestFolder folder;
  base::SimClock clock{base::wall_time(kNow)};
  base::SimExecutor executor{clock};
  FakeRelay relay;
  FakeMailbox mailbox;
  MailCanarySettings settings;
  std::unique_ptr<MailCanary> canary;
};

double age_of_last(const RecordingRound& round, const base::Clock& clock) {
  const auto received = round.value("mail_canary_last_received_timestamp_seconds");
  REQUIRE(received);
  return base::to_seconds(clock.wall()) - *received;
}

std::string mail_configured(const std::string& text) {
  const config::Source source{"agent.toml", text};
  base::Diagnostics diagnostics;
  const config::Node document = config::parse_toml(source, diagnostics);
  const auto files = base::make_real_file_system();
  config::Context context{source, diagnostics, *files};
  config::Table root(context, &document);
  static_cast<void>(read_mail_queue_settings(root));
  static_cast<void>(read_mail_canary_settings(root, "web1"));
  std::string messages;
  for (const auto& each : diagnostics) messages += each.message + "\n";
  return messages;
}

std::string mail_of(const std::string& mark) {
  return "Return-Path: <a@b>\nx-tocsin-CANARY: " + mark + "\nSubject: x\n\nX-Tocsin-Canary: no\n";
}

}  // namespace

TEST_CASE("mail queue: ids that say when the message came in") {
  CHECK(queue_id_time("1r31eq-0006vM-5g-H", MailServer::Exim) == base::wall_time(kNow));
  CHECK(queue_id_time("1r31eq-00000006vMX-5g2H", MailServer::Exim) == base::wall_time(kNow));
  CHECK(queue_id_time("4SVLCh0VFfz1hYB", MailServer::Postfix) == base::wall_time(kNow));
  CHECK_FALSE(queue_id_time("A1B2C3D4E5", MailServer::Postfix));
  CHECK_FALSE(queue_id_time("", MailServer::Postfix));
  CHECK_FALSE(queue_id_time("1r31H", MailServer::Exim));
  CHECK_FALSE(queue_id_time("1r3!HA-x", MailServer::Exim));
}

TEST_CASE("mail queue: files are counted in hashed folders, up to a bound") {
  const sim::TestFolder folder;
  folder.write("deferred/A/A1B2C3", "x");
  folder.write("deferred/A/B/4SVLCh0VFfz1hYB", "x");
  folder.write("deferred/0/0A1B2C", "x");
  folder.write("deferred/.keep", "x");
  // The next attempt is in the future; that is not when it came in.
  const utimbuf later{kNow / 1000 + 3600, kNow / 1000 + 3600};
  REQUIRE(::utime((folder.file("deferred/A/A1B2C3")).c_str(), &later) == 0);
  const base::WallTime now = base::RealClock().wall();
  const auto count = count_spool(folder.file("deferred"), MailServer::Postfix, {}, now);
  REQUIRE(count);
  CHECK(count->messages == 3);
  CHECK(count->oldest == base::wall_time(kNow));
  CHECK_FALSE(count->cut);
  const auto cut = count_spool(folder.file("deferred"), MailServer::Postfix, {2, 4}, now);
  REQUIRE(cut);
  CHECK(cut->messages == 2);
  CHECK(cut->cut);
  CHECK(count_spool(folder.file("none"), MailServer::Postfix, {}, now).error().code ==
        base::ErrorCode::NotFound);
}

TEST_CASE("mail queue: an Exim message is two files, and one message") {
  const sim::TestFolder folder;
  folder.write("input/1r31eq-0006vM-5g-H", "x");
  folder.write("input/1r31eq-0006vM-5g-D", "x");
  folder.write("input/x/1r31er-0006vM-5g-H", "x");
  base::FailureLog failures{"test"};
  base::SimClock clock(base::wall_time(kNow + 60'000));
  MailQueueSettings settings{"local", MailServer::Exim, folder.path()};
  RecordingRound sink;
  read_mail_queue(settings, clock, failures)(sink);
  CHECK(sink.value("mail_queue_up,mta=exim") == 1);
  CHECK(sink.value("mail_queue_messages,mta=exim,queue=input") == 2);
  CHECK(sink.value("mail_queue_oldest_seconds,mta=exim,queue=input") == 60);
}

TEST_CASE("mail queue: what cannot be read is a failed check, not an empty queue") {
  const sim::TestFolder folder;
  base::FailureLog failures{"test"};
  base::SimClock clock(base::wall_time(kNow));
  MailQueueSettings settings{"local", MailServer::Postfix, folder.path()};
  RecordingRound none;
  read_mail_queue(settings, clock, failures)(none);
  CHECK(none.value("mail_queue_up,mta=postfix") == 0);
  CHECK(none.value("tocsin_agent_check_failed,check=mail_queue spool,reason=not_found") == 1);
  CHECK(none.samples.size() == 2);
  settings.reading = SpoolReading::Listing;
  RecordingRound listing;
  read_mail_queue(settings, clock, failures)(listing);
  CHECK(listing.value("tocsin_agent_check_failed,check=mail_queue listing,reason=not_found") == 1);
  for (int i = 0; i < 101; ++i) folder.write(fmt::format("active/{:X}", 0xA000 + i), "x");
  settings.reading = SpoolReading::Auto;
  settings.limits.files_max = 100;
  RecordingRound many;
  read_mail_queue(settings, clock, failures)(many);
  CHECK(many.value("mail_queue_up,mta=postfix") == 1);
  CHECK(many.value("mail_queue_messages,mta=postfix,queue=active") == 100);
  CHECK(many.value("tocsin_agent_check_failed,check=mail_queue active,reason=limit_exceeded") == 1);
}

TEST_CASE("mail queue: Postfix's listing, in pieces of any size") {
  std::string text;
  const auto add = [&](const std::vector<std::string>& words) {
    for (const std::string& word : words) text += word + '\0';
    text += '\0';
  };
  add({"protocol", "mail_queue_list_protocol"});  // of no message
  add({"queue_name", "deferred", "queue_id", "A1", "time", "1700000000", "size", "305",
       "forced_expire", "0", "sender", "a@b.c", "recipient", "d@e.f", "reason",
       std::string(5'000, 'x')});
  add({"queue_name", "deferred", "queue_id", "A2", "time", "1700000100", "sender", "time"});
  add({"queue_name", "active", "queue_id", "A3", "time", "soon"});
  text += '\0';
  for (const std::size_t size : {std::size_t{1}, std::size_t{7}, text.size()}) {
    ShowqParser parser;
    for (std::size_t at = 0; at < text.size(); at += size) {
      parser.take(std::string_view(text).substr(at, size));
    }
    CHECK(parser.messages() == 3);
    CHECK(parser.complete());
    CHECK(parser.queues().at("deferred").messages == 2);
    CHECK(parser.queues().at("deferred").oldest == base::wall_time(kNow));
    CHECK(parser.queues().at("active").messages == 1);
    CHECK_FALSE(parser.queues().at("active").oldest);
  }
  ShowqParser broken;
  broken.take(std::string_view(text).substr(0, 40));
  CHECK_FALSE(broken.complete());
}

TEST_CASE("canary: one every interval; it comes back, and how long that took") {
  CanaryWorld world;
  RecordingRound round = world.run(base::Duration{60'000});
  CHECK(world.relay.mails.size() == 1);
  const net::Mail& mail = world.relay.mails[0];
  CHECK(mail.subject.find(mail.extra_headers[0].second) != std::string::npos);
  CHECK(mail.extra_headers[0].first == "X-Tocsin-Canary");
  CHECK(round.value("mail_canary_waiting") == 1);
  CHECK(round.value("mail_canary_success,stage=send") == 1);
  CHECK_FALSE(round.value("mail_canary_delay_seconds"));
  world.deliver();
  round = world.run(base::Duration{60'000});
  CHECK(round.value("mail_canary_waiting") == 0);
  CHECK(round.value("mail_canary_received_total") == 1);
  CHECK(*round.value("mail_canary_delay_seconds") >= 60);
  CHECK(*round.value("mail_canary_delay_seconds") <= 91);
  // Nothing is out: nobody looks.
  const std::size_t looks = world.mailbox.searches.size();
  world.run(base::Duration{300'000});
  CHECK(world.mailbox.searches.size() == looks);
  world.run(base::Duration{200'000});
  CHECK(world.relay.mails.size() == 2);
}

TEST_CASE("canary: a relay that takes mail and drops it; those that come after all are all found") {
  CanaryWorld world;
  RecordingRound round = world.run(base::Duration{3 * 3'600'000});
  CHECK(world.relay.mails.size() == 18);
  CHECK(age_of_last(round, world.clock) > 1800);
  CHECK(round.value("mail_canary_waiting") == 18);
  CHECK(*round.value("mail_canary_oldest_waiting_seconds") > 10'000);
  world.deliver();
  round = world.run(base::Duration{120'000});
  CHECK(age_of_last(round, world.clock) < 130);
  CHECK(*round.value("mail_canary_waiting") <= 1);
  CHECK(*round.value("mail_canary_received_total") >= 18);
}

TEST_CASE("canary: more are out than one look asks for; the oldest and the newest are looked for") {
  CanaryState state(base::wall_time(kNow));
  for (int i = 0; i < 100; ++i) state.attempt(std::to_string(i), base::wall_time(kNow + i));
  const auto words = state.wanted(20);
  CHECK(words.size() == 20);
  CHECK(words.front() == "0");
  CHECK(words.back() == "99");
  for (int i = 0; i < 1000; ++i) state.attempt("more", base::wall_time(kNow));
  CHECK(state.waiting().size() == 500);
}

TEST_CASE("canary: refused, deferred, unknown; tried again sooner, and counted by reason") {
  CanaryWorld world;
  world.relay.outcome = net::MailOutcome{451, false, "451 greylisted", {}};
  RecordingRound round = world.run(base::Duration{300'000});
  CHECK(world.relay.mails.size() == 3);
  CHECK(round.value("mail_canary_failures_total,reason=deferred,stage=send") == 3);
  CHECK(round.value("mail_canary_success,stage=send") == 0);
  CHECK(round.value("mail_canary_waiting") == 0);
  CHECK(round.value("tocsin_agent_check_failed,check=mail_canary send,reason=unavailable") == 1);
  world.relay.outcome = base::error(base::ErrorCode::Timeout, "no answer");
  round = world.run(base::Duration{120'000});
  CHECK(*round.value("mail_canary_failures_total,reason=timeout,stage=send") >= 1);
  // It may have been taken.
  CHECK(*round.value("mail_canary_waiting") >= 1);
  world.relay.hangs = true;
  const std::size_t sent = world.relay.mails.size();
  world.run(base::Duration{3'600'000});
  CHECK(world.relay.mails.size() <= sent + 1);
}

TEST_CASE("canary: a mailbox that cannot be read is said, and nothing counts as received") {
  CanaryWorld world;
  world.deliver();
  world.mailbox.broken = true;
  const RecordingRound round = world.run(base::Duration{3'600'000});
  CHECK(round.value("mail_canary_success,stage=receive") == 0);
  CHECK(round.value("mail_canary_success,stage=send") == 1);
  CHECK(age_of_last(round, world.clock) > 1800);
  CHECK(round.value("tocsin_agent_check_failed,check=mail_canary receive,"
                    "reason=invalid_argument") == 1);
}

TEST_CASE("canary: a mailbox on a file system that hangs is said, and its late answer is heard") {
  const sim::TestFolder folder;
  const std::string pipe = folder.file("mbox");
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);  // opening it waits for a writer
  const base::RealClock clock;
  base::AsioExecutor thread(clock, "test", 1);
  FakeRelay relay;
  FakeMailbox mailbox;
  MailCanarySettings settings;
  settings.name = "relay";
  settings.from = settings.to = "canary@example.org";
  settings.mbox = pipe;
  settings.timeout = base::Duration{200};
  settings.check_interval = base::Duration{3'600'000};
  auto canary = std::make_unique<MailCanary>(
      settings,
      MailCanary::World{thread, lasting_files(), &relay, &mailbox, lasting_failures(), ""},
      base::make_seeded_random(7));
  const auto comes = [&](const char* series) {
    for (int i = 0; i < 200; ++i) {
      std::promise<RecordingRound> told;
      thread.post([&] {
        canary->start(clock.wall(), [&](const Fill& fill) {
          RecordingRound sink;
          fill(sink);
          told.set_value(sink);
        });
      });
      if (told.get_future().get().value(series)) return true;
      ::usleep(25'000);
    }
    return false;
  };
  CHECK(comes("mail_canary_failures_total,reason=timeout,stage=receive"));
  int writer = -1;
  for (int i = 0; i < 200 && writer < 0; ++i) {
    writer = ::open(pipe.c_str(), O_WRONLY | O_NONBLOCK);
    ::usleep(10'000);
  }
  REQUIRE(writer >= 0);
  // A pipe has no end to look at.
  CHECK(comes("mail_canary_failures_total,reason=io,stage=receive"));
  ::close(writer);
  std::promise<void> gone;
  thread.post([&] {
    canary.reset();
    gone.set_value();
  });
  gone.get_future().get();
  thread.stop();
}

TEST_CASE("canary: after days a message is lost; the clock set back does not stop it") {
  CanaryWorld world;
  world.settings.lost_after = base::Duration{3'600'000};
  world.begin();
  RecordingRound round = world.run(base::Duration{2 * 3'600'000});
  CHECK(*round.value("mail_canary_lost_total") >= 5);
  CHECK(*round.value("mail_canary_waiting") <= 7);
  const std::size_t sent = world.relay.mails.size();
  world.clock.step_wall(-base::Duration{86'400'000});
  round = world.run(base::Duration{660'000});
  CHECK(world.relay.mails.size() >= sent + 1);
  CHECK(*round.value("mail_canary_oldest_waiting_seconds") >= 0);
}

TEST_CASE("canary: what is known survives a restart, and a look by hand sends nothing") {
  CanaryWorld world;
  const std::string saved = world.folder.path();
  // The file is written on a thread of its own; what comes meanwhile is written in a later round.
  const auto written = [&](const std::string& word) {
    for (const auto& entry : std::filesystem::directory_iterator(saved)) {
      std::ifstream file(entry.path());
      const std::string text((std::istreambuf_iterator<char>(file)), {});
      if (text.find(word) != text.npos) return true;
    }
    return false;
  };
  for (int i = 0; i < 20 && !written("taken_ms"); ++i) {
    world.run(base::Duration{15'000});
    ::usleep(20'000);
  }
  REQUIRE(written("taken_ms"));
  world.begin();
  world.deliver();
  RecordingRound round = world.run(base::Duration{60'000});
  CHECK(world.relay.mails.size() == 1);
  CHECK(round.value("mail_canary_received_total") == 1);
  MailCanary look(world.settings,
                  MailCanary::World{world.executor, lasting_files(), nullptr, nullptr,
                                    lasting_failures(), world.folder.path()},
                  base::make_seeded_random(8));
  RecordingRound told;
  look.start(world.clock.wall(), [&](const Fill& fill) { fill(told); });
  CHECK(told.value("mail_canary_sent_timestamp_seconds"));
  CHECK(world.relay.mails.size() == 1);
  // A damaged file is a beginning, not an end.
  for (const auto& entry : std::filesystem::directory_iterator(saved)) {
    std::ofstream(entry.path()) << "{\"waiting\":[1,{\"word\":2}],\"received_ms\":\"x\"}";
  }
  world.begin();
  round = world.run(base::Duration{15'000});
  CHECK(round.value("mail_canary_waiting") == 1);
}

TEST_CASE("canary: in a Maildir its own messages are found and deleted, and no others") {
  const sim::TestFolder folder;
  const auto files = base::make_real_file_system();
  const std::string found = folder.write("new/1.a", mail_of("abc-1"));
  const std::string old = folder.write("cur/2.b:2,S", mail_of("abc-9"));
  const std::string other = folder.write("cur/3.c:2,S", mail_of("xyz-1"));
  const std::string personal = folder.write("cur/4.d:2,S", "Subject: abc-1\n\nabc-1\n");
  net::MailSearch search{"abc", {"abc-1", "abc-2"}, base::wall_time(kNow)};
  utimbuf before{kNow / 1000 - 100, kNow / 1000 - 100};
  REQUIRE(::utime(old.c_str(), &before) == 0);
  REQUIRE(::utime(other.c_str(), &before) == 0);
  REQUIRE(::utime(personal.c_str(), &before) == 0);
  const auto result = search_maildir(*files, folder.path(), search);
  REQUIRE(result);
  CHECK(result->words == std::vector<std::string>{"abc-1"});
  CHECK(result->removed == 2);
  CHECK_FALSE(std::filesystem::exists(found));
  CHECK_FALSE(std::filesystem::exists(old));
  CHECK(std::filesystem::exists(other));
  CHECK(std::filesystem::exists(personal));
  CHECK_FALSE(search_maildir(*files, folder.file("none"), search));
}

TEST_CASE("canary: in an mbox file the end is looked at, and nothing is changed") {
  const sim::TestFolder folder;
  const auto files = base::make_real_file_system();
  const std::string path =
      folder.write("mbox", std::string(2 << 20, 'x') + "\nFrom a\n" + mail_of("abc-1"));
  net::MailSearch search{"abc", {"abc-1", "abc-2"}, {}};
  const auto size = std::filesystem::file_size(path);
  const auto result = search_mbox(*files, path, search);
  REQUIRE(result);
  CHECK(result->words == std::vector<std::string>{"abc-1"});
  CHECK(std::filesystem::file_size(path) == size);
  CHECK(search_mbox(*files, folder.file("none"), search)->words.empty());
}

TEST_CASE("mail: the configuration says what it cannot read") {
  CHECK(mail_configured("[[mail_queue]]\n").empty());
  CHECK(mail_configured("[[mail_queue]]\nmta = \"exim\"\nread = \"listing\"\n") ==
        "only Postfix has a listing to ask for\n");
  CHECK(mail_configured("[[mail_queue]]\nspool = \"spool\"\n") ==
        "'spool' is not an absolute path\n");
  const std::string ok = "[[mail_canary]]\nfrom = \"a@b.c\"\nto = \"d@e.f\"\n";
  CHECK(mail_configured(ok + "maildir = \"/var/mail/canary\"\n").empty());
  CHECK(mail_configured(ok) == "it must be said in one way where the message arrives\n");
  CHECK(mail_configured(ok + "mbox = \"/a\"\nmaildir = \"/b\"\n") ==
        "it must be said in one way where the message arrives\n");
  CHECK(mail_configured("[[mail_canary]]\nfrom = \"A <a@b.c>\"\nto = \"root\"\nmbox = \"/a\"\n") ==
        "from \"A <a@b.c>\" is not a mail address\nto \"root\" is not a mail address\n");
  CHECK(mail_configured(ok + "mbox = \"/a\"\n[mail_canary.smtp]\nuser = \"u\"\n") ==
        "user is given without a password\n"
        "a password must not go over an unencrypted connection\n");
  CHECK(mail_configured(ok + "[mail_canary.imap]\nhost = \"mail\"\n") == "user is missing\n");
}

}  // namespace tocsin::agent

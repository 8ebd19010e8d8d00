#include "agent/collectors/mail/mail_canary.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/collectors/blocking/blocking_source.h"
#include "agent/collectors/mail/canary_files.h"
#include "common/base/hash.h"

namespace tocsin::agent {

using base::ErrorCode;
using base::Result;

namespace {

constexpr auto kCounter = model::MetricType::Counter;
constexpr MetricInfo kSentAt{"mail_canary_sent_timestamp_seconds",
                             "When the relay took the last message."};
constexpr MetricInfo kReceivedAt{
    "mail_canary_last_received_timestamp_seconds",
    "When the last message arrived; before the first did, when the watching began."};
constexpr MetricInfo kDelay{"mail_canary_delay_seconds",
                            "How long the last one that arrived was under way."};
constexpr MetricInfo kWaiting{"mail_canary_waiting", "Messages that were sent and did not arrive."};
constexpr MetricInfo kOldest{"mail_canary_oldest_waiting_seconds",
                             "Since the oldest of them was sent; 0: there is none."};
constexpr MetricInfo kSent{"mail_canary_sent_total", "Messages that the relay took.", kCounter};
constexpr MetricInfo kReceived{"mail_canary_received_total", "Messages that arrived.", kCounter};
constexpr MetricInfo kLost{"mail_canary_lost_total", "Messages that never did.", kCounter};
constexpr MetricInfo kFailures{"mail_canary_failures_total", "Failed attempts.", kCounter};
constexpr MetricInfo kSuccess{"mail_canary_success", "1 if the last attempt of the stage worked."};

constexpr const char* kSend = "send";
constexpr const char* kReceive = "receive";
constexpr std::size_t kWordsMax = 20;
/// After a failure an attempt comes sooner; a relay that greylists wants that too.
constexpr int kRetriesInInterval = 5;
constexpr base::Duration kDay{86'400'000};

double seconds_of(base::Duration duration) {
  return static_cast<double>(duration.count()) / 1000;
}

}  // namespace

MailCanary::MailCanary(MailCanarySettings settings, World world,
                       std::unique_ptr<base::Random> random)
    : settings_(std::move(settings)),
      world_(std::move(world)),
      random_(std::move(random)),
      key_(settings_.key()),
      mark_(
          base::sha256_hex("mail canary\n" + settings_.host + "\n" + settings_.name).substr(0, 12)),
      state_(world_.executor.clock().wall()),
      worker_(world_.executor.clock(), "mail-canary", std::make_shared<CallSignal>()) {
  load();
}

void MailCanary::load() {
  if (world_.state_folder.empty()) return;
  const bool look_only = world_.mail == nullptr;
  state_file_ = std::make_shared<StateFile>(
      world_.files,
      StateOptions{base::join_path(world_.state_folder, "mail-canary-" + mark_ + ".json"),
                   look_only});
  const auto saved = state_file_->load();
  if (saved) {
    state_ = CanaryState::from_json(*saved, world_.executor.clock().wall());
  } else {
    world_.failures.report(key_ + ", state", saved.error().message);
  }
}

void MailCanary::start(base::WallTime /*timestamp*/, std::function<void(const Fill&)> done) {
  const base::WallTime now = world_.executor.clock().wall();
  if (const std::size_t lost = state_.expire(now, settings_.lost_after); lost > 0) {
    lost_total_ += static_cast<double>(lost);
    unsaved_ = true;
  }
  if (world_.mail != nullptr) {
    send_if_due(now);
    look_if_due(now);
    save();
  }
  done([&](RoundSink& sink) { fill(sink, now); });
}

net::Mail MailCanary::message(const std::string& word, base::WallTime now) const {
  net::Mail mail;
  mail.from = settings_.from;
  mail.to = {settings_.to};
  mail.subject = "Tocsin mail canary " + word;
  mail.message_id = fmt::format("<{}{}>", word, settings_.from.substr(settings_.from.find('@')));
  mail.extra_headers = {{std::string(kCanaryHeader), word}, {"Auto-Submitted", "auto-generated"}};
  mail.date = now;
  mail.text = fmt::format(
      "The monitoring agent on {} sends this to see whether mail arrives (canary '{}').\n"
      "It is looked for and deleted by itself; nobody needs to read it.\n",
      settings_.host, settings_.name);
  return mail;
}

void MailCanary::send_if_due(base::WallTime now) {
  const base::Duration every =
      sending_.failed ? std::max(settings_.interval / kRetriesInInterval, base::Duration{1'000})
                      : settings_.interval;
  if (sending_.out || !state_.due(now, every)) return;
  const std::string word = mark_ + "-" + random_->hex(8);
  sending_.out = true;
  state_.attempt(word, now);
  unsaved_ = true;
  world_.mail->send(
      settings_.smtp, message(word, now), settings_.timeout, world_.executor,
      [this, word, alive = std::weak_ptr<int>(alive_)](const Result<net::MailOutcome>& outcome) {
        if (!alive.expired()) sent(word, outcome);
      });
}

void MailCanary::sent(const std::string& word, const Result<net::MailOutcome>& outcome) {
  unsaved_ = true;
  if (outcome && outcome->smtp_code == 250) {
    state_.taken(world_.executor.clock().wall());
    ++sent_total_;
    return succeeded(sending_, kSend);
  }
  if (outcome) {
    state_.refused(word);
    return failed(
        sending_, kSend, outcome->permanent ? "refused" : "deferred",
        base::error(outcome->permanent ? ErrorCode::PermissionDenied : ErrorCode::Unavailable,
                    fmt::format("the relay {}:{} does not take mail: {}", settings_.smtp.host,
                                settings_.smtp.port, outcome->reply)));
  }
  // Nobody knows whether it was taken before the time was up: it may still arrive.
  if (outcome.error().code != ErrorCode::Timeout) state_.refused(word);
  failed(sending_, kSend, std::string(base::to_string(outcome.error().code)), outcome.error());
}

void MailCanary::look_if_due(base::WallTime now) {
  const base::MonotonicTime moment = world_.executor.clock().monotonic();
  // Who is asked by IMAP answers in time; a file system may never. Its thread stays busy.
  if (looking_.out && !settings_.imap && moment - *looked_at_ > settings_.timeout) {
    failed(
        looking_, kReceive, "timeout",
        base::error(ErrorCode::Timeout,
                    fmt::format("'{}' does not answer: its file system hangs",
                                settings_.maildir.empty() ? settings_.mbox : settings_.maildir)));
  }
  if (looking_.out || state_.waiting().empty()) return;
  if (looked_at_ && moment - *looked_at_ < settings_.check_interval) return;
  net::MailSearch search;
  search.common = mark_;
  search.words = state_.wanted(kWordsMax);
  // A day more than anybody waits, because IMAP knows days only.
  if (!settings_.keep) search.remove_before = now - settings_.lost_after - kDay;
  if (!settings_.imap) return look_into_files(search);
  looked_at_ = moment;
  looking_.out = true;
  world_.imap->search(
      *settings_.imap, search, settings_.timeout, world_.executor,
      [this, alive = std::weak_ptr<int>(alive_)](const Result<net::MailFound>& found) {
        if (!alive.expired()) looked(found);
      });
}

void MailCanary::look_into_files(const net::MailSearch& search) {
  if (worker_.busy()) return;  // with the state, or it hangs
  looked_at_ = world_.executor.clock().monotonic();
  looking_.out = true;
  worker_.start([this, search, &files = world_.files, &executor = world_.executor,
                 maildir = settings_.maildir, mbox = settings_.mbox,
                 alive = std::weak_ptr<int>(alive_)] {
    auto found =
        maildir.empty() ? search_mbox(files, mbox, search) : search_maildir(files, maildir, search);
    executor.post([this, found = std::move(found), alive] {
      if (!alive.expired()) looked(found);
    });
  });
}

void MailCanary::looked(const Result<net::MailFound>& found) {
  if (!found) {
    return failed(looking_, kReceive, std::string(base::to_string(found.error().code)),
                  found.error());
  }
  const base::WallTime now = world_.executor.clock().wall();
  const std::vector<CanaryState::Sent> waiting = state_.waiting();
  for (const CanaryState::Sent& sent : waiting) {
    const auto& words = found->words;
    if (std::find(words.begin(), words.end(), sent.word) == words.end()) continue;
    state_.found(sent.word, now);
    ++received_total_;
    unsaved_ = true;
  }
  succeeded(looking_, kReceive);
}

void MailCanary::failed(Stage& stage, const char* name, const std::string& reason,
                        base::Error error) {
  stage.tried = true;
  stage.out = false;
  ++stage.failures[reason];
  world_.failures.report(key_ + ", " + name, error.message);
  stage.failed = std::move(error);
}

void MailCanary::succeeded(Stage& stage, const char* name) {
  stage.tried = true;
  stage.out = false;
  stage.failed.reset();
  world_.failures.clear(key_ + ", " + name);
}

void MailCanary::save() {
  if (!unsaved_ || !state_file_ || worker_.busy()) return;
  unsaved_ = false;
  worker_.start(
      [file = state_file_, saved = state_.to_json(), key = key_, &failures = world_.failures] {
        const auto done = file->save(saved);
        if (done) return failures.clear(key + ", state");
        failures.report(key + ", state", done.error().message);
      });
}

void MailCanary::fill_stage(RoundSink& sink, const Stage& stage, const char* name) const {
  const model::LabelView server{"server", settings_.name};
  if (stage.tried) {
    sink.add(kSuccess, {server, {"stage", name}}, stage.failed ? 0 : 1);
  }
  for (const auto& [reason, count] : stage.failures) {
    sink.add(kFailures, {server, {"stage", name}, {"reason", reason}}, count);
  }
  if (stage.failed) {
    add_check_failed(sink, settings_.name, std::string("mail_canary ") + name, *stage.failed);
  }
}

void MailCanary::fill(RoundSink& sink, base::WallTime now) const {
  const model::LabelView server{"server", settings_.name};
  if (const auto taken = state_.taken_at()) sink.add(kSentAt, {server}, base::to_seconds(*taken));
  sink.add(kReceivedAt, {server}, base::to_seconds(state_.received_at()));
  if (const auto delay = state_.delay()) sink.add(kDelay, {server}, seconds_of(*delay));
  const auto& waiting = state_.waiting();
  sink.add(kWaiting, {server}, static_cast<double>(waiting.size()));
  const base::Duration oldest = waiting.empty() ? base::Duration{0} : now - waiting.front().at;
  sink.add(kOldest, {server}, std::max(0.0, seconds_of(oldest)));
  sink.add(kSent, {server}, sent_total_);
  sink.add(kReceived, {server}, received_total_);
  sink.add(kLost, {server}, lost_total_);
  fill_stage(sink, sending_, kSend);
  fill_stage(sink, looking_, kReceive);
}

}  // namespace tocsin::agent

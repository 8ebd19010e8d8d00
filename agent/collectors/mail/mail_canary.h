// A message of our own, sent as the application sends its mail, and looked for where it should
// arrive: what people notice when mail does not work.
//
// Every round tells what is known; sending and looking go on beside it, so that a relay that hangs
// holds up nothing. What failed is mail_canary_failures_total{stage,reason}, and
// tocsin_agent_check_failed while it does; the log has the server's own words.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "agent/collectors/blocking/hanging_call.h"
#include "agent/collectors/kept/state_file.h"
#include "agent/collectors/mail/canary_state.h"
#include "agent/collectors/mail/mail_settings.h"
#include "agent/sampler/round_sink.h"
#include "common/base/executor.h"
#include "common/base/log.h"
#include "common/base/random.h"

namespace tocsin::agent {

/// Owner: the sampler's executor.
class MailCanary final : public AsyncSource {
 public:
  struct World {
    base::Executor& executor;  ///< The sampler's.
    base::FileSystem& files;
    net::MailClient* mail;  ///< Null: nothing is sent or looked for, only told.
    net::ImapClient* imap;
    base::FailureLog& failures;
    std::string state_folder;  ///< Where it remembers; empty: it does not.
  };

  MailCanary(MailCanarySettings settings, World world, std::unique_ptr<base::Random> random);

  const std::string& key() const override { return key_; }
  void start(base::WallTime timestamp, std::function<void(const Fill&)> done) override;

 private:
  /// What went wrong in a stage last, and how often what went wrong.
  struct Stage {
    bool tried = false;
    bool out = false;  ///< An attempt is under way.
    std::optional<base::Error> failed;
    std::map<std::string, double> failures;  ///< By reason.
  };

  void load();
  void send_if_due(base::WallTime now);
  void sent(const std::string& word, const base::Result<net::MailOutcome>& outcome);
  void look_if_due(base::WallTime now);
  void look_into_files(const net::MailSearch& search);
  void looked(const base::Result<net::MailFound>& found);
  void failed(Stage& stage, const char* name, const std::string& reason, base::Error error);
  void succeeded(Stage& stage, const char* name);
  void save();
  void fill(RoundSink& sink, base::WallTime now) const;
  void fill_stage(RoundSink& sink, const Stage& stage, const char* name) const;
  net::Mail message(const std::string& word, base::WallTime now) const;

  MailCanarySettings settings_;
  World world_;
  std::unique_ptr<base::Random> random_;
  std::string key_;
  std::string mark_;  ///< In all messages of this canary.
  std::shared_ptr<StateFile> state_file_;
  CanaryState state_;
  Stage sending_, looking_;
  std::optional<base::MonotonicTime> looked_at_;
  double sent_total_ = 0, received_total_ = 0, lost_total_ = 0;
  bool unsaved_ = false;
  HangingCallWorker worker_;  ///< For files, which may hang.
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace tocsin::agent

// A program of this host, for ways out that nobody else has.
//
// It gets the webhook's JSON on standard input and nothing of an alert anywhere else: its path and
// arguments are those of the configuration, there is no shell, and the environment holds what is
// listed below. What its exit status says: 0 delivered; 64, 65, 78 (sysexits: usage, data,
// configuration), or a program that cannot be started: never again; everything else: again.

#include <fmt/core.h>

#include "alertd/notify/http_channel.h"
#include "alertd/notify/pager_channels.h"
#include "common/base/command_runner.h"
#include "common/base/strings.h"

namespace tocsin::notify {
namespace {

constexpr std::size_t kOutputShownMax = 200;
constexpr std::size_t kOutputBytesMax = 4096;

Outcome command_outcome(const base::Result<base::CommandResult>& result) {
  Outcome outcome;
  if (!result) {
    const base::ErrorCode code = result.error().code;
    const bool hopeless = code == base::ErrorCode::InvalidArgument ||
                          code == base::ErrorCode::PermissionDenied ||
                          code == base::ErrorCode::NotFound;
    outcome.verdict = hopeless ? Verdict::Permanent : Verdict::Retry;
    outcome.reason = hopeless ? FailureReason::Refused : FailureReason::Unreachable;
    outcome.text = base::escape_control(result.error().message);
    return outcome;
  }
  if (result->timed_out) {
    outcome.text = "killed: it took too long";
    outcome.unknown = true;
  } else if (result->signal != 0) {
    outcome.text = fmt::format("ended by signal {}", result->signal);
    outcome.unknown = true;
  } else {
    const int status = result->exit_status;
    const bool hopeless = status == 64 || status == 65 || status == 78;
    outcome.verdict = status == 0 ? Verdict::Delivered
                      : hopeless  ? Verdict::Permanent
                                  : Verdict::Retry;
    outcome.text = fmt::format("exit status {}", status);
  }
  if (outcome.verdict != Verdict::Delivered) outcome.reason = FailureReason::Refused;
  const std::string output(base::trim(result->output));
  if (!output.empty()) {
    outcome.text += ": " + base::escape_control(cut_bytes(output, kOutputShownMax));
  }
  return outcome;
}

class CommandChannel final : public Channel {
 public:
  CommandChannel(const CommandSettings& kind, const ChannelParts& parts)
      : command_(kind),
        allowed_(parts.notify.allow_commands),
        timeout_(parts.settings.timeout),
        external_url_(parts.notify.external_url),
        executor_(parts.world.executor),
        runner_(parts.world.commands) {}

  void send(const incident::Notification& notification, const DeliveryKey& key,
            SendDone done) override {
    if (!allowed_ || runner_ == nullptr) {
      executor_.post([done = std::move(done)] {
        Outcome outcome;
        outcome.verdict = Verdict::Permanent;
        outcome.text = "commands are not allowed: [notify] allow_commands";
        done(std::move(outcome));
      });
      return;
    }
    base::Command command;
    command.arguments = command_.command;
    command.environment = {{"PATH", "/usr/local/bin:/usr/bin:/bin"},
                           {"LANG", "C.UTF-8"},
                           {"TOCSIN_KIND", std::string(to_string(notification.kind))},
                           {"TOCSIN_KEY", key.value},
                           {"TOCSIN_REPEATED", key.maybe_repeated ? "maybe" : "no"}};
    command.input = webhook_body(notification, external_url_, 0) + '\n';
    command.timeout = timeout_;
    command.output_bytes_max = kOutputBytesMax;
    runner_->run(std::move(command), executor_,
                 [done = std::move(done)](const base::Result<base::CommandResult>& result) {
                   done(command_outcome(result));
                 });
  }

 private:
  CommandSettings command_;
  bool allowed_;
  base::Duration timeout_;
  std::string external_url_;
  base::Executor& executor_;
  base::CommandRunner* runner_;
};

}  // namespace

std::unique_ptr<Channel> make_channel_of(const CommandSettings& kind,
                                         const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world) {
  return std::make_unique<CommandChannel>(kind, ChannelParts{settings, notify, world});
}

}  // namespace tocsin::notify

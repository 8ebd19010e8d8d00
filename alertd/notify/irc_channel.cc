// IRC: a few lines, said to a channel or a person.
//
// There are no threads, edits or ids. The first message of an incident is its headline, what
// happened and the alerts; later ones are one line. A message whose outcome was lost says "(may be
// a repeat)". Each channel has a connection of its own, which stays.

#include <fmt/core.h>

#include "alertd/notify/chat_channels.h"
#include "alertd/notify/chat_outcome.h"
#include "common/net/irc_format.h"

namespace tocsin::notify {
namespace {

constexpr TextRules kRules{Escaping::None, 300, 4000, Measure::Bytes, false};

class IrcChannel final : public Channel {
 public:
  IrcChannel(std::unique_ptr<net::IrcClient> client, const ChannelSettings& settings,
             const NotifySettings& notify, const ChannelWorld& world)
      : settings_(std::get<IrcSettings>(settings.kind)),
        timeout_(settings.timeout),
        external_url_(notify.external_url),
        writer_(settings, notify, world.executor.clock()),
        executor_(world.executor),
        failures_(world.metrics, settings),
        client_(std::move(client)) {}

  void send(const incident::Notification& notification, const DeliveryKey& key,
            SendDone done) override {
    const ChatMessage message =
        chat_message(writer_, notification, external_url_, kRules, key.maybe_repeated);
    failures_.note(message.template_failure);
    net::IrcMessage irc;
    irc.target = settings_.target;
    irc.key = settings_.key;
    irc.lines = lines(message, says_all(notification));
    client_->send(std::move(irc), timeout_, executor_,
                  [done = std::move(done),
                   note = message.template_failure](const base::Result<net::TalkOutcome>& result) {
                    Outcome outcome = talk_outcome("IRC", result);
                    if (!note.empty()) outcome.text += "; " + note;
                    done(std::move(outcome));
                  });
  }

 private:
  // The first line says it all; the last leads to the incident.
  std::vector<std::string> lines(const ChatMessage& message, bool full) const {
    const std::string last = message.link.empty() ? message.incident_id : message.link;
    const std::string text = full ? message.title + "\n" + message.text : message.brief;
    std::vector<std::string> all = net::irc_pieces(text, net::kIrcTextBytesMax);
    const std::size_t room = settings_.lines_max - (last.empty() ? 0 : 1);
    if (all.size() > room) {
      const std::size_t more = all.size() - room;
      all.resize(room);
      if (!all.empty()) all.back() += fmt::format(" (and {} more lines)", more);
    }
    if (!all.empty()) all.front() = message.emoji + " " + all.front();
    if (!last.empty()) all.push_back(last);
    return all;
  }

  IrcSettings settings_;
  base::Duration timeout_;
  std::string external_url_;
  MessageWriter writer_;
  base::Executor& executor_;
  TemplateFailures failures_;
  std::unique_ptr<net::IrcClient> client_;
};

}  // namespace

std::unique_ptr<Channel> make_irc_channel(std::unique_ptr<net::IrcClient> client,
                                          const ChannelSettings& settings,
                                          const NotifySettings& notify, const ChannelWorld& world) {
  return std::make_unique<IrcChannel>(std::move(client), settings, notify, world);
}

std::unique_ptr<Channel> make_channel_of(const IrcSettings& kind, const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world) {
  return make_irc_channel(net::make_irc_client(world.executor.clock(), kind.server), settings,
                          notify, world);
}

}  // namespace tocsin::notify

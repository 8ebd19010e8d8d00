// XMPP: messages to a person or a room, held together by <thread>.
//
// The message's id is the delivery key, so a repeat can be seen as one; clients show it again
// nevertheless, and it says "(may be a repeat)". Corrections (XEP-0308) are for the last message
// only, so an incident's first message stays as it was.

#include "alertd/notify/chat_channels.h"
#include "alertd/notify/chat_outcome.h"
#include "common/base/strings.h"

namespace tocsin::notify {
namespace {

constexpr TextRules kRules{Escaping::None, 300, 4000, Measure::Bytes, false};

// XML has no place for control characters, and a server ends the stream over them.
std::string clean(std::string text) {
  for (char& c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\n') || byte == 0x7f) c = ' ';
  }
  if (base::is_utf8(text)) return text;
  for (char& c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) c = '?';
  }
  return text;
}

class XmppChannel final : public Channel {
 public:
  XmppChannel(std::unique_ptr<net::XmppClient> client, const ChannelSettings& settings,
              const NotifySettings& notify, const ChannelWorld& world)
      : settings_(std::get<XmppSettings>(settings.kind)),
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
    net::XmppMessage xmpp;
    xmpp.id = key.value;
    xmpp.to = settings_.to;
    xmpp.is_room = settings_.is_room;
    xmpp.nick = settings_.nick;
    xmpp.room_password = settings_.room_password;
    xmpp.thread = message.thread_key;
    const bool full = says_all(notification);
    std::string body = message.emoji + " ";
    body += full ? message.title + "\n" + message.text : message.brief;
    if (!full && !message.link.empty()) body += "\n" + message.link;
    xmpp.body = clean(std::move(body));
    client_->send(std::move(xmpp), timeout_, executor_,
                  [done = std::move(done),
                   note = message.template_failure](const base::Result<net::TalkOutcome>& result) {
                    Outcome outcome = talk_outcome("XMPP", result);
                    if (!note.empty()) outcome.text += "; " + note;
                    done(std::move(outcome));
                  });
  }

 private:
  XmppSettings settings_;
  base::Duration timeout_;
  std::string external_url_;
  MessageWriter writer_;
  base::Executor& executor_;
  TemplateFailures failures_;
  std::unique_ptr<net::XmppClient> client_;
};

}  // namespace

std::unique_ptr<Channel> make_xmpp_channel(std::unique_ptr<net::XmppClient> client,
                                           const ChannelSettings& settings,
                                           const NotifySettings& notify,
                                           const ChannelWorld& world) {
  return std::make_unique<XmppChannel>(std::move(client), settings, notify, world);
}

std::unique_ptr<Channel> make_channel_of(const XmppSettings& kind, const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world) {
  return make_xmpp_channel(net::make_xmpp_client(world.executor.clock(), kind.account), settings,
                           notify, world);
}

}  // namespace tocsin::notify

// Buttons under messages in chats: each chat's way to tell that one was pressed.
//
// A press is believed only if the chat signed it (Slack, Discord), or sent the secret we gave it
// (Telegram); Mattermost signs nothing, there our token in the button is the right. In all four the
// button carries an acknowledge token, so that even a chat that was taken over can do no more
// than what was offered. Teams has no way back: it gets the link.
#pragma once

#include <string>
#include <vector>

#include "alertd/api/ack_handlers.h"
#include "common/base/secret.h"

namespace tocsin::api {

struct ChatSecrets {
  base::Secret slack_signing_secret;  ///< Of the Slack app; empty: not served.
  std::string discord_public_key;     ///< Hexadecimal; empty: not served.
  base::Secret telegram_secret;       ///< As given to setWebhook; empty: not served.
};

/// POST /api/v1/chat/slack, mattermost, discord and telegram.
class ChatButtons {
 public:
  ChatButtons(AckDesk& desk, ChatSecrets secrets) : desk_(desk), secrets_(std::move(secrets)) {}
  std::vector<Route> routes() const;

  void slack(ApiCall call) const;
  void mattermost(ApiCall call) const;
  void discord(ApiCall call) const;
  void telegram(ApiCall call) const;

 private:
  /// Acts for the person of that chat; `answer` makes the chat's answer from the outcome.
  void press(const ApiCall& call, std::string_view chat, std::string token, std::string by,
             std::function<net::ServerResponse(const AckResult&)> answer) const;

  AckDesk& desk_;
  ChatSecrets secrets_;
};

}  // namespace tocsin::api

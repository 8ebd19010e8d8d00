// The chat channels: one make_channel_of for each kind of settings in chat_settings.h.
#pragma once

#include <memory>

#include "alertd/notify/channels.h"
#include "alertd/notify/chat_text.h"

namespace tocsin::notify {

std::unique_ptr<Channel> make_channel_of(const SlackApiSettings& kind,
                                         const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world);
std::unique_ptr<Channel> make_channel_of(const TeamsSettings& kind, const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world);
std::unique_ptr<Channel> make_channel_of(const MattermostSettings& kind,
                                         const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world);
std::unique_ptr<Channel> make_channel_of(const RocketChatSettings& kind,
                                         const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world);
std::unique_ptr<Channel> make_channel_of(const DiscordSettings& kind,
                                         const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world);
std::unique_ptr<Channel> make_channel_of(const TelegramSettings& kind,
                                         const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world);
std::unique_ptr<Channel> make_channel_of(const MatrixSettings& kind,
                                         const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world);
std::unique_ptr<Channel> make_channel_of(const GoogleChatSettings& kind,
                                         const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world);
std::unique_ptr<Channel> make_channel_of(const ZulipSettings& kind, const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world);

std::unique_ptr<Channel> make_channel_of(const IrcSettings& kind, const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world);
std::unique_ptr<Channel> make_channel_of(const XmppSettings& kind, const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world);

/// The same with a client of the caller's, for tests.
std::unique_ptr<Channel> make_irc_channel(std::unique_ptr<net::IrcClient> client,
                                          const ChannelSettings& settings,
                                          const NotifySettings& notify, const ChannelWorld& world);
std::unique_ptr<Channel> make_xmpp_channel(std::unique_ptr<net::XmppClient> client,
                                           const ChannelSettings& settings,
                                           const NotifySettings& notify, const ChannelWorld& world);

/// Returns the body for Teams, at most `bytes_max` long: lines fall away from its end.
std::string teams_card(const ChatMessage& message, std::size_t bytes_max);

}  // namespace tocsin::notify

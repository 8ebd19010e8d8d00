// Makers of the channels that wake people or pass the alert on, and what their tests look at.
#pragma once

#include "alertd/notify/channels.h"

namespace tocsin::notify {

std::unique_ptr<Channel> make_channel_of(const PagerDutySettings& kind,
                                         const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world);
std::unique_ptr<Channel> make_channel_of(const OpsgenieSettings& kind,
                                         const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world);
std::unique_ptr<Channel> make_channel_of(const NtfySettings& kind, const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world);
std::unique_ptr<Channel> make_channel_of(const PushoverSettings& kind,
                                         const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world);
std::unique_ptr<Channel> make_channel_of(const TwilioSettings& kind,
                                         const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world);
std::unique_ptr<Channel> make_channel_of(const KannelSettings& kind,
                                         const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world);
std::unique_ptr<Channel> make_channel_of(const AlertmanagerSettings& kind,
                                         const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world);
std::unique_ptr<Channel> make_channel_of(const CommandSettings& kind,
                                         const ChannelSettings& settings,
                                         const NotifySettings& notify, const ChannelWorld& world);

/// The severity that counts for a page: of the incident now; once over, its peak.
model::Severity page_severity(const incident::Notification& notification);

/// What names the incident at services that keep it by a key of ours: the incident's id, for tests
/// the delivery's key; `by_group`: the SHA-256 of the group key, as Alertmanager does.
std::string incident_key(const incident::Notification& notification, bool by_group);

}  // namespace tocsin::notify

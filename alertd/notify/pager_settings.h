// Settings of the channels that wake people or pass the alert on: pagers, SMS, another
// Alertmanager, a command of this host.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/base/secret.h"
#include "common/base/time.h"
#include "common/net/http_client.h"

namespace tocsin::notify {

/// How an HTTP API is reached and who we are there. At most one of bearer_token and user is set.
struct HttpAccess {
  net::TlsOptions tls;
  base::Secret bearer_token;
  std::string user;  ///< HTTP Basic.
  base::Secret password;
  net::Headers headers;  ///< Beside ours.
};

/// PagerDuty Events v2.
struct PagerDutySettings {
  std::string url = "https://events.pagerduty.com/v2/enqueue";
  base::Secret routing_key;  ///< Of an "Events API v2" integration of one service.
  std::string component;
  std::string group;
  std::string event_class;
  std::string source;  ///< Empty: the alerts' place, else the receiver.
  HttpAccess access;
  bool key_by_group = false;  ///< dedup_key as Alertmanager makes it: SHA-256 of the group key.
  std::map<std::string, std::string> images = {};  ///< src -> alt
  std::map<std::string, std::string> links = {};   ///< href -> text; beside ours
};

/// Opsgenie's and Jira Service Management's alert API.
struct OpsgenieSettings {
  std::string url = "https://api.opsgenie.com";
  base::Secret api_key;
  std::vector<std::string> responders;  ///< "team:dba", "user:ada@example.org", "schedule:x"
  std::vector<std::string> tags;
  std::string source = "tocsin";
  std::string entity;
  HttpAccess access;
  bool key_by_group = false;
};

struct NtfySettings {
  std::string url = "https://ntfy.sh";  ///< The server.
  std::string topic;
  std::vector<std::string> tags;
  HttpAccess access;
};

struct PushoverSettings {
  std::string url = "https://api.pushover.net";
  base::Secret token;
  base::Secret user;
  std::string device;
  std::string sound;
  base::Duration retry{60'000};      ///< Critical is repeated so often until somebody acknowledges,
  base::Duration expire{3'600'000};  ///< and at most for so long.
  bool emergency = true;             ///< Critical is sent with priority 2.
  net::TlsOptions tls;
};

/// What the two ways to SMS share.
struct SmsText {
  std::size_t segments_max = 3;  ///< A longer text is cut; each segment is paid for.
};

/// Twilio's Programmable Messaging, and those who copy it.
struct TwilioSettings {
  std::string url = "https://api.twilio.com";
  std::string account_sid;
  base::Secret auth_token;
  std::string from;  ///< A number, or a messaging service ("MG...").
  std::string to;
  SmsText sms;
  net::TlsOptions tls;
};

/// A kannel gateway's sendsms.
struct KannelSettings {
  std::string url;  ///< "http://127.0.0.1:13013/cgi-bin/sendsms"
  std::string user;
  base::Secret password;
  std::string from;
  std::vector<std::string> to;
  std::string smsc;  ///< Empty: kannel chooses.
  SmsText sms;
  net::TlsOptions tls;
};

/// Another Alertmanager (or Tocsin), with all its peers.
struct AlertmanagerSettings {
  std::vector<std::string> urls;  ///< One for each peer, without /api/v2.
  base::Duration resend{60'000};  ///< So often what fires is sent again: peers keep it in memory.
  base::Duration keep{26 * 3'600'000};  ///< How long it stays there if this daemon falls silent.
  HttpAccess access;
};

/// A program of this host. Only with `[notify] allow_commands = true`.
struct CommandSettings {
  std::vector<std::string> command;  ///< Absolute path, fixed arguments.
};

}  // namespace tocsin::notify

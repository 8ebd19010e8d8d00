#include "agent/collectors/mail/mail_settings.h"

#include <fmt/format.h>

#include "agent/collectors/blocking/server_settings.h"
#include "common/base/strings.h"
#include "common/net/mail_format.h"

namespace tocsin::agent {
namespace {

constexpr base::Duration kSecond{1'000};
constexpr base::Duration kDay{86'400'000};

MailQueueSettings read_queue(config::Table& table) {
  MailQueueSettings settings;
  settings.name = table.string("name", "local");
  const bool exim = table.one_of("mta", "postfix", {"postfix", "exim"}) == "exim";
  settings.mta = exim ? MailServer::Exim : MailServer::Postfix;
  settings.spool = table.string("spool", exim ? "/var/spool/exim4" : "/var/spool/postfix");
  if (!settings.spool.starts_with('/')) {
    table.error("spool", fmt::format("'{}' is not an absolute path", settings.spool));
  }
  const std::string how = table.one_of("read", "auto", {"auto", "folders", "listing"});
  settings.reading = how == "folders"   ? SpoolReading::Folders
                     : how == "listing" ? SpoolReading::Listing
                                        : SpoolReading::Auto;
  if (exim && settings.reading == SpoolReading::Listing) {
    table.error("read", "only Postfix has a listing to ask for", "read = \"folders\"");
  }
  settings.interval = table.duration("interval", settings.interval);
  if (settings.interval < kSecond || settings.interval > kDay) {
    table.error("interval", "interval must be 1s to 1d");
  }
  settings.limits.files_max =
      static_cast<std::size_t>(table.integer("messages_max", 100'000, 100, 1'000'000));
  table.finish();
  return settings;
}

net::SmtpTls read_mail_tls(config::Table& table, const char* usual) {
  const std::string tls = table.one_of("tls", usual, {"none", "starttls", "implicit"});
  return tls == "none"       ? net::SmtpTls::None
         : tls == "implicit" ? net::SmtpTls::Implicit
                             : net::SmtpTls::StartTls;
}

/// What both ends have: host, user, password, ca_file.
template <class Server>
void read_mail_server(config::Table& table, Server& server) {
  server.host = table.string("host", "127.0.0.1");
  server.user = table.string("user", "");
  if (auto password = table.secret("password")) server.password = std::move(*password);
  server.tls.ca_file = table.string("ca_file", "");
  server.tls.insecure = table.boolean("insecure_tls", false);
  if (!server.user.empty() && server.password.empty()) {
    table.error("user", "user is given without a password", "add password_file");
  }
}

void read_canary_smtp(config::Table table, MailCanarySettings& settings) {
  net::SmtpServer& server = settings.smtp;
  server.tls_mode = read_mail_tls(table, "none");
  const std::int64_t usual = server.tls_mode == net::SmtpTls::Implicit   ? 465
                             : server.tls_mode == net::SmtpTls::StartTls ? 587
                                                                         : 25;
  server.port = static_cast<unsigned short>(table.integer("port", usual, 1, 65535));
  read_mail_server(table, server);
  server.hello = table.string("hello", "");
  if (!server.user.empty() && server.tls_mode == net::SmtpTls::None) {
    table.error("tls", "a password must not go over an unencrypted connection",
                "use tls = \"starttls\" or remove user");
  }
  table.finish();
}

void read_canary_imap(config::Table table, MailCanarySettings& settings) {
  net::ImapServer server;
  server.tls_mode = read_mail_tls(table, "implicit");
  const std::int64_t usual = server.tls_mode == net::SmtpTls::Implicit ? 993 : 143;
  server.port = static_cast<unsigned short>(table.integer("port", usual, 1, 65535));
  read_mail_server(table, server);
  if (server.user.empty()) table.error("user", "user is missing");
  server.mailbox = table.string("mailbox", server.mailbox);
  table.finish();
  settings.imap = std::move(server);
}

std::string read_mail_address(config::Table& table, const char* key) {
  std::string text = table.required_string(key);
  const auto address = net::mailbox_address(text);
  if (!text.empty() && (!address || *address != text || text.find('@') == std::string::npos)) {
    table.error(key, fmt::format("{} \"{}\" is not a mail address", key, text),
                "write only the address: canary@example.org");
  }
  return text;
}

MailCanarySettings read_canary(config::Table& table, const std::string& host) {
  MailCanarySettings settings;
  settings.name = table.string("name", "relay");
  settings.host = host;
  settings.from = read_mail_address(table, "from");
  settings.to = read_mail_address(table, "to");
  read_canary_smtp(table.table("smtp"), settings);
  if (table.has("imap")) read_canary_imap(table.table("imap"), settings);
  settings.maildir = table.string("maildir", "");
  settings.mbox = table.string("mbox", "");
  const int places = (settings.imap ? 1 : 0) + (settings.maildir.empty() ? 0 : 1) +
                     (settings.mbox.empty() ? 0 : 1);
  if (places != 1) {
    table.error("to", "it must be said in one way where the message arrives",
                "[mail_canary.imap], or maildir = \"/...\", or mbox = \"/...\"");
  }
  for (const auto& [key, path] :
       {std::pair{"maildir", settings.maildir}, std::pair{"mbox", settings.mbox}}) {
    if (!path.empty() && !path.starts_with('/')) {
      table.error(key, fmt::format("'{}' is not an absolute path", path));
    }
  }
  const auto read_duration = [&](const char* key, base::Duration& value, base::Duration max) {
    value = table.duration(key, value);
    if (value < kSecond || value > max) {
      table.error(key, fmt::format("{} must be 1s to {}", key, base::format_duration(max)));
    }
  };
  read_duration("interval", settings.interval, kDay);
  read_duration("check_interval", settings.check_interval, kDay);
  read_duration("timeout", settings.timeout, base::Duration{300'000});
  read_duration("lost_after", settings.lost_after, 14 * kDay);
  settings.keep = table.boolean("keep", false);
  table.finish();
  return settings;
}

}  // namespace

std::vector<MailQueueSettings> read_mail_queue_settings(config::Table& root) {
  return read_servers(root, "mail_queue", [](config::Table& table) { return read_queue(table); });
}

std::vector<MailCanarySettings> read_mail_canary_settings(config::Table& root,
                                                          const std::string& host) {
  return read_servers(root, "mail_canary",
                      [&](config::Table& table) { return read_canary(table, host); });
}

}  // namespace tocsin::agent

// Alertmanager's file without its secrets. Which keys hold one: Alertmanager's configuration
// reference, <secret> and its http_config; what is unknown and called like one counts as one.
#include <algorithm>
#include <array>

#include "alertd/routing/alertmanager_export.h"

namespace tocsin::routing {
namespace {

constexpr std::string_view kMask = "\"<secret>\"";

constexpr std::array<std::string_view, 27> kSecretKeys{"smtp_auth_password", "smtp_auth_secret",
                                                       "slack_api_url",      "slack_app_token",
                                                       "opsgenie_api_key",   "wechat_api_secret",
                                                       "victorops_api_key",  "telegram_bot_token",
                                                       "rocketchat_token",   "rocketchat_token_id",
                                                       "auth_password",      "auth_secret",
                                                       "password",           "bearer_token",
                                                       "credentials",        "client_secret",
                                                       "api_secret",         "api_key",
                                                       "service_key",        "routing_key",
                                                       "user_key",           "token",
                                                       "token_id",           "bot_token",
                                                       "secret_key",         "webhook_url",
                                                       "app_token"};

bool is_plain(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '/' || c == '+';
  });
}

/// Keeps scheme and host; the path of a webhook often is its password.
std::string masked_url(const std::string& url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string::npos) return std::string(kMask);
  std::string rest = url.substr(scheme + 3);
  const std::size_t end = rest.find_first_of("/?#");
  std::string host = rest.substr(0, end);
  const bool more = end != std::string::npos && end + 1 < rest.size();
  if (const std::size_t at = host.rfind('@'); at != std::string::npos) host.erase(0, at + 1);
  return yaml_quoted(url.substr(0, scheme + 3) + host + (more ? "/%3Csecret%3E" : ""));
}

class Writer {
 public:
  void table(const config::Node& node, int indent, std::string_view parent) {
    for (const config::Field& field : node.fields) {
      pad(indent);
      value(field.name, field.value, indent, parent);
    }
  }
  std::string take() { return std::move(out_); }

 private:
  void pad(int indent) { out_.append(static_cast<std::size_t>(indent), ' '); }

  void value(const std::string& name, const config::Node& node, int indent,
             std::string_view parent) {
    out_ += is_plain(name) ? name : yaml_quoted(name);
    out_ += ':';
    if (is_secret(name, parent) && node.kind != config::Kind::Null) {
      out_ += ' ';
      out_ += kMask;
      out_ += '\n';
    } else if (name == "url" && parent == "webhook_configs") {
      out_ += ' ' + masked_url(node.text) + '\n';
    } else {
      nested(node, indent, name);
    }
  }

  void nested(const config::Node& node, int indent, std::string_view name) {
    if (node.kind == config::Kind::Table && !node.fields.empty()) {
      out_ += '\n';
      table(node, indent + 2, name);
    } else if (node.kind == config::Kind::Array && !node.items.empty()) {
      out_ += '\n';
      for (const config::Node& item : node.items) this->item(item, indent, name);
    } else {
      out_ += ' ' + scalar(node) + '\n';
    }
  }

  void item(const config::Node& node, int indent, std::string_view name) {
    pad(indent);
    if (node.kind == config::Kind::Table && !node.fields.empty()) {
      const std::size_t begin = out_.size();
      table(node, indent + 2, name);
      out_[begin] = '-';
      // table() wrote its own indentation: two of it are ours.
      out_.erase(begin + 2, static_cast<std::size_t>(indent));
      return;
    }
    out_ += '-';
    nested(node, indent + 2, name);
  }

  static bool is_secret(std::string_view name, std::string_view parent) {
    if (parent == "http_headers") return true;
    if (name == "api_url" && parent == "slack_configs") return true;
    return std::find(kSecretKeys.begin(), kSecretKeys.end(), name) != kSecretKeys.end();
  }

  static std::string scalar(const config::Node& node) {
    switch (node.kind) {
      case config::Kind::Null:
        return "null";
      case config::Kind::Table:
        return "{}";
      case config::Kind::Array:
        return "[]";
      default:
        break;
    }
    return node.style == config::Style::Plain && is_plain(node.text) ? node.text
                                                                     : yaml_quoted(node.text);
  }

  std::string out_;
};

}  // namespace

std::string masked_alertmanager(const config::Node& root) {
  Writer writer;
  writer.table(root, 0, "");
  return writer.take();
}

}  // namespace tocsin::routing

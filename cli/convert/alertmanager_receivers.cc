// Receivers of Alertmanager: mail, webhook and Slack carry over, templates as they are. The others
// are named with what takes their place. No secret is copied: each becomes the path of a file that
// somebody writes, and the message says which line it was in.

#include <fmt/core.h>

#include <algorithm>

#include "alertd/notify/message.h"
#include "cli/convert/alertmanager.h"
#include "common/base/strings.h"

namespace tocsin::cli::convert {
namespace {

/// "Ops <ops@example.org>" -> "ops@example.org".
std::string bare_address(std::string_view text) {
  const std::size_t open = text.rfind('<');
  const std::size_t close = text.rfind('>');
  if (open != std::string_view::npos && close != std::string_view::npos && open < close) {
    text = text.substr(open + 1, close - open - 1);
  }
  return std::string(base::trim(text));
}

/// Whoever knows such a URL can post: those of chat services, and those with a long word, a query
/// or a user in them.
bool is_secret_url(std::string_view url) {
  if (url.find('?') != std::string_view::npos || url.find('@') != std::string_view::npos) {
    return true;
  }
  const std::size_t scheme = url.find("://");
  const std::size_t path = scheme == std::string_view::npos ? 0 : url.find('/', scheme + 3);
  if (path == std::string_view::npos) return false;
  const auto parts = base::split(url.substr(path), '/');
  return std::any_of(parts.begin(), parts.end(),
                     [](std::string_view part) { return part.size() >= 16; });
}

class Receivers {
 public:
  explicit Receivers(const AlertmanagerFile& file)
      : file_(file), reading_(file.reading), out_(file.out) {}

  void write() {
    smtp();
    if (const auto templates = items_at(file_.root, "templates"); !templates.empty()) {
      out_.blank();
      out_.header("[notify]");
      std::vector<std::string> paths;
      for (const config::Node* one : templates) {
        if (one->text.find_first_of("*?[") == std::string::npos) {
          paths.push_back(one->text);
        } else {
          not_carried(reading_, out_, one->at, fmt::format("template pattern '{}'", one->text),
                      "template_files takes files: name each");
        }
      }
      if (!paths.empty()) out_.value("template_files", toml_strings(paths));
    }
    for (const config::Node* one : items_at(file_.root, "receivers")) receiver(*one);
  }

 private:
  struct Smart {
    std::string host;
    std::string port;
  };

  static Smart smarthost(const std::string& text) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string::npos) return {text, "25"};
    return {text.substr(0, colon), text.substr(colon + 1)};
  }

  /// The first address of the mail server: of the whole file, else of the first mail receiver.
  void smtp() {
    const config::Node* node = &file_.global;
    std::string prefix = "smtp_";
    if (!node->find("smtp_smarthost")) {
      prefix.clear();
      node = nullptr;
      for (const config::Node* one : items_at(file_.root, "receivers")) {
        for (const config::Node* mail : items_at(*one, "email_configs")) {
          if (!node && mail->find("smarthost")) node = mail;
        }
      }
    }
    if (!node) return;
    smarthost_ = text_at(*node, prefix + "smarthost");
    const Smart server = smarthost(smarthost_);
    from_ =
        bare_address(first_of(text_at(*node, prefix + "from"), text_at(file_.global, "smtp_from")));
    out_.blank();
    out_.header("[smtp]", reading_.comments.take(line_of(*node, prefix + "smarthost")));
    out_.string("host", server.host);
    const auto port = base::parse_u64(server.port);
    if (port) out_.value("port", fmt::format("{}", *port));
    out_.string("tls", server.port == "465"                      ? "implicit"
                       : is_false(*node, prefix + "require_tls") ? "none"
                                                                 : "starttls");
    if (!from_.empty()) out_.string("from", from_, take(*node, prefix + "from"));
    const std::string hello = text_at(*node, prefix + "hello");
    if (!hello.empty()) out_.string("hello", hello);
    const std::string user = text_at(*node, prefix + "auth_username");
    if (!user.empty()) {
      out_.string("user", user, take(*node, prefix + "auth_username"));
      secret("password_file", *node, prefix + "auth_password", prefix + "auth_password_file",
             "smtp.password");
    }
    for (const char* key : {"auth_secret", "auth_identity"}) {
      if (const config::Node* value = node->find(prefix + key)) {
        not_carried(reading_, out_, value->at, fmt::format("'{}{}'", prefix, key),
                    "mail authenticates with user and password");
      }
    }
  }

  static std::string first_of(const std::string& a, const std::string& b) {
    return a.empty() ? b : a;
  }

  static std::size_t line_of(const config::Node& node, std::string_view key) {
    for (const config::Field& field : node.fields) {
      if (field.name == key) return field.at.line;
    }
    return 0;
  }

  Remarks take(const config::Node& node, std::string_view key) {
    const std::size_t line = line_of(node, key);
    return line == 0 ? Remarks{} : reading_.comments.take(line);
  }

  /// `key` = the file that theirs names, or one that a person writes.
  bool secret(std::string_view key, const config::Node& node, const std::string& inline_key,
              const std::string& file_key, std::string_view name) {
    const std::string file = text_at(node, file_key);
    if (!file.empty()) {
      out_.string(key, file, take(node, file_key));
      return true;
    }
    const config::Node* value = node.find(inline_key);
    if (!value) return false;
    const std::string path = secret_path(name);
    reading_.warn(
        value->at,
        fmt::format("the secret under '{}' is not copied; write it into {}", inline_key, path),
        "mode 0640 at most, readable by alertd");
    out_.note(fmt::format("import: write the secret of line {} into this file, mode 0640 at most",
                          value->at.line));
    out_.string(key, path, take(node, inline_key));
    return true;
  }

  void receiver(const config::Node& node) {
    name_ = receiver_name(text_at(node, "name"));
    out_.blank();
    const Remarks head = reading_.comments.take(first_line(node));
    out_.comments(head.above);
    out_.header("[[receiver]]");
    out_.string("name", name_, {{}, head.beside});
    for (const config::Field& field : node.fields) {
      if (field.name == "name") continue;
      out_.comments(reading_.comments.take(field.at.line).above);
      std::size_t number = 0;
      for (const config::Node* one : items_at(node, field.name)) {
        ++number;
        word_ = file_word(number == 1 ? name_ : fmt::format("{}-{}", name_, number));
        if (field.name == "email_configs") {
          email(*one);
        } else if (field.name == "webhook_configs") {
          webhook(*one);
        } else if (field.name == "slack_configs") {
          slack(*one);
        } else {
          not_carried(
              reading_, out_, one->at, fmt::format("'{}' of receiver '{}'", field.name, name_),
              "channels are email, webhook and slack; a webhook reaches what else there is");
        }
        out_.comments(reading_.comments.take_rest(first_line(*one), last_line(*one) + 1));
      }
    }
  }

  static std::size_t last_line(const config::Node& node) {
    std::size_t line = node.at.line;
    for (const config::Node& item : node.items) line = std::max(line, last_line(item));
    for (const config::Field& field : node.fields) {
      line = std::max({line, field.at.line, last_line(field.value)});
    }
    return line;
  }

  void send_resolved(const config::Node& node, bool default_theirs) {
    const bool sends =
        default_theirs ? !is_false(node, "send_resolved") : is_true(node, "send_resolved");
    if (!sends) out_.value("send_resolved", "false", take(node, "send_resolved"));
  }

  /// A template text; one that ours cannot read is left as a comment.
  void message(std::string_view key, const config::Node& node, const std::string& theirs) {
    const config::Node* value = node.find(theirs);
    if (!value || value->text.empty()) return;
    const bool calls_templates = value->text.find("template ") != std::string::npos;
    const auto parsed = notify::parse_message_template(value->text, {});
    if (parsed) {
      out_.string(key, value->text, take(node, theirs));
      return;
    }
    const std::string why =
        calls_templates && parsed.error().message.find("template") != std::string::npos
            ? "it uses a template that is not in this file"
            : parsed.error().message;
    not_carried(reading_, out_, value->at, fmt::format("'{}'", theirs), why);
    TomlWriter line;
    line.string(key, value->text);
    out_.note(line.text());
  }

  void others(const config::Node& node, std::initializer_list<std::string_view> known) {
    for (const config::Field& field : node.fields) {
      if (std::find(known.begin(), known.end(), field.name) != known.end()) continue;
      not_carried(reading_, out_, field.at, fmt::format("'{}' of receiver '{}'", field.name, name_),
                  "our channel has no such key");
    }
  }

  void email(const config::Node& node) {
    out_.header("[[receiver.email]]");
    std::vector<std::string> to;
    const std::string addresses = text_at(node, "to");
    for (const std::string_view part : base::split(addresses, ',')) {
      if (!base::trim(part).empty()) to.push_back(bare_address(part));
    }
    out_.value("to", toml_strings(to), take(node, "to"));
    const std::string from = bare_address(text_at(node, "from"));
    if (!from.empty() && from != from_) out_.string("from", from, take(node, "from"));
    send_resolved(node, false);
    if (const config::Node* headers = node.find("headers")) {
      for (const config::Field& header : headers->fields) {
        if (base::to_lower(header.name) == "subject") {
          message("title", *headers, header.name);
        } else {
          not_carried(reading_, out_, header.at, fmt::format("mail header '{}'", header.name),
                      "only the subject is settable");
        }
      }
    }
    message("text", node, "text");
    message("html", node, "html");
    if (const config::Node* other = node.find("smarthost"); other && other->text != smarthost_) {
      not_carried(reading_, out_, other->at, fmt::format("mail server '{}'", other->text),
                  "all mail goes through the one of [smtp]");
    }
    others(node, {"to", "from", "send_resolved", "headers", "text", "html", "smarthost", "hello",
                  "auth_username", "auth_password", "auth_password_file", "auth_secret",
                  "auth_identity", "require_tls"});
  }

  void http(const config::Node& node) {
    const config::Node* inherited = file_.global.find("http_config");
    const config::Node* http = node.find("http_config");
    if (!http) http = inherited;
    if (!http) return;
    const config::Node* bearer = http->find("authorization");
    if (bearer) {
      secret("bearer_token_file", *bearer, "credentials", "credentials_file", word_ + ".token");
    }
    secret("bearer_token_file", *http, "bearer_token", "bearer_token_file", word_ + ".token");
    tls(*http);
    for (const config::Field& field : http->fields) {
      if (field.name == "authorization" || field.name == "bearer_token" ||
          field.name == "bearer_token_file" || field.name == "tls_config" ||
          field.name == "follow_redirects" || field.name == "enable_http2") {
        continue;
      }
      not_carried(reading_, out_, field.at, fmt::format("'{}' of http_config", field.name),
                  field.name == "basic_auth" ? "use a bearer token, or the signature of the body"
                                             : "our channel has no such key");
    }
  }

  void tls(const config::Node& http) {
    const config::Node* tls = http.find("tls_config");
    if (!tls) return;
    for (const auto& [theirs, ours] :
         {std::pair("ca_file", "ca_file"), std::pair("cert_file", "client_cert_file"),
          std::pair("key_file", "client_key_file")}) {
      const std::string path = text_at(*tls, theirs);
      if (!path.empty()) out_.string(ours, path);
    }
    if (is_true(*tls, "insecure_skip_verify")) out_.value("tls_insecure", "true");
  }

  void webhook(const config::Node& node) {
    out_.header("[[receiver.webhook]]");
    const std::string url = text_at(node, "url");
    if (!url.empty() && !is_secret_url(url)) {
      out_.string("url", url, take(node, "url"));
    } else if (!secret("url_file", node, "url", "url_file", word_ + ".url")) {
      out_.note("import: the source gives no URL");
    }
    send_resolved(node, true);
    if (const auto alerts = base::parse_u64(text_at(node, "max_alerts")); alerts && *alerts > 0) {
      out_.value("max_alerts", fmt::format("{}", *alerts));
    }
    timeout(node);
    // Slack's and mail's http_config carries the same keys.
    if (node.find("http_config") || file_.global.find("http_config")) http(node);
    others(node, {"url", "url_file", "send_resolved", "max_alerts", "http_config", "timeout"});
  }

  void timeout(const config::Node& node) {
    const config::Node* value = node.find("timeout");
    if (!value) return;
    const auto parsed = base::parse_duration(value->text);
    const bool fits =
        parsed && *parsed >= std::chrono::seconds(1) && *parsed <= std::chrono::minutes(2);
    if (fits) {
      out_.string("timeout", value->text, take(node, "timeout"));
    } else if (!parsed || *parsed != base::Duration{0}) {
      not_carried(reading_, out_, value->at, fmt::format("timeout {}", value->text),
                  "it must be 1s to 2m");
    }
  }

  void slack(const config::Node& node) {
    out_.header("[[receiver.slack]]");
    const bool own = secret("url_file", node, "api_url", "api_url_file", word_ + ".url");
    if (!own &&
        !secret("url_file", file_.global, "slack_api_url", "slack_api_url_file", "slack.url")) {
      out_.note("import: the source gives no URL");
      out_.string("url_file", secret_path("slack.url"));
    }
    for (const std::string_view key : {"channel", "username", "icon_emoji"}) {
      const std::string text = text_at(node, key);
      if (text.find("{{") != std::string::npos) {
        not_carried(reading_, out_, node.find(key)->at, fmt::format("'{}'", key),
                    "it is a template; recipients are written out");
      } else if (!text.empty()) {
        out_.string(key, text, take(node, key));
      }
    }
    send_resolved(node, false);
    message("title", node, "title");
    message("text", node, "text");
    if (const config::Node* own_http = node.find("http_config")) tls(*own_http);
    others(node, {"api_url", "api_url_file", "channel", "username", "icon_emoji", "send_resolved",
                  "title", "text", "http_config"});
  }

  const AlertmanagerFile& file_;
  const Reading& reading_;
  TomlWriter& out_;
  std::string smarthost_;
  std::string from_;
  std::string name_;
  std::string word_;  ///< For file names of the receiver's secrets.
};

}  // namespace

void write_receivers(const AlertmanagerFile& file) {
  Receivers(file).write();
}

std::string receiver_name(std::string_view name) {
  std::string out(name);
  for (char& c : out) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '/' || byte < 0x20 || byte == 0x7f) c = '-';
  }
  return out;
}

}  // namespace tocsin::cli::convert

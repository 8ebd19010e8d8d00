#include "alertd/app/config_text.h"

#include <algorithm>
#include <array>

#include "common/base/time.h"
#include "common/net/http_text.h"

namespace tocsin::alertd {
namespace {

// Addresses of webhooks and chats are secrets too, so that what is shown is listed, not what is
// hidden.
constexpr std::array<std::string_view, 18> kShown{
    "listen",   "log_level", "path",     "paths",    "fsync",
    "engine",   "name",      "receiver", "group_by", "default_severity",
    "severity", "time_zone", "timezone", "schedule", "policy",
    "branch",   "continue",  "retention"};

bool is_measure(std::string_view text) {
  if (base::parse_duration(text)) return true;
  const std::size_t unit = text.find_first_not_of("0123456789");
  if (unit == 0 || unit == std::string_view::npos) return false;
  constexpr std::array<std::string_view, 8> kUnits{"B",  "KiB", "MiB", "GiB",
                                                   "KB", "MB",  "GB",  "TiB"};
  return std::find(kUnits.begin(), kUnits.end(), text.substr(unit)) != kUnits.end();
}

bool shown_key(std::string_view key) {
  return std::find(kShown.begin(), kShown.end(), key) != kShown.end();
}

class Printer {
 public:
  void table(const config::Node& node, std::size_t depth) {
    for (const config::Field& field : node.fields) {
      out.append(depth * 2, ' ');
      out += net::json_string(field.name) + ':';
      value(field.value, field.name, depth);
    }
  }

  std::string out;

 private:
  // What follows a colon or a dash.
  void value(const config::Node& node, std::string_view key, std::size_t depth) {
    switch (node.kind) {
      case config::Kind::Table:
        if (node.fields.empty()) {
          out += " {}\n";
          return;
        }
        out += '\n';
        table(node, depth + 1);
        return;
      case config::Kind::Array:
        if (node.items.empty()) {
          out += " []\n";
          return;
        }
        out += '\n';
        for (const config::Node& item : node.items) {
          out.append((depth + 1) * 2, ' ');
          out += '-';
          value(item, key, depth + 1);
        }
        return;
      case config::Kind::String:
        out += ' ';
        out += shown_key(key) || is_measure(node.text) ? net::json_string(node.text)
                                                       : std::string("\"<hidden>\"");
        out += '\n';
        return;
      default:
        out += ' ' + (node.kind == config::Kind::Null ? std::string("null") : node.text) + '\n';
    }
  }
};

}  // namespace

std::string shown_config(const config::Node& document) {
  Printer printer;
  printer.table(document, 0);
  return std::move(printer.out);
}

}  // namespace tocsin::alertd

#include "agent/collectors/inventory/admin_files.h"

#include <algorithm>
#include <array>
#include <optional>

#include "common/base/base64.h"
#include "common/base/hash.h"
#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

constexpr std::size_t kRsaBitsMin = 2048;

// Lines that end in a backslash go on.
std::vector<std::string> logical_lines(std::string_view text) {
  std::vector<std::string> lines;
  std::string line;
  base::for_each_line(text, [&](std::string_view part) {
    if (part.ends_with('\\')) {
      line.append(part.substr(0, part.size() - 1)).append(" ");
      return;
    }
    lines.push_back(line.append(part));
    line.clear();
  });
  if (!line.empty()) lines.push_back(std::move(line));
  return lines;
}

// "(root : adm)" before a command says as whom.
std::string without_runas(std::string_view text) {
  std::string out;
  int depth = 0;
  for (const char c : text) {
    if (c == '(') ++depth;
    if (depth == 0) out += c;
    if (c == ')' && depth > 0) --depth;
  }
  return out;
}

struct Grant {
  bool all = false;
  bool all_nopasswd = false;
};

// "NOPASSWD: /bin/ls, PASSWD: ALL": a tag holds until the next that undoes it.
Grant grant_of(std::string_view commands) {
  Grant grant;
  bool nopasswd = false;
  const std::string plain = without_runas(commands);
  for (const std::string_view item : base::split(plain, ',')) {
    std::string_view command = base::trim(item);
    for (;;) {
      const std::size_t end = command.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
      if (end == std::string_view::npos || end == 0 || command[end] != ':') break;
      const std::string_view tag = command.substr(0, end);
      if (tag == "NOPASSWD") nopasswd = true;
      if (tag == "PASSWD") nopasswd = false;
      command = base::trim(command.substr(end + 1));
    }
    if (command != "ALL") continue;
    grant.all = true;
    grant.all_nopasswd = grant.all_nopasswd || nopasswd;
  }
  return grant;
}

std::string_view without_comment(std::string_view line) {
  // "#1000" and "%#1000" are ids, at the beginning of a word and followed by digits.
  for (std::size_t at = line.find('#'); at != std::string_view::npos; at = line.find('#', at + 1)) {
    const bool is_id = at + 1 < line.size() && line[at + 1] >= '0' && line[at + 1] <= '9';
    const bool escaped = at > 0 && line[at - 1] == '\\';
    if (!is_id && !escaped) return line.substr(0, at);
  }
  return line;
}

bool is_setting(std::string_view line) {
  constexpr std::array<std::string_view, 7> kHeads = {
      "Defaults", "User_Alias", "Runas_Alias", "Host_Alias", "Cmnd_Alias", "Cmd_Alias", "@include"};
  return std::any_of(kHeads.begin(), kHeads.end(),
                     [&](std::string_view head) { return line.starts_with(head); });
}

// "a = X : b = Y" are two grants of one user, but a colon also ends a tag or stands in
// (user:group).
std::vector<std::string_view> host_parts(std::string_view line) {
  std::vector<std::string_view> parts;
  std::size_t begin = 0;
  int depth = 0;
  for (std::size_t at = 0; at < line.size(); ++at) {
    if (line[at] == '(') ++depth;
    if (line[at] == ')') --depth;
    if (line[at] != ':' || depth != 0 || at == 0 || line[at - 1] != ' ') continue;
    parts.push_back(line.substr(begin, at - begin));
    begin = at + 1;
  }
  parts.push_back(line.substr(begin));
  return parts;
}

// Takes a string of the format of SSH: four bytes of length, big endian, and the bytes.
std::optional<std::string_view> take_string(std::string_view& blob) {
  if (blob.size() < 4) return std::nullopt;
  std::size_t length = 0;
  for (int i = 0; i < 4; ++i) length = length << 8U | static_cast<unsigned char>(blob[i]);
  if (blob.size() - 4 < length) return std::nullopt;
  const std::string_view taken = blob.substr(4, length);
  blob.remove_prefix(4 + length);
  return taken;
}

std::size_t bits_of(std::string_view number) {
  while (!number.empty() && number[0] == '\0') number.remove_prefix(1);
  if (number.empty()) return 0;
  std::size_t bits = (number.size() - 1) * 8;
  for (auto first = static_cast<unsigned char>(number[0]); first != 0; first >>= 1U) ++bits;
  return bits;
}

bool is_weak(std::string_view type, std::string_view blob) {
  if (type == "ssh-dss") return true;
  if (type != "ssh-rsa") return false;
  if (!take_string(blob) || !take_string(blob)) return true;
  const auto modulus = take_string(blob);
  return !modulus || bits_of(*modulus) < kRsaBitsMin;
}

std::string fingerprint_of(std::string_view blob) {
  const std::string hex = base::sha256_hex(blob);
  std::string digest;
  for (std::size_t at = 0; at < hex.size(); at += 2) {
    digest += static_cast<char>(std::stoi(hex.substr(at, 2), nullptr, 16));
  }
  std::string text = base::base64(digest);
  while (text.ends_with('=')) text.pop_back();
  return "SHA256:" + text;
}

bool is_key_type(std::string_view word) {
  return word.starts_with("ssh-") || word.starts_with("ecdsa-sha2-") || word.starts_with("sk-");
}

// The next word; spaces in double quotes belong to it.
std::string_view take_word(std::string_view& rest) {
  rest = base::trim(rest);
  bool quoted = false;
  std::size_t end = 0;
  for (; end < rest.size(); ++end) {
    if (rest[end] == '\\' && quoted && end + 1 < rest.size()) {
      ++end;
    } else if (rest[end] == '"') {
      quoted = !quoted;
    } else if (!quoted && (rest[end] == ' ' || rest[end] == '\t')) {
      break;
    }
  }
  const std::string_view word = rest.substr(0, end);
  rest.remove_prefix(end);
  return word;
}

}  // namespace

Sudoers parse_sudoers(std::string_view text) {
  Sudoers sudoers;
  for (const std::string& whole : logical_lines(text)) {
    const std::string_view line = base::trim(without_comment(whole));
    if (line.empty() || is_setting(line)) continue;
    const std::size_t end = line.find_first_of(" \t");
    if (end == std::string_view::npos || line.find('=') == std::string_view::npos) continue;
    bool all = false;
    for (const std::string_view part : host_parts(line.substr(end))) {
      const std::size_t equals = part.find('=');
      if (equals == std::string_view::npos) continue;
      const Grant grant = grant_of(part.substr(equals + 1));
      all = all || grant.all;
      sudoers.nopasswd_all += grant.all_nopasswd ? 1 : 0;
    }
    if (all) sudoers.may_all.emplace_back(line.substr(0, end));
  }
  return sudoers;
}

std::vector<AuthorizedKey> parse_authorized_keys(std::string_view text) {
  std::vector<AuthorizedKey> keys;
  base::for_each_line(text, [&](std::string_view line) {
    line = base::trim(line);
    if (line.empty() || line[0] == '#') return;
    std::string_view type = take_word(line);
    if (!is_key_type(type)) type = take_word(line);
    if (!is_key_type(type)) return;
    const auto blob = base::base64_decode(take_word(line));
    if (!blob || blob->empty()) return;
    keys.push_back({std::string(type), fingerprint_of(*blob), is_weak(type, *blob)});
  });
  return keys;
}

}  // namespace tocsin::agent

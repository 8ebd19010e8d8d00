#include "agent/collectors/inventory/sudoers.h"

#include <algorithm>
#include <array>
#include <optional>

#include "common/base/strings.h"

namespace tocsin::agent {
namespace {

constexpr int kAliasDepthMax = 16;

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

std::string_view without_comment(std::string_view line) {
  // "#1000" and "%#1000" are ids, at the beginning of a word and followed by digits.
  for (std::size_t at = line.find('#'); at != std::string_view::npos; at = line.find('#', at + 1)) {
    const bool is_id = at + 1 < line.size() && line[at + 1] >= '0' && line[at + 1] <= '9';
    const bool escaped = at > 0 && line[at - 1] == '\\';
    if (!is_id && !escaped) return line.substr(0, at);
  }
  return line;
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

bool is_alias_name(std::string_view word) {
  return !word.empty() && word[0] >= 'A' && word[0] <= 'Z' &&
         word.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == word.npos;
}

/// Takes a list "a, b ,c" from the beginning of a text: words with commas between.
std::vector<std::string> take_list(std::string_view& text) {
  std::vector<std::string> list;
  for (bool more = true; more;) {
    text = base::trim(text);
    const std::size_t end = std::min(text.find_first_of(", \t="), text.size());
    if (end > 0) list.emplace_back(text.substr(0, end));
    text = base::trim(text.substr(end));
    more = text.starts_with(',');
    if (more) text.remove_prefix(1);
  }
  return list;
}

/// Takes a word, in double quotes or with escaped spaces.
std::string path_of(std::string_view text) {
  text = base::trim(text);
  const bool quoted = text.starts_with('"');
  if (quoted) text.remove_prefix(1);
  std::string path;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      path += text[++i];
    } else if (quoted ? text[i] == '"' : text[i] == ' ' || text[i] == '\t') {
      break;
    } else {
      path += text[i];
    }
  }
  return path;
}

std::optional<SudoersInclude> include_of(std::string_view line) {
  if (!line.starts_with('@') && !line.starts_with('#')) return std::nullopt;
  line.remove_prefix(1);
  for (const auto& [word, folder] : {std::pair{"includedir", true}, std::pair{"include", false}}) {
    const std::size_t length = std::string_view(word).size();
    if (!line.starts_with(word) || line.size() == length) continue;
    if (line[length] != ' ' && line[length] != '\t') continue;
    return SudoersInclude{path_of(line.substr(length)), folder};
  }
  return std::nullopt;
}

/// "A = x, y : B = z"
void add_aliases(std::string_view text, SudoersFile::Aliases& aliases) {
  for (const std::string_view part : host_parts(text)) {
    const std::size_t equals = part.find('=');
    if (equals == part.npos) continue;
    auto& members = aliases[std::string(base::trim(part.substr(0, equals)))];
    for (const std::string_view member : base::split(part.substr(equals + 1), ',')) {
      members.emplace_back(base::trim(member));
    }
  }
}

/// Lines that grant nothing. Returns whether it was one.
bool take_setting(std::string_view line, SudoersFile& file) {
  constexpr std::array<std::string_view, 4> kOthers = {"Defaults", "Runas_Alias", "Host_Alias",
                                                       "@include"};
  const std::size_t end = line.find_first_of(" \t");
  const std::string_view word = line.substr(0, end);
  const std::string_view rest = end == line.npos ? std::string_view() : line.substr(end);
  if (word == "User_Alias") {
    add_aliases(rest, file.users);
  } else if (word == "Cmnd_Alias" || word == "Cmd_Alias") {
    add_aliases(rest, file.commands);
  } else {
    return std::any_of(kOthers.begin(), kOthers.end(),
                       [&](std::string_view other) { return line.starts_with(other); });
  }
  return true;
}

void add_grant(std::string_view line, SudoersFile& file) {
  SudoersFile::Grant grant;
  grant.users = take_list(line);
  if (grant.users.empty() || line.find('=') == line.npos) return;
  for (const std::string_view part : host_parts(line)) {
    const std::size_t equals = part.find('=');
    if (equals != part.npos) grant.commands.emplace_back(part.substr(equals + 1));
  }
  file.grants.push_back(std::move(grant));
}

/// All files' aliases, and what they lead to.
class Judge {
 public:
  explicit Judge(std::span<const SudoersFile> files) {
    for (const SudoersFile& file : files) {
      users_.insert(file.users.begin(), file.users.end());
      commands_.insert(file.commands.begin(), file.commands.end());
    }
  }

  void judge(const SudoersFile::Grant& grant, Sudoers& sudoers) const {
    bool all = false;
    for (const std::string& commands : grant.commands) {
      const Granted granted = granted_by(commands);
      all = all || granted.all;
      sudoers.nopasswd_all += granted.all_nopasswd ? 1 : 0;
    }
    if (!all) return;
    for (const std::string& user : grant.users) add_user(user, 0, sudoers.may_all);
  }

 private:
  struct Granted {
    bool all = false;
    bool all_nopasswd = false;
  };

  // "NOPASSWD: /bin/ls, PASSWD: ALL": a tag holds until the next that undoes it.
  Granted granted_by(std::string_view commands) const {
    Granted granted;
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
      if (!is_all(command, 0)) continue;
      granted.all = true;
      granted.all_nopasswd = granted.all_nopasswd || nopasswd;
    }
    return granted;
  }

  bool is_all(std::string_view command, int depth) const {
    if (command == "ALL") return true;
    if (depth > kAliasDepthMax || !is_alias_name(command)) return false;
    const auto alias = commands_.find(std::string(command));
    return alias != commands_.end() &&
           std::any_of(alias->second.begin(), alias->second.end(),
                       [&](const std::string& member) { return is_all(member, depth + 1); });
  }

  void add_user(const std::string& user, int depth, std::vector<std::string>& users) const {
    if (user.starts_with('!')) return;
    const auto alias = is_alias_name(user) ? users_.find(user) : users_.end();
    if (alias == users_.end() || depth > kAliasDepthMax) {
      users.push_back(user);
      return;
    }
    for (const std::string& member : alias->second) add_user(member, depth + 1, users);
  }

  SudoersFile::Aliases users_;
  SudoersFile::Aliases commands_;
};

}  // namespace

SudoersFile parse_sudoers(std::string_view text) {
  SudoersFile file;
  for (const std::string& whole : logical_lines(text)) {
    if (auto include = include_of(base::trim(whole))) {
      file.includes.push_back(std::move(*include));
      continue;
    }
    const std::string_view line = base::trim(without_comment(whole));
    if (!line.empty() && !take_setting(line, file)) add_grant(line, file);
  }
  return file;
}

Sudoers judge_sudoers(std::span<const SudoersFile> files) {
  const Judge judge(files);
  Sudoers sudoers;
  for (const SudoersFile& file : files) {
    for (const SudoersFile::Grant& grant : file.grants) judge.judge(grant, sudoers);
  }
  return sudoers;
}

std::string include_path(const SudoersInclude& include, std::string_view from,
                         std::string_view host) {
  std::string path = include.path;
  for (std::size_t at = path.find("%h"); at != path.npos; at = path.find("%h", at)) {
    path.replace(at, 2, host);
    at += host.size();
  }
  if (path.starts_with('/')) return path;
  return std::string(from.substr(0, from.rfind('/') + 1)) + path;
}

}  // namespace tocsin::agent

// Completion scripts, generated from the parser's own table so that they cannot fall behind it.
#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "cli/commands.h"
#include "cli/parser.h"
#include "common/base/strings.h"

namespace tocsin::cli {
namespace {

using CommandTable = std::map<std::string, std::vector<std::string>>;

/// The words that may follow `prefix` ("" or a command): commands or sub-commands.
std::vector<std::string> words_after(const CommandTable& table, const std::string& prefix) {
  std::set<std::string> words;
  const std::string start = prefix.empty() ? "" : prefix + " ";
  for (const auto& [command, options] : table) {
    if (command.empty() || !command.starts_with(start)) continue;
    const std::string rest = command.substr(start.size());
    if (!rest.empty()) words.insert(rest.substr(0, rest.find(' ')));
  }
  return {words.begin(), words.end()};
}

/// "agent" and "agent add": the options of both, as one list for the first word.
std::vector<std::string> options_of(const CommandTable& table, const std::string& command) {
  std::set<std::string> options;
  for (const auto& [name, own] : table) {
    if (name == command || name.starts_with(command + " ")) options.insert(own.begin(), own.end());
  }
  return {options.begin(), options.end()};
}

/// Commands whose arguments are files and folders.
std::vector<std::string> commands_with_files() {
  return {"backtest", "check", "import", "test"};
}

bool takes_files(const std::string& command) {
  const std::vector<std::string> commands = commands_with_files();
  return std::find(commands.begin(), commands.end(), command) != commands.end();
}

constexpr std::string_view kIds = "tocsin incidents --ids 2>/dev/null";

std::string bash(const CommandTable& table) {
  std::string cases;
  for (const std::string& command : words_after(table, "")) {
    std::vector<std::string> words = words_after(table, command);
    for (const std::string& option : options_of(table, command)) words.push_back(option);
    std::string list = base::join(words, " ");
    if (command == "ack" || command == "resolve" || command == "incidents") {
      list += fmt::format(" $({})", kIds);
    }
    if (command == "completion") list += " bash zsh fish";
    cases += fmt::format("    {}) words=\"{}\" ;;\n", command, list);
  }
  return fmt::format(
      R"(# bash completion of tocsin; source it, or put it into bash-completion's folder.
_tocsin() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" command="" words="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "${{COMP_WORDS[i]}}" in -*) ;; *) command="${{COMP_WORDS[i]}}"; break ;; esac
  done
  case "$command" in
    "") words="{} {}" ;;
{}  esac
  case "$command" in
    {}) COMPREPLY=($(compgen -f -W "$words" -- "$current")) ;;
    *) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
  esac
}}
complete -o filenames -F _tocsin tocsin
)",
      base::join(words_after(table, ""), " "), base::join(table.at(""), " "), cases,
      base::join(commands_with_files(), "|"));
}

std::string zsh(const CommandTable& table) {
  std::string cases;
  for (const std::string& command : words_after(table, "")) {
    std::vector<std::string> words = words_after(table, command);
    for (const std::string& option : options_of(table, command)) words.push_back(option);
    std::string action = fmt::format("compadd -- {}", base::join(words, " "));
    if (command == "ack" || command == "resolve" || command == "incidents") {
      action += fmt::format("; compadd -- ${{(f)\"$({})\"}}", kIds);
    }
    if (command == "completion") action += "; compadd -- bash zsh fish";
    if (takes_files(command)) action += "; _files";
    cases += fmt::format("    {}) {} ;;\n", command, action);
  }
  return fmt::format(R"(#compdef tocsin
# zsh completion of tocsin; put it as _tocsin into a folder of $fpath.
_tocsin() {{
  local command=""
  local word
  for word in ${{words[2,CURRENT-1]}}; do
    case $word in -*) ;; *) command=$word; break ;; esac
  done
  case $command in
    "") compadd -- {} {} ;;
{}  esac
}}
compdef _tocsin tocsin
)",
                     base::join(words_after(table, ""), " "), base::join(table.at(""), " "), cases);
}

std::string fish(const CommandTable& table) {
  const std::vector<std::string> commands = words_after(table, "");
  std::string out = "# fish completion of tocsin; put it into ~/.config/fish/completions/.\n";
  out += fmt::format("complete -c tocsin -f -n '__fish_use_subcommand' -a '{}'\n",
                     base::join(commands, " "));
  for (const std::string& option : table.at("")) {
    out += fmt::format("complete -c tocsin -l {}\n", option.substr(2));
  }
  for (const std::string& command : commands) {
    const std::string when = fmt::format("-n '__fish_seen_subcommand_from {}'", command);
    for (const std::string& option : options_of(table, command)) {
      out += fmt::format("complete -c tocsin {} -l {}\n", when, option.substr(2));
    }
    const std::vector<std::string> words = words_after(table, command);
    if (!words.empty()) {
      out += fmt::format("complete -c tocsin -f {} -a '{}'\n", when, base::join(words, " "));
    }
    if (command == "ack" || command == "resolve" || command == "incidents") {
      out += fmt::format("complete -c tocsin -f {} -a '({})'\n", when, kIds);
    }
    if (command == "completion") {
      out += fmt::format("complete -c tocsin -f {} -a 'bash zsh fish'\n", when);
    }
    if (takes_files(command)) out += fmt::format("complete -c tocsin -F {}\n", when);
  }
  return out;
}

}  // namespace

std::string completion_script(const std::string& shell) {
  const CommandTable table = command_table();
  if (shell == "zsh") return zsh(table);
  if (shell == "fish") return fish(table);
  return bash(table);
}

}  // namespace tocsin::cli

// Lines of the IRC protocol, taken apart and put together. Source: RFC 1459, RFC 2812.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tocsin::net {

struct IrcLine {
  std::string prefix;                   ///< "nick!user@host" or a server; may be empty.
  std::string command;                  ///< "PRIVMSG", "001"
  std::vector<std::string> parameters;  ///< The last may hold spaces.

  /// Returns a parameter, or "".
  std::string_view at(std::size_t index) const;
  /// Returns the part of the prefix before '!'.
  std::string_view nick() const;
};

/// Parses any line; a line without a command has an empty one.
IrcLine parse_irc_line(std::string_view line);

/// What fits into one PRIVMSG: 512 bytes less command, target and the prefix others see.
inline constexpr std::size_t kIrcTextBytesMax = 400;

/// Returns the text in pieces of at most `bytes_max`, at spaces where possible, never inside a
/// character; control characters become spaces, empty lines fall away.
std::vector<std::string> irc_pieces(std::string_view text, std::size_t bytes_max);

/// Returns whether a text can be a nick or channel: no space, comma, colon first, control
/// character.
bool is_irc_target(std::string_view text);

}  // namespace tocsin::net

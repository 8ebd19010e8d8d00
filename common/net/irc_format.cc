#include "common/net/irc_format.h"

#include <algorithm>

#include "common/base/strings.h"

namespace tocsin::net {

std::string_view IrcLine::at(std::size_t index) const {
  return index < parameters.size() ? std::string_view(parameters[index]) : std::string_view();
}

std::string_view IrcLine::nick() const {
  return std::string_view(prefix).substr(0, prefix.find('!'));
}

IrcLine parse_irc_line(std::string_view line) {
  IrcLine parsed;
  const auto word = [&line] {
    const std::size_t end = std::min(line.find(' '), line.size());
    std::string text(line.substr(0, end));
    line.remove_prefix(end);
    while (line.starts_with(' ')) line.remove_prefix(1);
    return text;
  };
  if (line.starts_with('@')) word();  // message tags, which we do not ask for
  if (line.starts_with(':')) {
    line.remove_prefix(1);
    parsed.prefix = word();
  }
  parsed.command = word();
  while (!line.empty() && parsed.parameters.size() < 15) {
    if (line.starts_with(':')) {
      parsed.parameters.emplace_back(line.substr(1));
      break;
    }
    parsed.parameters.push_back(word());
  }
  return parsed;
}

std::vector<std::string> irc_pieces(std::string_view text, std::size_t bytes_max) {
  std::vector<std::string> pieces;
  base::for_each_line(text, [&](std::string_view line) {
    std::string rest(line);
    for (char& c : rest) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte < 0x20 || byte == 0x7f) c = ' ';
    }
    while (rest.size() > bytes_max) {
      std::size_t end = bytes_max;
      while (end > 0 && (static_cast<unsigned char>(rest[end]) & 0xc0U) == 0x80U) --end;
      const std::size_t space = rest.rfind(' ', end);
      if (space != std::string::npos && space > bytes_max / 2) end = space;
      if (end == 0) end = bytes_max;
      pieces.push_back(rest.substr(0, end));
      rest.erase(0, end);
      while (rest.starts_with(' ')) rest.erase(0, 1);
    }
    if (!base::trim(rest).empty()) pieces.push_back(std::move(rest));
  });
  return pieces;
}

bool is_irc_target(std::string_view text) {
  if (text.empty() || text.size() > 200 || text.front() == ':') return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) > 0x20 && c != ',' && c != 0x7f;
  });
}

}  // namespace tocsin::net

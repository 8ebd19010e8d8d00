#include "tests/sim/stories/story_file.h"

#include <fmt/core.h>

#include "common/base/strings.h"

namespace tocsin::sim {
namespace {

base::Error wrong(const std::string& name, int number, const std::string& what) {
  return base::error(base::ErrorCode::InvalidArgument,
                     fmt::format("{}:{}: {}", name, number, what));
}

}  // namespace

base::Result<StoryFile> parse_story(const std::string& name, const std::string& text) {
  StoryFile story;
  story.name = name;
  std::string section;
  int number = 0;
  for (const std::string_view view : base::split(text, '\n')) {
    const std::string line(view);
    ++number;
    if (line.starts_with("== ")) {
      section = line.substr(3);
      if (section != "config" && section != "alertmanager" && section != "rules" &&
          section != "story") {
        return wrong(name, number, "no such section: " + section);
      }
      continue;
    }
    if (section == "config") story.config += line + '\n';
    if (section == "alertmanager") story.alertmanager += line + '\n';
    if (section == "rules") story.rules += line + '\n';
    if (section != "story" || base::trim(line).empty() || line.starts_with('#')) continue;
    if (line.starts_with(' ')) {
      if (story.lines.empty()) return wrong(name, number, "nothing to expect this of");
      story.lines.back().expected.emplace_back(base::trim(line));
      continue;
    }
    StoryLine parsed;
    parsed.number = number;
    const std::size_t space = line.find(' ');
    TC_TRY(parsed.at, base::parse_duration(line.substr(0, space)));
    if (space == std::string::npos) return wrong(name, number, "what happens then?");
    const std::string rest(base::trim(line.substr(space)));
    const std::size_t end = rest.find(' ');
    parsed.verb = rest.substr(0, end);
    if (end != std::string::npos) parsed.rest = base::trim(rest.substr(end));
    story.lines.push_back(std::move(parsed));
  }
  if (story.lines.empty()) return wrong(name, number, "nothing happens");
  return story;
}

bool is_like(std::string_view text, std::string_view pattern) {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return text == pattern;
  if (!text.starts_with(pattern.substr(0, star))) return false;
  text.remove_prefix(star);
  pattern.remove_prefix(star + 1);
  for (std::size_t skip = 0; skip <= text.size(); ++skip) {
    if (is_like(text.substr(skip), pattern)) return true;
  }
  return false;
}

}  // namespace tocsin::sim

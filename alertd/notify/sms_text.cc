#include "alertd/notify/sms_text.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "common/gotemplate/format.h"

namespace tocsin::notify {
namespace {

using Points = std::vector<std::uint32_t>;

// The default alphabet beyond ASCII's letters and digits.
constexpr std::u32string_view kGsm =
    U"@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà";
constexpr std::u32string_view kGsmTwice = U"^{}\\[~]|€";

struct Plain {
  char32_t from;
  std::string_view to;
};
constexpr std::array<Plain, 13> kPlain{{{U'\u2018', "'"},
                                        {U'\u2019', "'"},
                                        {U'\u201a', "'"},
                                        {U'\u201c', "\""},
                                        {U'\u201d', "\""},
                                        {U'\u201e', "\""},
                                        {U'\u2013', "-"},
                                        {U'\u2014', "-"},
                                        {U'\u2212', "-"},
                                        {U'\u2026', "..."},
                                        {U'\u00a0', " "},
                                        {U'\u2022', "*"},
                                        {U'`', "'"}}};

// In the alphabet's units: 1, 2, or 0 if the character is not in it.
std::size_t gsm_units(std::uint32_t point) {
  const bool letter = (point >= 'a' && point <= 'z') || (point >= 'A' && point <= 'Z') ||
                      (point >= '0' && point <= '9');
  if (letter || kGsm.find(static_cast<char32_t>(point)) != std::u32string_view::npos) return 1;
  return kGsmTwice.find(static_cast<char32_t>(point)) != std::u32string_view::npos ? 2 : 0;
}

Points points_of(std::string_view text) {
  Points points;
  while (!text.empty()) {
    std::uint32_t point = 0;
    text.remove_prefix(gotemplate::decode_utf8(text, point));
    const auto plain = std::find_if(kPlain.begin(), kPlain.end(), [&](const Plain& one) {
      return one.from == static_cast<char32_t>(point);
    });
    if (plain != kPlain.end()) {
      points.insert(points.end(), plain->to.begin(), plain->to.end());
    } else {
      const bool control = (point < 0x20 && point != '\n') || point == 0x7f;
      points.push_back(control ? ' ' : point);
    }
  }
  while (!points.empty() && (points.back() == '\n' || points.back() == ' ')) points.pop_back();
  return points;
}

struct Room {
  std::size_t single;
  std::size_t part;
  bool gsm;

  std::size_t units(std::uint32_t point) const {
    return gsm ? gsm_units(point) : point > 0xffff ? 2 : 1;
  }
  // A character of two units is not split, so a part may end one unit early.
  std::size_t segments(const Points& points) const {
    std::size_t all = 0;
    for (const std::uint32_t point : points) all += units(point);
    if (all <= single) return 1;
    std::size_t count = 1;
    std::size_t used = 0;
    for (const std::uint32_t point : points) {
      if (used + units(point) > part) {
        ++count;
        used = 0;
      }
      used += units(point);
    }
    return count;
  }
};

}  // namespace

Sms fit_sms(std::string_view text, std::size_t segments_max) {
  Points points = points_of(text);
  const bool gsm = std::all_of(points.begin(), points.end(),
                               [](std::uint32_t point) { return gsm_units(point) > 0; });
  const Room room = gsm ? Room{160, 153, true} : Room{70, 67, false};
  segments_max = std::max<std::size_t>(segments_max, 1);
  // No text of more units than this can fit: cut at once, then step by step.
  points.resize(std::min(points.size(), segments_max * room.single));
  bool cut = points.size() < points_of(text).size();
  const auto with_dots = [&] {
    Points whole = points;
    if (cut) whole.insert(whole.end(), 3, '.');
    return whole;
  };
  while (!points.empty() && room.segments(with_dots()) > segments_max) {
    points.pop_back();
    cut = true;
  }
  Sms sms;
  sms.gsm = gsm;
  const Points whole = with_dots();
  for (const std::uint32_t point : whole) gotemplate::append_utf8(sms.text, point);
  sms.segments = room.segments(whole);
  return sms;
}

}  // namespace tocsin::notify

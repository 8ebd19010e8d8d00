#include "alertd/incident/news_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "alertd/incident/scope.h"
#include "common/base/strings.h"

namespace tocsin::incident {
namespace {

using base::WallTime;

constexpr std::size_t kServicesNamed = 3;

/// One language. {service}, {since}, {now}, {begin}, {end} and {at} are filled in.
struct Words {
  std::string_view language;
  std::array<std::string_view, 4> titles;  ///< By NewsState.
  std::string_view down;                   ///< Critical.
  std::string_view slow;                   ///< High.
  std::string_view disturbed;              ///< Less.
  std::array<std::string_view, 3> states;  ///< By NewsState, but resolved.
  std::string_view resolved;
  std::string_view next_update;
  std::string_view status_page;
  std::string_view unnamed;  ///< Without a service.
  std::string_view others;
  std::array<std::string_view, 3> maintenance_titles;  ///< By MaintenanceStage.
  std::array<std::string_view, 3> maintenance;
};

constexpr Words kEnglish{
    "en",
    {"{service}: being looked into", "{service}: cause found", "{service}: being watched",
     "{service}: works again"},
    "{service} has not been working since {since}.",
    "{service} has been slow or partly unavailable since {since}.",
    "{service} may be disturbed since {since}.",
    {"We are looking into it.", "We know the cause and are working on it.",
     "A fix is in place. We are watching whether it holds."},
    "{service} works again since {now}; the trouble began at {since}.",
    "Next update: {at}.",
    "Current state: {url}",
    "Our service",
    "{service} and others",
    {"{service}: planned maintenance", "{service}: maintenance has begun",
     "{service}: maintenance is over"},
    {"{service} will not be available, or only partly, from {begin} to {end}, because of planned "
     "maintenance.",
     "Planned maintenance of {service} has begun. It is to end at {end}.",
     "The planned maintenance of {service} is over."},
};

// These letters have fewer columns than it counts.
// clang-format off
constexpr Words kKhmer{
    "km",
    {"{service}៖ កំពុងពិនិត្យ", "{service}៖ រកឃើញមូលហេតុហើយ", "{service}៖ កំពុងតាមដាន",
     "{service}៖ ដំណើរការឡើងវិញហើយ"},
    "{service} មិនដំណើរការតាំងពីម៉ោង {since}។",
    "{service} ដំណើរការយឺត ឬមិនពេញលេញ តាំងពីម៉ោង {since}។",
    "{service} អាចមានការរំខាន តាំងពីម៉ោង {since}។",
    {"យើងកំពុងពិនិត្យរកមូលហេតុ។", "យើងដឹងមូលហេតុហើយ ហើយកំពុងដោះស្រាយ។",
     "យើងបានដោះស្រាយហើយ ហើយកំពុងតាមដាន។"},
    "{service} ដំណើរការឡើងវិញតាំងពីម៉ោង {now}។ បញ្ហាបានចាប់ផ្តើមនៅម៉ោង {since}។",
    "ព័ត៌មានបន្ទាប់៖ ម៉ោង {at}។",
    "ស្ថានភាពបច្ចុប្បន្ន៖ {url}",
    "សេវាកម្មរបស់យើង",
    "{service} និងសេវាកម្មផ្សេងទៀត",
    {"{service}៖ ការថែទាំតាមគម្រោង", "{service}៖ ការថែទាំបានចាប់ផ្តើម",
     "{service}៖ ការថែទាំបានបញ្ចប់"},
    {"{service} នឹងមិនអាចប្រើបាន ឬប្រើបានមិនពេញលេញ ពីម៉ោង {begin} ដល់ម៉ោង {end} ដោយសារការថែទាំ។",
     "ការថែទាំ {service} បានចាប់ផ្តើម។ នឹងបញ្ចប់នៅម៉ោង {end}។", "ការថែទាំ {service} បានបញ្ចប់។"},
};
// clang-format on

const Words& words_of(const std::string& language) {
  return language == kKhmer.language ? kKhmer : kEnglish;
}

/// "{name}" of the pairs; titles of services may hold braces, which stay.
std::string fill(std::string_view pattern,
                 std::initializer_list<std::pair<std::string_view, std::string_view>> values) {
  std::string out;
  while (!pattern.empty()) {
    const std::size_t open = pattern.find('{');
    out += pattern.substr(0, open);
    if (open == std::string_view::npos) break;
    const std::size_t close = pattern.find('}', open);
    const std::string_view name = pattern.substr(open + 1, close - open - 1);
    for (const auto& [key, value] : values) {
      if (key == name) out += value;
    }
    pattern.remove_prefix(close + 1);
  }
  return out;
}

/// "10:05", or "2026-11-26 10:05" of another day than `now`'s.
std::string clock_time(const timezone::Zone& zone, WallTime at, WallTime now) {
  const std::string text = timezone::format_local(zone, at);  // 2026-01-05 09:00 CET
  const std::string today = timezone::format_local(zone, now);
  const bool same_day = text.substr(0, 10) == today.substr(0, 10);
  return text.substr(same_day ? 11 : 0, same_day ? 5 : 16);
}

std::string titles_of(const std::vector<const Service*>& services, const Words& words,
                      const std::string& language) {
  std::vector<std::string> titles;
  for (const Service* service : services) titles.push_back(service->title_in(language));
  if (titles.empty()) return std::string(words.unnamed);
  if (titles.size() <= kServicesNamed) return base::join(titles, ", ");
  titles.resize(kServicesNamed);
  return fill(words.others, {{"service", base::join(titles, ", ")}});
}

std::string_view effect_of(const Words& words, model::Severity severity) {
  if (severity == model::Severity::Critical) return words.down;
  return severity == model::Severity::High ? words.slow : words.disturbed;
}

gotemplate::Map data_of(const Audience& audience, const NewsFacts& facts) {
  const Words& words = words_of(audience.language);
  gotemplate::List services;
  for (const Service* each : facts.services) {
    services.push_back(gotemplate::Value(each->title_in(audience.language)));
  }
  return {
      {"Service", titles_of(facts.services, words, audience.language)},
      {"Services", gotemplate::Value(std::move(services))},
      {"State", to_string(facts.state)},
      {"Severity", model::to_string(facts.severity)},
      {"Since", clock_time(audience.zone, facts.since, facts.now)},
      {"Now", clock_time(audience.zone, facts.now, facts.now)},
      {"NextUpdate", facts.next_update ? clock_time(audience.zone, *facts.next_update, facts.now)
                                       : std::string()},
      {"Text", facts.text},
      {"StatusURL", facts.status_url},
      {"Audience", audience.name}};
}

/// Returns nullopt without a template, or if it fails or says nothing.
std::optional<std::string> run(const std::optional<gotemplate::Template>& parsed,
                               const gotemplate::Map& data) {
  if (!parsed) return std::nullopt;
  auto text = parsed->execute(gotemplate::Value(data));
  if (!text || base::trim(*text).empty()) return std::nullopt;
  return std::string(base::trim(*text));
}

std::string one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  return text;
}

NewsWords built_in(const Audience& audience, const NewsFacts& facts) {
  const Words& words = words_of(audience.language);
  const std::string service = titles_of(facts.services, words, audience.language);
  const std::string since = clock_time(audience.zone, facts.since, facts.now);
  const std::string now = clock_time(audience.zone, facts.now, facts.now);
  NewsWords news;
  news.title = fill(words.titles[static_cast<std::size_t>(facts.state)], {{"service", service}});
  if (facts.state == NewsState::Resolved) {
    news.text = fill(words.resolved, {{"service", service}, {"since", since}, {"now", now}});
  } else {
    news.text = fill(effect_of(words, facts.severity), {{"service", service}, {"since", since}}) +
                " " + std::string(words.states[static_cast<std::size_t>(facts.state)]);
  }
  if (!facts.text.empty()) news.text += "\n" + facts.text;
  if (facts.next_update) {
    const std::string at = clock_time(audience.zone, *facts.next_update, facts.now);
    news.text += "\n" + fill(words.next_update, {{"at", at}});
  }
  if (!facts.status_url.empty()) {
    news.text += "\n" + fill(words.status_page, {{"url", facts.status_url}});
  }
  return news;
}

}  // namespace

bool is_news_language(std::string_view language) {
  return language == kEnglish.language || language == kKhmer.language;
}

NewsWords news_words(const Audience& audience, const NewsFacts& facts) {
  NewsWords news = built_in(audience, facts);
  if (!audience.title && !audience.text) return news;
  const gotemplate::Map data = data_of(audience, facts);
  if (auto title = run(audience.title, data)) news.title = one_line(std::move(*title));
  if (auto text = run(audience.text, data)) news.text = std::move(*text);
  return news;
}

std::string_view to_string(MaintenanceStage stage) {
  constexpr std::array<std::string_view, 3> kStages{"announced", "started", "ended"};
  return kStages[static_cast<std::size_t>(stage)];
}

std::optional<MaintenanceStage> parse_maintenance_stage(std::string_view text) {
  for (const auto stage :
       {MaintenanceStage::Announced, MaintenanceStage::Started, MaintenanceStage::Ended}) {
    if (to_string(stage) == text) return stage;
  }
  return std::nullopt;
}

bool is_about(const routing::Maintenance& maintenance, const std::string& service) {
  const std::vector<std::string> names = ScopeLabels().service;
  for (const routing::MatcherSet& set : maintenance.matcher_sets) {
    for (const model::Matcher& matcher : set) {
      const bool positive =
          matcher.op() == model::MatchOp::Equal || matcher.op() == model::MatchOp::Regex;
      const bool named = std::find(names.begin(), names.end(), matcher.name()) != names.end();
      if (positive && named && matcher.matches(service)) return true;
    }
  }
  return false;
}

NewsWords maintenance_words(const Audience& audience, const std::vector<const Service*>& services,
                            MaintenanceStage stage, WallTime begin, WallTime end,
                            const std::string& status_url) {
  const Words& words = words_of(audience.language);
  const auto at = static_cast<std::size_t>(stage);
  const std::string service = titles_of(services, words, audience.language);
  const auto with_day = [&](WallTime time) {
    return timezone::format_local(audience.zone, time).substr(0, 16);
  };
  const std::string from = with_day(begin);
  const std::string to = clock_time(audience.zone, end, begin);
  NewsWords news;
  news.title = fill(words.maintenance_titles[at], {{"service", service}});
  news.text = fill(words.maintenance[at], {{"service", service}, {"begin", from}, {"end", to}});
  if (!status_url.empty()) news.text += "\n" + fill(words.status_page, {{"url", status_url}});
  return news;
}

base::Result<void> check_news_template(const gotemplate::Template& parsed) {
  Service service;
  service.name = service.title = "Registration";
  Audience audience;
  for (const NewsState state : {NewsState::Investigating, NewsState::Resolved}) {
    NewsFacts facts;
    facts.services = {&service};
    facts.state = state;
    facts.text = "sample";
    TC_TRY(parsed.execute(gotemplate::Value(data_of(audience, facts))));
  }
  return base::ok();
}

}  // namespace tocsin::incident

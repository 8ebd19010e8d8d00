// The status page as HTML, JSON and RSS.
#include <fmt/format.h>

#include <array>
#include <boost/json.hpp>
#include <cmath>

#include "alertd/report/sheet.h"
#include "alertd/report/status_page.h"
#include "common/base/strings.h"
#include "common/gotemplate/escape.h"

namespace tocsin::report {
namespace {

namespace json = boost::json;
using base::WallTime;
using gotemplate::escape_html;

constexpr std::size_t kFeedMax = 50;

/// One language of the page's own words.
struct PageWords {
  std::array<std::string_view, 4> overall;   ///< By ServiceState.
  std::array<std::string_view, 4> services;  ///< By ServiceState.
  std::string_view current;
  std::string_view maintenance;
  std::string_view past;
  std::string_view nothing_past;
  std::string_view available;  ///< {} percent, {} percent
  std::string_view updated;
  std::string_view watched_since;
};

constexpr PageWords kEnglish{
    {"All services work.", "A service is under maintenance.", "A service is impaired.",
     "A service does not work."},
    {"works", "under maintenance", "slow or partly unavailable", "does not work"},
    "Now",
    "Maintenance",
    "The last 90 days",
    "Nothing happened.",
    "available in business hours: {} in 30 days, {} in 90 days",
    "As of",
    "watched since"};

constexpr PageWords kKhmer{{"សេវាកម្មទាំងអស់ដំណើរការធម្មតា។", "សេវាកម្មមួយកំពុងថែទាំ។",
                            "សេវាកម្មមួយដំណើរការមិនពេញលេញ។", "សេវាកម្មមួយមិនដំណើរការ។"},
                           {"ដំណើរការ", "កំពុងថែទាំ", "យឺត ឬមិនពេញលេញ", "មិនដំណើរការ"},
                           "ឥឡូវនេះ",
                           "ការថែទាំ",
                           "៩០ ថ្ងៃចុងក្រោយ",
                           "គ្មានបញ្ហាទេ។",
                           "អាចប្រើបានក្នុងម៉ោងធ្វើការ៖ {} ក្នុង ៣០ ថ្ងៃ, {} ក្នុង ៩០ ថ្ងៃ",
                           "គិតត្រឹម",
                           "តាមដានតាំងពី"};

std::string percent(const std::optional<double>& share) {
  if (!share) return "–";
  // Never 100 % when something was lost.
  const double floor = std::floor(*share * 1e4) / 1e2;
  return floor >= 100.0 ? "100 %" : fmt::format("{:.2f} %", floor);
}

class HtmlPage {
 public:
  explicit HtmlPage(const StatusPage& page)
      : page_(page), words_(page.settings.language == "km" ? kKhmer : kEnglish) {}

  std::string write() {
    const StatusPageSettings& settings = page_.settings;
    out_ = html_begin(settings.language, settings.title,
                      "<meta http-equiv=\"refresh\" content=\"60\">\n<link rel=\"alternate\" "
                      "type=\"application/rss+xml\" href=\"status.rss\">\n");
    out_ += fmt::format("<h1>{}</h1>\n<p class=\"{}\"><strong>{}</strong></p>\n",
                        escape_html(settings.title), to_string(page_.state),
                        words_.overall[static_cast<std::size_t>(page_.state)]);
    services();
    incidents(words_.current, page_.current, {});
    maintenance();
    incidents(words_.past, page_.past, words_.nothing_past);
    out_ += fmt::format("<p class=\"small\">{} {}; {} {}.</p>\n</body></html>\n", words_.updated,
                        time(page_.updated_at), words_.watched_since,
                        time(page_.watched_since).substr(0, 10));
    return std::move(out_);
  }

 private:
  std::string time(WallTime at) const { return timezone::format_local(page_.settings.zone, at); }

  void services() {
    out_ += "<ul class=\"services\">\n";
    for (const StatusService& each : page_.services) {
      out_ += fmt::format(
          "<li><strong>{}</strong>: <span class=\"{}\">{}</span><br><span class=\"small\">{}"
          "</span></li>\n",
          escape_html(each.title), each.state == ServiceState::Works ? "ok" : to_string(each.state),
          words_.services[static_cast<std::size_t>(each.state)],
          fmt::format(fmt::runtime(words_.available), percent(each.availability_30),
                      percent(each.availability_90)));
    }
    out_ += "</ul>\n";
  }

  void incidents(std::string_view heading, const std::vector<StatusIncident>& list,
                 std::string_view nothing) {
    if (list.empty() && nothing.empty()) return;
    out_ += fmt::format("<h2>{}</h2>\n", heading);
    if (list.empty()) out_ += fmt::format("<p>{}</p>\n", nothing);
    for (const StatusIncident& each : list) {
      out_ += fmt::format("<h3 class=\"{}\" id=\"{}\">{}</h3>\n",
                          each.ended ? "ok" : to_string(each.impact), escape_html(each.id),
                          escape_html(each.title));
      for (const StatusUpdate& update : each.updates) {
        out_ += fmt::format("<p class=\"small\">{}</p>\n<p class=\"words\">{}</p>\n",
                            time(update.at), escape_html(update.text));
      }
    }
  }

  void maintenance() {
    if (page_.maintenance.empty()) return;
    out_ += fmt::format("<h2>{}</h2>\n", words_.maintenance);
    for (const StatusMaintenance& each : page_.maintenance) {
      out_ += fmt::format("<p><span class=\"maintenance\">{}</span><br>{} – {}</p>\n",
                          escape_html(each.title), time(each.begin), time(each.end));
    }
  }

  const StatusPage& page_;
  const PageWords& words_;
  std::string out_;
};

json::value share_json(const std::optional<double>& share) {
  return share ? json::value(*share) : json::value(nullptr);
}

json::array incidents_json(const std::vector<StatusIncident>& list) {
  json::array array;
  for (const StatusIncident& each : list) {
    json::array updates;
    for (const StatusUpdate& update : each.updates) {
      updates.push_back(json::object{{"at", base::format_rfc3339(update.at)},
                                     {"state", update.state},
                                     {"title", update.title},
                                     {"text", update.text}});
    }
    array.push_back(
        json::object{{"id", each.id},
                     {"title", each.title},
                     {"impact", to_string(each.impact)},
                     {"began", base::format_rfc3339(each.began)},
                     {"ended", each.ended ? json::value(base::format_rfc3339(*each.ended))
                                          : json::value(nullptr)},
                     {"updates", std::move(updates)}});
  }
  return array;
}

/// As escape_html, and without characters that XML cannot hold.
std::string xml(std::string_view text) {
  std::string allowed;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 || c == '\n' || c == '\t') allowed += c;
  }
  return escape_html(allowed);
}

void feed_items(const StatusPage& page, const std::vector<StatusIncident>& list, std::size_t& left,
                std::string& out) {
  for (const StatusIncident& incident : list) {
    for (const StatusUpdate& update : incident.updates) {
      if (left == 0) return;
      --left;
      out +=
          fmt::format("<item><title>{}</title><description>{}</description><pubDate>{}</pubDate>",
                      xml(update.title), xml(update.text), base::format_rfc5322(update.at));
      if (!page.settings.url.empty()) {
        out += fmt::format("<link>{}#{}</link>", xml(page.settings.url), xml(incident.id));
      }
      out += fmt::format("<guid isPermaLink=\"false\">{}-{}</guid></item>\n", xml(incident.id),
                         base::to_ms(update.at));
    }
  }
}

}  // namespace

std::string status_html(const StatusPage& page) {
  return HtmlPage(page).write();
}

std::string status_json(const StatusPage& page) {
  json::array services;
  for (const StatusService& each : page.services) {
    services.push_back(json::object{{"name", each.name},
                                    {"title", each.title},
                                    {"state", to_string(each.state)},
                                    {"availability30Days", share_json(each.availability_30)},
                                    {"availability90Days", share_json(each.availability_90)}});
  }
  json::array maintenance;
  for (const StatusMaintenance& each : page.maintenance) {
    maintenance.push_back(json::object{{"title", each.title},
                                       {"begin", base::format_rfc3339(each.begin)},
                                       {"end", base::format_rfc3339(each.end)},
                                       {"open", each.open}});
  }
  return json::serialize(json::object{{"title", page.settings.title},
                                      {"state", to_string(page.state)},
                                      {"updatedAt", base::format_rfc3339(page.updated_at)},
                                      {"watchedSince", base::format_rfc3339(page.watched_since)},
                                      {"services", std::move(services)},
                                      {"incidents", incidents_json(page.current)},
                                      {"maintenance", std::move(maintenance)},
                                      {"history", incidents_json(page.past)}});
}

std::string status_rss(const StatusPage& page) {
  std::string items;
  std::size_t left = kFeedMax;
  feed_items(page, page.current, left, items);
  feed_items(page, page.past, left, items);
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<rss version=\"2.0\"><channel><title>{0}</title>"
      "<link>{1}</link><description>{0}</description><language>{2}</language>"
      "<lastBuildDate>{3}</lastBuildDate>\n{4}</channel></rss>\n",
      xml(page.settings.title), xml(page.settings.url), page.settings.language,
      base::format_rfc5322(page.updated_at), items);
}

}  // namespace tocsin::report

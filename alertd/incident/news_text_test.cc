#include "alertd/incident/news_text.h"

#include <doctest/doctest.h>

#include "common/config/source.h"
#include "common/config/toml.h"

namespace tocsin::incident {
namespace {

base::WallTime at(std::string_view text) {
  return base::parse_rfc3339(text).value();
}

Service registration() {
  Service service;
  service.name = "registration";
  service.title = "Course registration";
  service.titles["km"] = "ការចុះឈ្មោះ";
  return service;
}

NewsFacts facts_of(const Service& service) {
  NewsFacts facts;
  facts.services = {&service};
  facts.severity = model::Severity::Critical;
  facts.since = at("2026-11-26T03:05:00Z");
  facts.now = at("2026-11-26T03:06:00Z");
  facts.next_update = at("2026-11-26T03:36:00Z");
  return facts;
}

Audience in_phnom_penh(const std::string& language) {
  Audience audience;
  audience.language = language;
  audience.zone = timezone::Zone::find("Asia/Phnom_Penh").value();
  return audience;
}

struct Loaded {
  Communication communication;
  Dependencies dependencies;
  std::string errors;  ///< "line:column: message [hint]" of each, one a line.
};

Loaded load(std::string_view text) {
  const auto files = base::make_real_file_system();
  const config::Source source{"alertd.toml", std::string(text)};
  base::Diagnostics diagnostics;
  const config::Node document = config::parse_toml(source, diagnostics);
  config::Context context{source, diagnostics, *files};
  config::Table root(context, &document);
  Loaded loaded;
  loaded.communication =
      read_communication(root, {{"dean", {"email", "pager"}}, {"phone", {"twilio"}}},
                         {{"dean", {"email"}}, {"phone", {}}}, loaded.dependencies);
  root.finish();
  for (const base::Diagnostic& each : diagnostics) {
    loaded.errors += std::to_string(each.line) + ":" + std::to_string(each.column) + ": " +
                     each.message + (each.hint.empty() ? "" : " [" + each.hint + "]") + "\n";
  }
  return loaded;
}

TEST_CASE("news: plain English sentences in the reader's time zone") {
  const Service service = registration();
  NewsFacts facts = facts_of(service);
  const Audience audience = in_phnom_penh("en");
  NewsWords words = news_words(audience, facts);
  CHECK(words.title == "Course registration: being looked into");
  CHECK(words.text ==
        "Course registration has not been working since 10:05. We are looking into it.\n"
        "Next update: 10:36.");
  facts.severity = model::Severity::High;
  facts.state = NewsState::Identified;
  facts.text = "Students can still register at the desk.";
  facts.status_url = "https://status.example.org/";
  CHECK(news_words(audience, facts).text ==
        "Course registration has been slow or partly unavailable since 10:05. We know the cause "
        "and are working on it.\nStudents can still register at the desk.\nNext update: 10:36.\n"
        "Current state: https://status.example.org/");
  facts.state = NewsState::Resolved;
  facts.text.clear();
  facts.status_url.clear();
  facts.next_update.reset();
  facts.now = at("2026-11-27T01:00:00Z");
  words = news_words(audience, facts);
  CHECK(words.title == "Course registration: works again");
  CHECK(words.text ==
        "Course registration works again since 08:00; the trouble began at 2026-11-26 10:05.");
}

TEST_CASE("news: Khmer, with the service's Khmer title") {
  const Service service = registration();
  const NewsWords words = news_words(in_phnom_penh("km"), facts_of(service));
  CHECK(words.title == "ការចុះឈ្មោះ៖ កំពុងពិនិត្យ");
  CHECK(words.text ==
        "ការចុះឈ្មោះ មិនដំណើរការតាំងពីម៉ោង 10:05។ យើងកំពុងពិនិត្យរកមូលហេតុ។\n"
        "ព័ត៌មានបន្ទាប់៖ ម៉ោង 10:36។");
}

TEST_CASE("news: many services are not all named, none is one of ours") {
  std::vector<Service> services;
  for (const char* title : {"A", "B", "C", "D"}) {
    services.emplace_back();
    services.back().title = title;
  }
  NewsFacts facts = facts_of(services[0]);
  facts.services.clear();
  CHECK(news_words({}, facts).title == "Our service: being looked into");
  for (const Service& each : services) facts.services.push_back(&each);
  CHECK(news_words({}, facts).title == "A, B, C and others: being looked into");
}

TEST_CASE("news: a template gets facts only, and falls back when it fails") {
  const Service service = registration();
  NewsFacts facts = facts_of(service);
  Audience audience = in_phnom_penh("en");
  const auto parse = [](std::string_view text) {
    return gotemplate::Template::parse(text, gotemplate::standard_functions()).value();
  };
  audience.title = parse("{{ .Service }} ({{ .State }})\nx");
  audience.text = parse("{{ .Service }} since {{ .Since }}, next {{ .NextUpdate }}{{ .Labels }}");
  NewsWords words = news_words(audience, facts);
  CHECK(words.title == "Course registration (investigating) x");
  CHECK(words.text == "Course registration since 10:05, next 10:36");
  audience.text = parse("{{ index .Services 9 }}");
  CHECK(news_words(audience, facts).text.starts_with("Course registration has not been working"));
}

TEST_CASE("news: maintenance announced, begun and over") {
  const Service service = registration();
  const auto words = [&](MaintenanceStage stage) {
    return maintenance_words(in_phnom_penh("en"), {&service}, stage, at("2026-11-27T15:00:00Z"),
                             at("2026-11-27T16:00:00Z"), {});
  };
  CHECK(words(MaintenanceStage::Announced).text ==
        "Course registration will not be available, or only partly, from 2026-11-27 22:00 to "
        "23:00, because of planned maintenance.");
  CHECK(words(MaintenanceStage::Started).text ==
        "Planned maintenance of Course registration has begun. It is to end at 23:00.");
  CHECK(words(MaintenanceStage::Ended).title == "Course registration: maintenance is over");
}

constexpr std::string_view kGood = R"([[service]]
name = "registration"
title = "Course registration"
hours = ["07:00-17:00"]
weekdays = "mon-fri"
time_zone = "Asia/Phnom_Penh"
[service.titles]
km = "ការចុះឈ្មោះ"
[[service]]
name = "mail"
matchers = ['job=~"smtp|imap"']
[[audience]]
name = "dean"
receivers = ["dean"]
services = ["registration"]
severities = ["critical"]
automatic = true
maintenance = "2d"
text = "{{ .Service }}"
[audience.cadence]
critical = "20m"
)";

TEST_CASE("audience: configuration") {
  const Loaded loaded = load(kGood);
  CHECK(loaded.errors == "");
  REQUIRE(loaded.communication.audiences.size() == 1);
  const Audience& dean = loaded.communication.audiences[0];
  CHECK(dean.addresses == Addresses{{"dean", "email"}});  // the pager is left out
  CHECK(dean.cadence[3] == std::chrono::minutes(20));
  CHECK(dean.cadence[2] == std::chrono::minutes(60));
  CHECK(dean.text.has_value());
  CHECK(loaded.communication.services.at("mail").title == "mail");
  // The services are known to incidents.
  CHECK(loaded.dependencies.services_of(model::Labels({{"job", "imap"}})).contains("mail"));
  const auto hears = [&](const std::set<std::string>& services, model::Severity worst) {
    return concerns(dean, loaded.communication, services, model::Labels(), worst);
  };
  CHECK(hears({"registration"}, model::Severity::Critical));
  CHECK(!hears({"registration"}, model::Severity::High));
  CHECK(!hears({"mail"}, model::Severity::Critical));
  CHECK(!hears({"unknown"}, model::Severity::Critical));
}

TEST_CASE("audience: mistakes are named where they are") {
  CHECK(load(R"([[service]]
name = "web"
[[audience]]
name = "dean"
receivers = ["deen", "phone"]
services = ["wab"]
severities = ["urgent"]
language = "fr"
text = "{{ .Service "
[audience.cadence]
high = "1s"
)")
            .errors ==
        "5:13: there is no 'deen' [did you mean 'dean'?]\n"
        "5:13: receiver 'phone' has only pagers [news goes to mail, chat and webhooks: it must "
        "wake nobody]\n"
        "6:12: there is no 'wab' [did you mean 'web'?]\n"
        "7:14: 'urgent' is no severity [critical, high, medium or low]\n"
        "11:8: must be at least 1m\n"
        "9:11: text: unclosed action\n");
  CHECK(load("[[audience]]\nname = \"x\"\nlanguage = \"fr\"\n").errors ==
        "1:1: the audience has no receivers [receivers = [\"dean\"]]\n"
        "3:12: there are no words in 'fr' [built in are en and km; for others give title and "
        "text]\n");
}

}  // namespace
}  // namespace tocsin::incident

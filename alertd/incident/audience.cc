#include "alertd/incident/audience.h"

#include <fmt/format.h>

#include <algorithm>

#include "alertd/incident/news_text.h"
#include "alertd/oncall/directory_config.h"
#include "alertd/routing/matcher_config.h"
#include "common/base/strings.h"
#include "common/config/text_error.h"

namespace tocsin::incident {

namespace {

using Channels = std::map<std::string, std::vector<std::string>>;

constexpr std::size_t kTitleMax = 200;
constexpr std::size_t kServicesMax = 10'000;
constexpr std::size_t kAudiencesMax = 1000;
constexpr std::size_t kTemplateBytesMax = 64U << 10U;

class Reader {
 public:
  Reader(const Channels& receivers, const Channels& quiet) : receivers_(receivers), quiet_(quiet) {}

  Communication read(config::Table& root, Dependencies& dependencies) {
    for (config::Table& table : root.tables("service")) read_service(table, dependencies);
    if (communication_.services.size() > kServicesMax) {
      root.error("service", fmt::format("more than {} services", kServicesMax));
    }
    for (config::Table& table : root.tables("audience")) read_audience(table);
    if (communication_.audiences.size() > kAudiencesMax) {
      root.error("audience", fmt::format("more than {} audiences", kAudiencesMax));
    }
    return std::move(communication_);
  }

 private:
  void read_service(config::Table& table, Dependencies& dependencies) {
    Service service;
    service.name = table.required_string("name");
    service.title = table.string("title", service.name);
    service.titles = table.string_map("titles");
    service.matchers = routing::read_matchers(table, "matchers");
    service.hours = oncall::read_hours(table);
    service.zone = oncall::read_zone(table, timezone::Zone());
    service.shown = table.boolean("shown", true);
    if (service.title.size() > kTitleMax) {
      table.error("title", fmt::format("the title is longer than {} bytes", kTitleMax));
    }
    table.finish();
    if (service.name.empty()) return;
    if (communication_.services.contains(service.name)) {
      table.error("name", fmt::format("two services are named '{}'", service.name));
      return;
    }
    dependencies.add({service.name, {}, service.matchers});
    communication_.services.emplace(service.name, std::move(service));
  }

  void read_audience(config::Table& table) {
    Audience audience;
    audience.name = table.required_string("name");
    if (communication_.find(audience.name)) {
      table.error("name", fmt::format("two audiences are named '{}'", audience.name));
    }
    read_receivers(table, audience);
    for (const std::string& name : table.strings("services")) {
      if (known(table, "services", name, communication_.services, "[[service]]")) {
        audience.services.insert(name);
      }
    }
    audience.matchers = routing::read_matchers(table, "matchers");
    read_severities(table, audience);
    audience.language = table.string("language", audience.language);
    if (!is_news_language(audience.language) && !table.has("text") && !table.has("text_file")) {
      table.error("language", fmt::format("there are no words in '{}'", audience.language),
                  "built in are en and km; for others give title and text");
    }
    audience.zone = oncall::read_zone(table, timezone::Zone());
    audience.automatic = table.boolean("automatic", false);
    audience.maintenance = table.optional_duration("maintenance");
    audience.title = read_template(table, "title");
    audience.text = read_template(table, "text");
    table.finish();
    communication_.audiences.push_back(std::move(audience));
  }

  template <class Map>
  static bool known(config::Table& table, const char* key, const std::string& name, const Map& map,
                    const char* where) {
    if (map.contains(name)) return true;
    const auto near = base::closest(name, base::keys_of(map));
    table.error(
        key, fmt::format("there is no '{}'", name),
        near ? fmt::format("did you mean '{}'?", *near) : fmt::format("define it under {}", where));
    return false;
  }

  void read_receivers(config::Table& table, Audience& audience) {
    const std::vector<std::string> names = table.strings("receivers");
    if (names.empty()) {
      table.error("receivers", "the audience has no receivers", "receivers = [\"dean\"]");
    }
    for (const std::string& name : names) {
      if (!known(table, "receivers", name, receivers_, "[[receiver]]")) continue;
      const auto channels = quiet_.find(name);
      if (channels == quiet_.end() || channels->second.empty()) {
        table.error("receivers", fmt::format("receiver '{}' has only pagers", name),
                    "news goes to mail, chat and webhooks: it must wake nobody");
        continue;
      }
      for (const std::string& channel : channels->second) {
        audience.addresses.insert({name, channel});
      }
    }
  }

  static void read_severities(config::Table& table, Audience& audience) {
    if (table.has("severities")) {
      audience.severities = {};
      for (const std::string& name : table.strings("severities")) {
        if (const auto severity = model::parse_severity(name)) {
          audience.severities[static_cast<std::size_t>(*severity)] = true;
        } else {
          table.error("severities", fmt::format("'{}' is no severity", name),
                      "critical, high, medium or low");
        }
      }
    }
    config::Table cadence = table.table("cadence");
    for (const model::Severity severity : model::kSeverities) {
      const std::string_view key = model::to_string(severity);
      auto& every = audience.cadence[static_cast<std::size_t>(severity)];
      if (!cadence.has(key)) continue;
      every = cadence.optional_duration(key);
      if (every && *every == base::Duration{0}) every.reset();
      if (every && *every < std::chrono::minutes(1)) cadence.error(key, "must be at least 1m");
    }
    cadence.finish();
  }

  static std::optional<gotemplate::Template> read_template(config::Table& table,
                                                           const std::string& key) {
    std::string text = table.string(key, "");
    const std::string file_key = key + "_file";
    std::string path = table.string(file_key, "");
    if (!path.empty()) {
      const std::string& file = table.context().source.file;
      const std::size_t slash = file.rfind('/');
      if (!path.starts_with('/') && slash != std::string::npos) {
        path = file.substr(0, slash + 1) + path;
      }
      auto read = table.context().files.read(path, kTemplateBytesMax);
      if (!read) {
        table.error(file_key, read.error().message);
        return std::nullopt;
      }
      text = std::move(*read);
    }
    if (text.empty()) return std::nullopt;
    auto parsed = gotemplate::Template::parse(text, gotemplate::standard_functions());
    const auto checked = parsed ? check_news_template(*parsed) : base::Result<void>(parsed.error());
    if (checked) return std::move(*parsed);
    if (path.empty()) {
      config::report_in_text(table, key, checked.error().message);
    } else {
      table.error(file_key, fmt::format("{}:{}", path, checked.error().message));
    }
    return std::nullopt;
  }

  const Channels& receivers_;
  const Channels& quiet_;
  Communication communication_;
};

}  // namespace

const std::string& Service::title_in(const std::string& language) const {
  const auto found = titles.find(language);
  return found == titles.end() ? title : found->second;
}

const Audience* Communication::find(std::string_view name) const {
  for (const Audience& each : audiences) {
    if (each.name == name) return &each;
  }
  return nullptr;
}

bool concerns(const Audience& audience, const Communication& communication,
              const std::set<std::string>& services, const model::Labels& group_labels,
              model::Severity worst) {
  if (!audience.severities[static_cast<std::size_t>(worst)]) return false;
  if (!model::matches_all(audience.matchers, group_labels)) return false;
  return std::any_of(services.begin(), services.end(), [&](const std::string& name) {
    return communication.services.contains(name) &&
           (audience.services.empty() || audience.services.contains(name));
  });
}

Communication read_communication(config::Table& root, const Channels& receivers,
                                 const Channels& quiet, Dependencies& dependencies) {
  return Reader(receivers, quiet).read(root, dependencies);
}

}  // namespace tocsin::incident

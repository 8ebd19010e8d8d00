// Plays timelines against routing in virtual time, or says which receivers label sets go to.
//
//   routing_player < timelines                 one JSON object a line
//   routing_player --routes CONFIG.yml < sets  one JSON object of labels a line
//
// Operations ("op"): begin {file}, then, each with "at" (ms since 1970), post {alerts: [{labels,
// starts_at?, ends_at?}]}, silence {name, matchers, ends_at}, expire {name}, reload {file}, and
// end. Then another timeline may begin. Answers, one JSON object a line: "sent" (what a webhook
// would get), "tick" (a group was looked at), "created" (a group), "ended" (nothing more of this
// one).
#include <boost/json.hpp>
#include <cstdio>
#include <iostream>
#include <map>
#include <optional>

#include "alertd/routing/alertmanager_config.h"
#include "alertd/routing/pipeline.h"
#include "common/base/file_system.h"
#include "common/config/source.h"
#include "common/config/yaml.h"

namespace tocsin {
namespace {

namespace json = boost::json;
using base::WallTime;

std::string text_of(const json::value& value) {
  const json::string& text = value.as_string();
  return {text.data(), text.size()};
}

model::Labels labels_of(const json::object& object) {
  model::LabelsBuilder builder;
  for (const auto& field : object) builder.set(field.key(), text_of(field.value()));
  return builder.build();
}

json::object to_json(const model::Labels& labels) {
  json::object object;
  for (const auto& label : labels) object[label.name] = label.value;
  return object;
}

/// Ends the program if the configuration is refused.
routing::Routing load(const base::FileSystem& files, const std::string& path) {
  const auto source = config::load_source(files, path, 16U << 20U);
  base::Diagnostics diagnostics;
  routing::Routing routing;
  if (source) {
    const config::Node document = config::parse_yaml(*source, diagnostics);
    config::Context context{*source, diagnostics, files};
    config::Table root(context, &document);
    routing = routing::read_alertmanager_routing(root);
  }
  if (source && !base::has_errors(diagnostics)) return routing;
  std::cerr << (source ? config::render_all(diagnostics, std::vector{*source})
                       : source.error().message)
            << "\n";
  std::exit(1);
}

class Player {
 public:
  Player(const base::FileSystem& files, const std::string& config)
      : files_(files), pipeline_(load(files, config), {}) {}

  void play(const json::object& line) {
    const WallTime at = base::wall_time(line.at("at").to_number<std::int64_t>());
    while (last_ != WallTime{}) {  // the first operation begins time: nothing was due since 1970
      const auto due = pipeline_.next_due();
      if (!due || *due > at) break;
      step(std::max(*due, last_), {});
    }
    const std::string op = text_of(line.at("op"));
    std::vector<model::Alert> alerts;
    if (op == "post") {
      for (const json::value& each : line.at("alerts").as_array()) {
        alerts.push_back(alert_of(each.as_object(), at));
      }
    } else if (op == "silence") {
      set_silence(line, at);
    } else if (op == "expire") {
      static_cast<void>(
          pipeline_.apply(routing::ExpireSilence{ids_[text_of(line.at("name"))], "test"}, at));
    } else if (op == "reload") {
      pipeline_.set_routing(load(files_, text_of(line.at("file"))), at);
    }
    step(at, alerts);
  }

 private:
  /// As the API takes a posted alert.
  model::Alert alert_of(const json::object& object, WallTime now) const {
    model::Alert alert;
    alert.labels = labels_of(object.at("labels").as_object());
    const auto time = [&object](const char* name) -> std::optional<WallTime> {
      if (!object.contains(name)) return std::nullopt;
      return base::wall_time(object.at(name).to_number<std::int64_t>());
    };
    alert.ends_at = time("ends_at");
    alert.starts_at = time("starts_at").value_or(std::min(now, alert.ends_at.value_or(now)));
    alert.valid_until = now + pipeline_.routing().resolve_timeout;
    alert.updated_at = now;
    return alert;
  }

  void set_silence(const json::object& line, WallTime at) {
    routing::SetSilence edit;
    const auto matchers = routing::parse_alertmanager_matchers(text_of(line.at("matchers")));
    if (!matchers) {
      std::cerr << matchers.error().message << "\n";
      std::exit(1);
    }
    edit.silence.matcher_sets = {matchers->matchers};
    edit.silence.ends_at = base::wall_time(line.at("ends_at").to_number<std::int64_t>());
    const auto id = pipeline_.apply(edit, at);
    if (id) ids_[text_of(line.at("name"))] = *id;
  }

  void step(WallTime at, const std::vector<model::Alert>& alerts) {
    last_ = at;
    for (const routing::Action& action : pipeline_.step(at, alerts)) {
      if (!action.integration.empty() || action.alert == 0) say(at, action);
    }
    for (const auto& group : pipeline_.groups()) {
      if (group->created_at == at && known_.insert({std::string(group->key), at}).second) {
        std::cout << json::serialize(json::object{{"kind", "created"},
                                                  {"at", base::to_ms(at)},
                                                  {"group", group->key.view()}})
                  << "\n";
      }
    }
  }

  static void say(WallTime at, const routing::Action& action) {
    json::object line;
    line["kind"] = action.send ? "sent" : "tick";
    line["at"] = base::to_ms(at);
    line["group"] = action.group_key();
    line["integration"] = action.integration;
    line["reason"] = routing::to_string(action.reason);
    if (action.send) {
      line["receiver"] = action.group->receiver.view();
      json::array firing;
      for (const auto& alert : action.firing) firing.push_back(to_json(alert.labels));
      json::array resolved;
      for (const auto& alert : action.resolved) resolved.push_back(to_json(alert.labels));
      line["firing"] = std::move(firing);
      line["resolved"] = std::move(resolved);
    }
    std::cout << json::serialize(line) << "\n";
  }

  const base::FileSystem& files_;
  routing::Pipeline pipeline_;
  std::map<std::string, std::string> ids_;
  std::set<std::pair<std::string, WallTime>> known_;
  WallTime last_{};
};

void say_routes(const base::FileSystem& files, const std::string& config) {
  const routing::Routing routing = load(files, config);
  std::string line;
  while (std::getline(std::cin, line)) {
    model::Alert alert;
    alert.labels = labels_of(json::parse(line).as_object());
    std::string receivers;
    for (const routing::Route* route : routing::walk(
             routing.root, routing::AlertLabels(alert, routing.severity_label()), nullptr)) {
      receivers += (receivers.empty() ? "" : ",") + route->receiver;
    }
    std::cout << receivers << "\n";
  }
}

void play_timelines(const base::FileSystem& files) {
  std::optional<Player> player;
  std::string text;
  while (std::getline(std::cin, text)) {
    const json::object line = json::parse(text).as_object();
    const std::string op = text_of(line.at("op"));
    if (op == "begin") {
      player.emplace(files, text_of(line.at("file")));
      continue;
    }
    player.value().play(line);
    if (op == "end") std::cout << R"({"kind": "ended"})" << std::endl;
  }
}

int run(const std::vector<std::string>& arguments) {
  const auto files = base::make_real_file_system();
  if (arguments.size() == 2 && arguments[0] == "--routes") {
    say_routes(*files, arguments[1]);
    return 0;
  }
  if (!arguments.empty()) {
    std::cerr << "usage: routing_player [--routes CONFIG.yml]\n";
    return 64;
  }
  play_timelines(*files);
  return 0;
}

}  // namespace
}  // namespace tocsin

int main(int argc, char** argv) {
  return tocsin::run(std::vector<std::string>(argv + 1, argv + argc));
}

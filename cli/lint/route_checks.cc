#include "cli/lint/route_checks.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>

#include "alertd/ruler/rule_template.h"
#include "common/base/strings.h"

namespace tocsin::lint {
namespace {

using routing::Route;

/// Whether everything that satisfies `narrow` also satisfies `wide`, as far as can be told from
/// one matcher of each.
bool implies(const model::Matcher& narrow, const model::Matcher& wide) {
  if (narrow.name() != wide.name()) return false;
  if (narrow == wide) return true;
  if (narrow.op() == model::MatchOp::Equal) return wide.matches(narrow.value());
  if (narrow.op() != model::MatchOp::Regex) return false;
  // A pattern that is a list of plain texts: each of them.
  for (const std::string_view part : base::split(narrow.value(), '|')) {
    if (part.find_first_of(R"(\.+*?()[]{}^$)") != std::string_view::npos) return false;
    if (!wide.matches(part)) return false;
  }
  return true;
}

/// Whether `route` takes nothing that `earlier` has not taken.
bool covers(const Route& earlier, const Route& route) {
  return std::all_of(
      earlier.matchers.begin(), earlier.matchers.end(), [&](const model::Matcher& wide) {
        return std::any_of(route.matchers.begin(), route.matchers.end(),
                           [&](const model::Matcher& narrow) { return implies(narrow, wide); });
      });
}

/// Two matchers of which one excludes the other, or nullptr.
const model::Matcher* contradicted(const model::Matcher& matcher,
                                   const std::vector<model::Matcher>& others) {
  for (const model::Matcher& other : others) {
    if (other.name() == matcher.name() && other.op() == model::MatchOp::Equal &&
        !matcher.matches(other.value())) {
      return &other;
    }
  }
  return nullptr;
}

/// What a rule says for certain about its alerts.
struct KnownAlert {
  std::map<std::string, std::string, std::less<>> labels;
};

bool possible(const Route& route, const KnownAlert& alert) {
  return std::all_of(route.matchers.begin(), route.matchers.end(), [&](const auto& matcher) {
    const auto at = alert.labels.find(matcher.name());
    return at == alert.labels.end() || matcher.matches(at->second);
  });
}

bool routes_by_severity(const Route& route) {
  const bool here = std::any_of(route.matchers.begin(), route.matchers.end(),
                                [](const auto& m) { return m.name() == routing::kSeverityLabel; });
  return here || std::any_of(route.children.begin(), route.children.end(), routes_by_severity);
}

class RouteCheck {
 public:
  RouteCheck(const alertd::Settings& settings, const Document& document, Reporter& reporter)
      : settings_(settings), document_(document), reporter_(reporter) {}

  void run() {
    const config::Node* root = document_.root.find("route");
    if (root != nullptr) {
      used_.insert(settings_.routing.root.receiver);
      visit(settings_.routing.root, *root, {});
    } else {
      used_.insert(settings_.routing.root.receiver);
    }
    check_receivers();
    check_severities();
  }

 private:
  void say(const config::Node& where, Remark remark) {
    reporter_.at_place(document_.source.file, where.at, std::move(remark));
  }

  static const config::Node& place_of(const config::Node& route) {
    const config::Node* matchers = route.find("matchers");
    return matchers == nullptr ? route : *matchers;
  }

  static std::string label_of(const Route& route) {
    return route.name.empty() ? "the route" : fmt::format("the route '{}'", route.name);
  }

  /// `above` are the matchers of the routes on the way down.
  void visit(const Route& route, const config::Node& node, std::vector<model::Matcher> above) {
    const config::Node* children = node.find("routes");
    if (children == nullptr || children->items.size() != route.children.size()) return;
    above.insert(above.end(), route.matchers.begin(), route.matchers.end());
    for (std::size_t i = 0; i < route.children.size(); ++i) {
      const Route& child = route.children[i];
      const config::Node& written = children->items[i];
      if (unreachable(route, i, written, above)) continue;
      used_.insert(child.receiver);
      visit(child, written, above);
    }
  }

  bool unreachable(const Route& parent, std::size_t index, const config::Node& written,
                   const std::vector<model::Matcher>& above) {
    const Route& route = parent.children[index];
    for (const model::Matcher& matcher : route.matchers) {
      if (matcher.name() == routing::kSeverityLabel && no_severity(matcher)) {
        wrong_severity(matcher, written);
        return true;
      }
      const model::Matcher* other = contradicted(matcher, above);
      if (other == nullptr) other = contradicted(matcher, route.matchers);
      if (other == nullptr) continue;
      say(place_of(written), {"route-unreachable", Level::Error,
                              fmt::format("{} never gets an alert: {} and {} exclude each other",
                                          label_of(route), matcher.to_string(), other->to_string()),
                              "a route inside another sees only what that one takes"});
      return true;
    }
    for (std::size_t i = 0; i < index; ++i) {
      const Route& earlier = parent.children[i];
      if (earlier.continues || !covers(earlier, route)) continue;
      say(place_of(written), {"route-unreachable", Level::Error,
                              fmt::format("{} never gets an alert: {} before it takes all of them",
                                          label_of(route), label_of(earlier)),
                              "put it before that one, or give that one continue = true"});
      return true;
    }
    return false;
  }

  static bool no_severity(const model::Matcher& matcher) {
    return std::none_of(model::kSeverities.begin(), model::kSeverities.end(),
                        [&](auto severity) { return matcher.matches(model::to_string(severity)); });
  }

  void wrong_severity(const model::Matcher& matcher, const config::Node& written) {
    const auto meant = model::import_severity(matcher.value());
    say(place_of(written),
        {"route-severity", Level::Error,
         fmt::format("no alert has {}: severities are critical, high, medium and low",
                     matcher.to_string()),
         meant ? fmt::format("'{}' of imported rules arrives as severity=\"{}\"", matcher.value(),
                             model::to_string(*meant))
               : "write one of the four"});
  }

  void check_receivers() {
    const config::Node* receivers = document_.root.find("receiver");
    if (receivers == nullptr) return;
    for (const auto& [name, person] : settings_.incident.directory.persons) {
      used_.insert(person.receiver);
      used_.insert(person.important_receiver);
    }
    for (const config::Node& written : receivers->items) {
      const config::Node* name = written.find("name");
      if (name == nullptr || used_.contains(name->text)) continue;
      say(*name,
          {"receiver-unused", Level::Warning,
           fmt::format("the receiver '{}' gets nothing: no route that can be reached leads "
                       "to it",
                       name->text),
           fmt::format("add [[route.routes]] with receiver = \"{}\", or remove it", name->text)});
    }
  }

  void check_severities() {
    const Route& root = settings_.routing.root;
    if (!routes_by_severity(root)) return;
    const auto channels = settings_.incident.receivers.find(root.receiver);
    const bool told = channels != settings_.incident.receivers.end() && !channels->second.empty();
    std::map<model::Severity, std::pair<const Subject*, std::size_t>> untaken;
    for (const Subject& subject : reporter_.corpus().subjects()) {
      if (!subject.alerting()) continue;
      for (const model::Severity severity : severities_of(*subject.rule)) {
        const KnownAlert alert = known(*subject.rule, severity);
        const bool taken = std::any_of(root.children.begin(), root.children.end(),
                                       [&](const Route& r) { return possible(r, alert); });
        if (taken) continue;
        auto& [first, count] = untaken[severity];
        if (first == nullptr) first = &subject;
        ++count;
      }
    }
    for (const auto& [severity, found] : untaken) {
      const auto& [subject, count] = found;
      const std::string text(model::to_string(severity));
      const std::string others =
          count > 1 ? fmt::format(" (and of {} more)", count - 1) : std::string();
      const config::Node* node = subject->label_node("severity");
      if (node == nullptr && subject->node != nullptr) node = subject->node->find(text);
      const Remark remark{
          "severity-unrouted", told ? Level::Warning : Level::Error,
          fmt::format("no route takes severity '{}' of '{}'{}: {}", text, subject->rule->name,
                      others,
                      told ? fmt::format("it goes to the default receiver '{}'", root.receiver)
                           : std::string("nobody is told")),
          fmt::format("add [[route.routes]] with matchers = ['severity=\"{}\"'] to {}", text,
                      document_.source.file)};
      if (node == nullptr) {
        reporter_.at_rule(*subject, remark);
      } else {
        Finding finding;
        finding.id = std::string(remark.id);
        finding.level = remark.level;
        finding.file = subject->document->source.file;
        finding.line = node->at.line;
        finding.column = node->at.column;
        finding.message = remark.message;
        finding.hint = remark.hint;
        finding.group = subject->group->name;
        finding.rule = subject->rule->name;
        reporter_.add(std::move(finding));
      }
    }
  }

  /// Empty if a template decides.
  std::vector<model::Severity> severities_of(const ruler::Rule& rule) const {
    std::vector<model::Severity> severities;
    if (rule.levelled) {
      for (const ruler::Level& level : rule.levels) severities.push_back(level.severity);
      return severities;
    }
    for (const ruler::NamedText& label : rule.labels) {
      if (label.name != "severity") continue;
      if (ruler::has_actions(label.text)) return {};
      return {model::import_severity(label.text).value_or(settings_.rule_files.severity_default)};
    }
    return {settings_.rule_files.severity_default};
  }

  static KnownAlert known(const ruler::Rule& rule, model::Severity severity) {
    KnownAlert alert;
    for (const ruler::NamedText& label : rule.labels) {
      if (!ruler::has_actions(label.text)) alert.labels[label.name] = label.text;
    }
    alert.labels[std::string(routing::kSeverityLabel)] = std::string(model::to_string(severity));
    alert.labels[std::string(model::kAlertName)] = rule.name;
    return alert;
  }

  const alertd::Settings& settings_;
  const Document& document_;
  Reporter& reporter_;
  std::set<std::string> used_;
};

}  // namespace

void check_routes(const alertd::Settings& settings, const Document& document, Reporter& reporter) {
  RouteCheck(settings, document, reporter).run();
}

}  // namespace tocsin::lint

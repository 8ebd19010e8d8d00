#include "alertd/routing/route.h"

#include <algorithm>
#include <boost/container/small_vector.hpp>

namespace tocsin::routing {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

class Walk {
 public:
  Walk(const AlertLabels& alert, std::vector<RouteStep>* trace) : alert_(alert), trace_(trace) {}

  /// Returns whether `route` matched. Depth is limited by the configuration reader.
  bool visit(const Route& route, int depth) {
    const model::Matcher* mismatch = alert_.first_mismatch(route.matchers);
    if (trace_) {
      RouteStep step{route.name,
                     depth,
                     mismatch == nullptr,
                     mismatch ? mismatch->to_string() : std::string(),
                     {}};
      for (const model::Matcher& matcher : route.matchers) {
        const std::string_view value = alert_.get(matcher.name());
        step.matchers.push_back({matcher.to_string(), std::string(value), matcher.matches(value)});
      }
      trace_->push_back(std::move(step));
    }
    if (mismatch) return false;
    const std::size_t before = taken_.size();
    for (const Route& child : route.children) {
      if (visit(child, depth + 1) && !child.continues) break;
    }
    if (taken_.size() == before) taken_.push_back(&route);
    return true;
  }

  std::vector<const Route*> take() { return std::move(taken_); }

 private:
  const AlertLabels& alert_;
  std::vector<RouteStep>* trace_;
  std::vector<const Route*> taken_;
};

}  // namespace

Timing default_timing(model::Severity severity) {
  switch (severity) {
    case model::Severity::Critical:
      return {seconds(5), minutes(1), hours(1)};
    case model::Severity::High:
      return {seconds(30), minutes(5), hours(4)};
    case model::Severity::Medium:
      return {minutes(1), minutes(15), hours(24)};
    case model::Severity::Low:
      return {minutes(5), hours(1), base::Duration{0}};
  }
  return {};
}

Timing Route::timing_for(model::Severity severity) const {
  Timing result = default_timing(severity);
  result.group_wait = timing.group_wait.value_or(result.group_wait);
  result.group_interval = timing.group_interval.value_or(result.group_interval);
  result.group_interval = std::max<base::Duration>(result.group_interval, seconds(1));
  result.repeat_interval = timing.repeat_interval.value_or(result.repeat_interval);
  return result;
}

std::vector<const Route*> walk(const Route& root, const AlertLabels& alert,
                               std::vector<RouteStep>* trace) {
  Walk walk(alert, trace);
  walk.visit(root, 0);
  return walk.take();
}

const Route* find_route(const Route& root, std::string_view name) {
  if (root.name == name) return &root;
  for (const Route& child : root.children) {
    if (const Route* found = find_route(child, name)) return found;
  }
  return nullptr;
}

model::Labels group_labels(const Route& route, const AlertLabels& alert) {
  if (route.group_by_all) return alert.all();
  boost::container::small_vector<model::LabelView, 8> labels;
  for (const std::string& name : route.group_by) labels.push_back({name, alert.get(name)});
  return model::Labels::from_sorted({labels.data(), labels.size()});
}

std::string group_key(const Route& route, const model::Labels& labels) {
  return route.name + ":" + labels.to_string();
}

std::string overflow_key(const std::string& route_name) {
  return route_name + ":overflow";
}

}  // namespace tocsin::routing

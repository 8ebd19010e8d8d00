// The sentences of an explanation: walks down from the result to what decides it.
// Internal to the folder.
#pragma once

#include "cli/explain/explain.h"

namespace tocsin::explain {

/// `empty`: whether to say why there is nothing, or what makes it hold.
class Reasons {
 public:
  explicit Reasons(bool empty) : empty_(empty) {}

  std::vector<std::string> of(const Explainer::Node& root) {
    if (empty_) {
      why_empty(root);
    } else {
      why_there(root);
    }
    return std::move(reasons_);
  }

 private:
  using Node = Explainer::Node;
  void why_empty(const Node& node);
  void why_empty(const promql::Binary& binary, const Node& node);
  void why_empty_call(const Node& node);
  void why_there(const Node& node);
  void say(std::string sentence) { reasons_.push_back(std::move(sentence)); }
  void say_notes(const Node& node);

  const bool empty_;
  std::vector<std::string> reasons_;
};

}  // namespace tocsin::explain

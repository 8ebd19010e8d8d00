#include "common/gotemplate/template.h"

#include "common/gotemplate/evaluator.h"
#include "common/gotemplate/tree.h"
#include "common/gotemplate/values.h"

namespace tocsin::gotemplate {
namespace {

constexpr std::size_t kTemplateBytesMax = 1 << 20;

base::Result<void> check_size(std::string_view text) {
  if (text.size() <= kTemplateBytesMax) return base::ok();
  return base::error(base::ErrorCode::LimitExceeded, "template is " + std::to_string(text.size()) +
                                                         " bytes, limit " +
                                                         std::to_string(kTemplateBytesMax));
}

}  // namespace

base::Result<Template> Template::parse(std::string_view text, Functions functions) {
  TC_TRY(check_size(text));
  Tree tree;
  TC_TRY(parse_into(text, functions, tree));
  Template result;
  result.tree_ = std::make_shared<const Tree>(std::move(tree));
  result.functions_ = std::make_shared<const Functions>(std::move(functions));
  return result;
}

base::Result<void> Template::add_definitions(std::string_view text) {
  TC_TRY(check_size(text));
  Tree other;
  TC_TRY(parse_into(text, *functions_, other));
  Tree tree = *tree_;
  // The template's own definitions win over shared ones.
  tree.definitions.merge(other.definitions);
  tree_ = std::make_shared<const Tree>(std::move(tree));
  return base::ok();
}

base::Result<std::string> Template::execute(const Value& data, const Map& variables,
                                            MissingKey missing, const Limits& limits) const {
  return run_template({*tree_, *functions_, variables, missing, limits}, data);
}

}  // namespace tocsin::gotemplate

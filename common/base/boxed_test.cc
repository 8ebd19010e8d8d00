#include "common/base/boxed.h"

#include <doctest/doctest.h>

#include <string>

namespace tocsin::base {

TEST_CASE("a boxed value is there or not, and a copy is its own") {
  Boxed<std::string> none;
  CHECK(!none);
  Boxed<std::string> one = std::string("a");
  Boxed<std::string> copy = one;
  *copy += "b";
  CHECK(*one == "a");
  CHECK(*copy == "ab");
  one = std::move(copy);
  CHECK(one->size() == 2);
  one = std::string("c");
  CHECK(*one == "c");
  one.reset();
  CHECK(!one.has_value());
  CHECK(one.emplace().empty());
  CHECK(one.has_value());
  one = none;
  CHECK(!one);
  static_assert(sizeof(Boxed<std::string>) == sizeof(void*));
}

}  // namespace tocsin::base

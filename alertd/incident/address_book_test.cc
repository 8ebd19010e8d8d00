#include "alertd/incident/address_book.h"

#include <doctest/doctest.h>

namespace tocsin::incident {

TEST_CASE("addresses are told by receiver, its channels as they are configured") {
  const AddressBook book({{"oncall", {"pager", "mail"}}, {"chat", {"slack"}}, {"nobody", {}}});
  CHECK(book.of("oncall") == Addresses{{"oncall", "pager"}, {"oncall", "mail"}});
  CHECK(book.of("nobody").empty());
  CHECK(book.of("gone").empty());
  const Addresses some{
      {"oncall", "mail"}, {"gone", "x"}, {"oncall", "pager"}, {"oncall", "sms"}, {"chat", "slack"}};
  const std::vector<Address> expected{{"chat", "slack"}, {"oncall", "pager"}, {"oncall", "mail"}};
  CHECK(book.in_order(some) == expected);
  CHECK(book.in_order({}).empty());
}

}  // namespace tocsin::incident

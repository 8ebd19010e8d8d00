#include "common/base/shared_text.h"

#include <doctest/doctest.h>

#include <thread>
#include <vector>

namespace tocsin::base {

TEST_CASE("copies of a shared text share its bytes and outlive it") {
  SharedText copy;
  const char* bytes = nullptr;
  {
    const SharedText text("disk full on db1");
    bytes = text.view().data();
    copy = text;
    CHECK(copy == text);
  }
  CHECK(copy == "disk full on db1");
  CHECK(copy.view().data() == bytes);
  SharedText moved = std::move(copy);
  CHECK(moved.view().data() == bytes);
  const SharedText& itself = moved;
  moved = itself;
  CHECK(moved.size() == 16);
}

TEST_CASE("shared texts compare by their bytes; an empty one is nothing") {
  const std::string long_text(70'000, 'x');
  CHECK(SharedText(long_text) == SharedText(std::string_view(long_text)));
  CHECK(SharedText("a") < SharedText("b"));
  CHECK(SharedText("a") != std::string_view("b"));
  CHECK(SharedText("").empty());
  CHECK(SharedText("") == SharedText());
  CHECK(SharedText().view().empty());
  CHECK(SharedText::written(2, [](char* to) { to[0] = to[1] = 'z'; }) == "zz");
}

TEST_CASE("a shared text may be copied and dropped by several threads") {
  const SharedText text("used everywhere");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([mine = text] {
      for (int n = 0; n < 10'000; ++n) {
        const SharedText copy = mine;
        static_cast<void>(copy);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(text == "used everywhere");
}

}  // namespace tocsin::base

#include "common/base/base64.h"

#include <doctest/doctest.h>

namespace tocsin::base {
namespace {

TEST_CASE("the vectors of RFC 4648, both ways") {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, coded] : vectors) {
    CHECK(base64(plain) == coded);
    CHECK(base64_decode(coded) == std::string(plain));
  }
  CHECK(base64url_encode("\xfb\xff\xfe") == "-__-");
  CHECK(base64url_decode("-__-") == std::string("\xfb\xff\xfe"));
  CHECK(base64url_encode("f") == "Zg");
}

TEST_CASE("one value has one text") {
  CHECK_FALSE(base64_decode("Zh=="));  // unused bits are set
  CHECK_FALSE(base64_decode("Zg="));   // half the padding
  CHECK_FALSE(base64_decode("Zg==="));
  CHECK_FALSE(base64_decode("Z"));
  CHECK_FALSE(base64_decode("Zg\n="));
  CHECK_FALSE(base64_decode("-__-"));  // the other alphabet
  CHECK(base64_decode("Zg") == std::string("f"));
}

}  // namespace
}  // namespace tocsin::base

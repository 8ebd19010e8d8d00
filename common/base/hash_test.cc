#include "common/base/hash.h"

#include <doctest/doctest.h>

#include <string>

namespace tocsin::base {
namespace {

TEST_CASE("Ed25519: vectors 1 and 2 of RFC 8032, 7.1, and what differs by a bit") {
  const std::string key1 = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
  const std::string signature1 =
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
      "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";
  CHECK(ed25519_verify(key1, signature1, ""));
  CHECK_FALSE(ed25519_verify(key1, signature1, "x"));
  const std::string key2 = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
  std::string signature2 =
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
      "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
  CHECK(ed25519_verify(key2, signature2, "r"));
  CHECK_FALSE(ed25519_verify(key1, signature2, "r"));
  signature2[0] = '8';
  CHECK_FALSE(ed25519_verify(key2, signature2, "r"));
  CHECK_FALSE(ed25519_verify("", "", "r"));
  CHECK_FALSE(ed25519_verify(key2, "zz", "r"));
}

TEST_CASE("SHA-256 in parts is SHA-256") {
  Sha256 sum;
  CHECK(sum.finish_hex() == sha256_hex(""));
  sum.add("ab");
  sum.add("");
  sum.add("c");
  CHECK(sum.finish_hex() == sha256_hex("abc"));
  sum.add("again");
  CHECK(sum.finish_hex() == sha256_hex("again"));
}

}  // namespace
}  // namespace tocsin::base

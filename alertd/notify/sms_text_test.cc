#include "alertd/notify/sms_text.h"

#include <doctest/doctest.h>

namespace tocsin::notify {
namespace {

TEST_CASE("one SMS: 160 of the GSM alphabet, 70 of anything else") {
  CHECK(fit_sms(std::string(160, 'a'), 1).text.size() == 160);
  CHECK(fit_sms(std::string(160, 'a'), 3).segments == 1);
  CHECK(fit_sms(std::string(161, 'a'), 3).segments == 2);
  const Sms cut = fit_sms(std::string(161, 'a'), 1);
  CHECK(cut.text == std::string(157, 'a') + "...");
  CHECK(cut.segments == 1);
  // Euro sign and brackets count twice.
  CHECK(fit_sms(std::string(80, '['), 3).segments == 1);
  CHECK(fit_sms(std::string(81, '['), 3).segments == 2);
  std::string cyrillic;
  for (int i = 0; i < 71; ++i) cyrillic += "д";
  CHECK_FALSE(fit_sms(cyrillic, 3).gsm);
  CHECK(fit_sms(cyrillic, 3).segments == 2);
  CHECK(fit_sms(cyrillic, 1).segments == 1);
  CHECK(fit_sms(cyrillic.substr(2), 3).segments == 1);
}

TEST_CASE("several SMS: 153 and 67 in each, no character split") {
  CHECK(fit_sms(std::string(459, 'a'), 3).segments == 3);
  CHECK(fit_sms(std::string(459, 'a'), 3).text.size() == 459);
  CHECK(fit_sms(std::string(460, 'a'), 3).text.size() == 459);
  // 76 brackets are 152 units: the next does not fit into the first part's 153.
  CHECK(fit_sms(std::string(153, '['), 10).segments == 3);
  CHECK(fit_sms(std::string(100'000, 'a'), 2).segments == 2);
}

TEST_CASE("typographic signs do not halve the room; umlauts stay") {
  const Sms sms = fit_sms("\u201eStra\u00dfe\u201c \u2013 \u00fcber 90\u00a0% \u2026\n\n", 1);
  CHECK(sms.gsm);
  CHECK(sms.text == "\"Stra\u00dfe\" - \u00fcber 90 % ...");
  CHECK(fit_sms("a\tb\x01"
                "c",
                1)
            .text == "a b c");
  CHECK_FALSE(fit_sms("\U0001F525", 1).gsm);
  CHECK(fit_sms("", 1).text.empty());
}

}  // namespace
}  // namespace tocsin::notify

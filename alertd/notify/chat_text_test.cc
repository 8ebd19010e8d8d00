// Words cut to a product's limit, and made harmless for its markup.
#include "alertd/notify/chat_text.h"

#include <doctest/doctest.h>

#include "alertd/notify/test_support.h"
#include "common/base/sim_executor.h"

namespace tocsin::notify {
namespace {

TEST_CASE("long texts lose alerts first, and say how many") {
  base::SimClock clock(kNow);
  ChannelSettings settings;
  const NotifySettings notify;
  incident::Notification notification = sample_notification();
  for (int i = 0; i < 60; ++i) {
    notification.alerts.push_back({sample_alert("host" + std::to_string(i), i), true});
  }
  notification.truncated_alerts = 100;
  const TextRules rules{Escaping::Markdown, 250, 1500, Measure::Utf16, false};
  const ChatMessage built =
      chat_message(MessageWriter(settings, notify, clock), notification, "", rules, false);
  CHECK(length_of(built.text, Measure::Utf16) <= 1500);
  CHECK(built.text.find("and 149 more") != std::string::npos);  // 161 in all, 12 shown
  settings.templates.text = "{{ range .Alerts }}é {{ .Labels.host }}_{{ end }}";
  const ChatMessage own =
      chat_message(MessageWriter(settings, notify, clock), notification, "",
                   {Escaping::Markdown, 250, 100, Measure::Utf16, false}, false);
  CHECK(own.text.ends_with("...\n(cut; 161 alerts in all)"));
  CHECK(length_of(own.text, Measure::Utf16) <= 100);
}

TEST_CASE("cutting: characters, UTF-16, escapes") {
  CHECK(length_of("a\xc3\xa9\xf0\x9f\x94\xb4", Measure::Utf16) == 4);
  CHECK(cut_text("abcdef", 6, Measure::Bytes) == "abcdef");
  CHECK(cut_text("abcdefg", 6, Measure::Bytes) == "abc...");
  CHECK(cut_text("ab\xc3\xa9\xc3\xa9\xc3\xa9", 6, Measure::Bytes) == "ab...");
  CHECK(cut_text("a\xf0\x9f\x94\xb4zzzz", 5, Measure::Utf16) == "a...");
  CHECK(cut_text("ab&lt;zzzz", 8, Measure::Bytes) == "ab...");
  CHECK(cut_text("ab&lt;zzzz", 9, Measure::Bytes) == "ab&lt;...");
  CHECK(cut_text("abc\\*zzzz", 7, Measure::Bytes) == "abc...");
  CHECK(cut_text("ab\\\\zzzzz", 7, Measure::Bytes) == "ab\\\\...");
}

TEST_CASE("escapes: addresses stay whole, marks and mentions do not work") {
  CHECK(escape("node_cpu *x* http://a/b_c?d=e_f (x_y)", Escaping::Markdown) ==
        "node\\_cpu \\*x\\* http://a/b_c?d=e_f (x\\_y)");
  CHECK(escape("http://a/@here", Escaping::Markdown) == "http://a/@\xe2\x80\x8bhere");
  CHECK(escape("@**all** [a](b)", Escaping::Zulip) == "@\xe2\x80\x8b**all** [a]\xe2\x80\x8b(b)");
  CHECK(escape("<users/all>", Escaping::Google) == "<\xe2\x80\x8busers/all>");
}

}  // namespace
}  // namespace tocsin::notify

// alertmanager.yml is recognised and its receivers are checked.

#include "cli/lint/lint_test_support.h"

namespace tocsin::lint {
namespace {

TEST_CASE("alertmanager.yml: what cannot be sent is said with its place") {
  test::World world;
  world.write("/r/alertmanager.yml",
              "route: {receiver: a}\n"
              "receivers:\n"
              "- name: a\n"
              "  webhook_configs: [{url: 'http://127.0.0.1/'}]\n"
              "  sns_configs:\n"
              "  - topic_arn: x\n"
              "  slack_configs: [{channel: x}]\n");
  const test::Outcome outcome = world.check({"/r/alertmanager.yml"});
  CHECK(outcome.result.files == 1);
  const std::string text = outcome.text();
  CHECK_MESSAGE(text.find("/r/alertmanager.yml:6:5: error: Amazon SNS is not supported [config]") !=
                    std::string::npos,
                text);
  CHECK_MESSAGE(
      text.find("'api_url' is missing [config] or set global slack_api_url") != std::string::npos,
      text);
  world.write("/r/alertmanager.yml",
              "route: {receiver: a}\nreceivers:\n- name: a\n"
              "  webhook_configs: [{url: 'http://127.0.0.1/'}]\n");
  CHECK(world.check({"/r/alertmanager.yml"}).text() == "");
}

}  // namespace
}  // namespace tocsin::lint

// What of a configuration is shown, and that nothing else is.
#include "alertd/app/config_text.h"

#include <doctest/doctest.h>

#include "common/config/toml.h"

namespace tocsin::alertd {
namespace {

TEST_CASE("numbers, times and known names are shown, everything else is hidden") {
  config::Source source{"alertd.toml", R"([server]
listen = "127.0.0.1:9464"
admin_token_file = "/etc/token"
idle = "2m"
[store]
series_max = 2000000
ok = true
segment = "64MiB"
[alerts.external_labels]
site = "s3cret"
[[receiver]]
name = "ops"
[[receiver.webhook]]
url = "https://hooks.example/s3cret"
headers = {Authorization = "s3cret"}
empty = []
[route]
group_by = ["host", "job"]
)"};
  base::Diagnostics diagnostics;
  const std::string text = shown_config(config::parse_toml(source, diagnostics));
  CHECK(text.find("s3cret") == std::string::npos);
  CHECK(text == R"("server":
  "listen": "127.0.0.1:9464"
  "admin_token_file": "<hidden>"
  "idle": "2m"
"store":
  "series_max": 2000000
  "ok": true
  "segment": "64MiB"
"alerts":
  "external_labels":
    "site": "<hidden>"
"receiver":
  -
    "name": "ops"
    "webhook":
      -
        "url": "<hidden>"
        "headers":
          "Authorization": "<hidden>"
        "empty": []
"route":
  "group_by":
    - "host"
    - "job"
)");
}

}  // namespace
}  // namespace tocsin::alertd

#include <doctest/doctest.h>

#include <algorithm>

#include "alertd/rulegit/follower.h"
#include "alertd/rulegit/http_transport.h"
#include "alertd/rulegit/test_origin.h"
#include "common/base/sim_executor.h"
#include "common/config/toml.h"
#include "common/sim/test_folder.h"

namespace tocsin::rulegit {
namespace {

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

/// Answers nothing: the tests fetch from the disk.
class NoHttp final : public net::HttpClient {
 public:
  void send(net::HttpRequest /*request*/, base::Executor& reply_on, net::HttpDone done) override {
    reply_on.post([done = std::move(done)] {
      done(base::error(base::ErrorCode::Unavailable, "no network in this test"));
    });
  }
};

struct Bench {
  sim::TestFolder folder;
  TestOrigin origin{folder.path()};
  base::SimClock clock{base::wall_time(1'800'000'000'000)};
  base::SimExecutor executor{clock};
  std::unique_ptr<base::FileSystem> files = base::make_real_file_system();
  std::unique_ptr<base::Random> random = base::make_seeded_random(1);
  base::Metrics metrics;
  NoHttp http;
  std::string verdict;  ///< Empty: good. Of the next check.
  int activated = 0;

  GitSettings settings() const {
    GitSettings result;
    result.url = origin.url();
    return result;
  }

  std::unique_ptr<Follower> follower(const GitSettings& with) {
    const FollowerHooks hooks{.check = [this](const std::string&) -> base::Result<void> {
                                if (verdict.empty()) return base::ok();
                                return base::error(base::ErrorCode::InvalidArgument, verdict);
                              },
                              .activated = [this] { ++activated; },
                              .changed = [] {}};
    return std::make_unique<Follower>(
        with, folder.path() + "/store",
        FollowerWorld{executor, executor, *files, http, *random, metrics}, hooks);
  }

  std::string rule(const Follower& from, const std::string& name) const {
    auto text = files->read(from.rules_folder() + "/" + name, 1 << 20);
    return text ? *text : std::string("(none)");
  }

  double metric(const std::string& name, const std::string& outcome = "") const {
    for (const base::MetricPoint& point : metrics.points()) {
      if (point.name != "tocsin_alertd_rules_git_" + name) continue;
      if (outcome.empty() || point.labels.at("outcome") == outcome) return point.value;
    }
    return -1;
  }
};

base::Diagnostics settings_errors(const std::string& table) {
  const auto files = base::make_real_file_system();
  base::Diagnostics diagnostics;
  const config::Source source{"alertd.toml", "[rules.git]\n" + table};
  const config::Node root = config::parse_toml(source, diagnostics);
  REQUIRE(diagnostics.empty());
  config::Context context{source, diagnostics, *files};
  config::Table top(context, &root);
  config::Table rules = top.table("rules");
  const bool good = read_git_settings(rules).has_value();
  CHECK(good == !base::has_errors(diagnostics));
  return diagnostics;
}

TEST_CASE("settings say what is wrong with them") {
  const auto first = [](const std::string& table) {
    const base::Diagnostics found = settings_errors(table);
    return found.empty() ? std::string("good") : found.front().message;
  };
  CHECK(first("url = \"https://git.example.org/a.git\"\n") == "good");
  CHECK(first("url = \"file:///srv/rules.git\"\nbranch = \"prod/eu\"\npath = \"rules/\"\n") ==
        "good");
  CHECK(has(first("branch = \"main\"\n"), "url"));
  CHECK(has(first("url = \"https://me:secret@git.example.org/a.git\"\n"), "user or password"));
  CHECK_FALSE(has(first("url = \"https://me:secret@git.example.org/a.git\"\n"), "secret"));
  CHECK(has(first("url = \"ftp://x/a\"\n"), "none of"));
  CHECK(has(first("url = \"git@example.org:ops/rules.git\"\n"), "ssh needs a key"));
  CHECK(has(first("url = \"/srv/r\"\nbranch = \"a..b\"\n"), "no name of a branch"));
  CHECK(has(first("url = \"/srv/r\"\nbranch = \"-x y\"\n"), "no name of a branch"));
  CHECK(has(first("url = \"/srv/r\"\npath = \"../etc\"\n"), "inside the repository"));
  CHECK(has(first("url = \"/srv/r\"\npoll = \"0s\"\n"), "poll must be"));
  CHECK(has(first("url = \"/srv/r\"\nbrunch = \"x\"\n"), "brunch"));
}

TEST_CASE("basic authorization") {
  // RFC 7617, section 2: "Aladdin" and "open sesame".
  CHECK(basic_authorization("Aladdin", "open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
}

TEST_CASE("lines of a rule") {
  const auto range = [](std::string_view text, std::size_t line, bool toml) {
    const LineRange found = rule_lines(text, line, toml);
    return std::pair(found.first, found.last);
  };
  constexpr std::string_view kToml =
      "[[group]]\nname = \"g\"\n\n[[group.alert]]\nname = \"A\"\nexpr = \"a\"\n"
      "[group.alert.labels]\nx = \"1\"\n\n# about B\n[[group.alert]]\nname = \"B\"\n";
  CHECK(range(kToml, 5, true) == std::pair<std::size_t, std::size_t>(4, 8));
  CHECK(range(kToml, 12, true) == std::pair<std::size_t, std::size_t>(11, 12));
  constexpr std::string_view kYaml =
      "groups:\n- name: g\n  rules:\n  - expr: |\n      a\n      - b\n    record: r\n"
      "  # next\n  - alert: B\n    expr: b\n- name: h\n";
  // The name of the recording stands below its expression.
  CHECK(range(kYaml, 7, false) == std::pair<std::size_t, std::size_t>(4, 7));
  CHECK(range(kYaml, 9, false) == std::pair<std::size_t, std::size_t>(9, 10));
  CHECK(range("- {alert: A, expr: a}\n- {alert: B, expr: b}\n", 2, false) ==
        std::pair<std::size_t, std::size_t>(2, 2));
  CHECK(range("a", 9, false) == std::pair<std::size_t, std::size_t>(9, 9));
}

TEST_CASE("a good commit comes into force; a bad one does not; a mended one does") {
  Bench bench;
  const std::string first =
      bench.origin.commit({{"a.toml", "one\n"}, {"sub/b.md", "x"}}, "first\n\nmore");
  auto follower = bench.follower(bench.settings());
  REQUIRE(follower->prepare());
  CHECK(bench.rule(*follower, "a.toml") == "one\n");
  CHECK(bench.rule(*follower, "sub/b.md") == "x");
  REQUIRE(follower->status().active);
  CHECK(follower->status().active->id == first);
  CHECK(follower->status().active->author == "Ann Author");
  CHECK(follower->status().active->subject == "first");
  follower->start();
  bench.executor.run_for(std::chrono::seconds(1));
  CHECK(bench.activated == 1);

  bench.verdict = "a.toml:1:1: error: no";
  const std::string bad = bench.origin.commit({{"a.toml", "broken\n"}}, "break it", "Bob");
  bench.executor.run_for(std::chrono::seconds(70));
  CHECK(bench.rule(*follower, "a.toml") == "one\n");
  FollowerStatus status = follower->status();
  CHECK(status.active->id == first);
  REQUIRE(status.refused);
  CHECK(status.refused->commit.id == bad);
  CHECK(status.refused->commit.author == "Bob");
  CHECK(status.refused->error == "a.toml:1:1: error: no");
  CHECK(bench.metric("commit_refused") == 1);

  // It is judged once, not at every poll.
  bench.executor.run_for(std::chrono::minutes(10));
  CHECK(bench.metric("commits_total", "refused") == 1);

  bench.verdict.clear();
  const std::string good = bench.origin.commit({{"a.toml", "two\n"}}, "mend it", "Bob");
  bench.executor.run_for(std::chrono::seconds(70));
  CHECK(bench.rule(*follower, "a.toml") == "two\n");
  CHECK(follower->status().active->id == good);
  CHECK_FALSE(follower->status().refused);
  CHECK(bench.metric("commit_refused") == 0);
  CHECK(bench.activated == 2);
}

TEST_CASE("rule files in folders below path are not read, and named") {
  Bench bench;
  bench.origin.commit({{"a.toml", "one\n"}, {"team/b.yml", "two\n"}, {"runbooks/c.md", "# C\n"}},
                      "first");
  const std::vector<std::string> below{"team/b.yml"};
  {
    auto follower = bench.follower(bench.settings());
    REQUIRE(follower->prepare());
    CHECK(follower->status().not_read == below);
  }
  // Known again after a restart, and over when the file moves up.
  auto follower = bench.follower(bench.settings());
  REQUIRE(follower->prepare());
  follower->start();
  bench.executor.run_for(std::chrono::seconds(1));
  CHECK(follower->status().not_read == below);
  bench.origin.commit({{"b.yml", "two\n"}, {.path = "team/b.yml", .content = {}, .remove = true}},
                      "moved");
  bench.executor.run_for(std::chrono::seconds(70));
  CHECK(follower->status().not_read.empty());
}

TEST_CASE("a refused commit is judged again when somebody asks") {
  Bench bench;
  bench.origin.commit({{"a.toml", "one\n"}}, "first");
  bench.verdict = "no";
  auto follower = bench.follower(bench.settings());
  REQUIRE(follower->prepare());
  CHECK_FALSE(follower->status().active);
  CHECK(follower->status().refused);
  CHECK(bench.files->list(follower->rules_folder())->empty());
  follower->start();
  bench.executor.run_for(std::chrono::seconds(1));
  bench.verdict.clear();
  bool done = false;
  follower->fetch_now([&] { done = true; });
  bench.executor.run_for(std::chrono::seconds(1));
  CHECK(done);
  CHECK(follower->status().active);
  CHECK(bench.activated == 1);
}

TEST_CASE("force-push, deleted branch, taking a bad commit back") {
  Bench bench;
  const std::string first = bench.origin.commit({{"a.toml", "one\n"}}, "first");
  auto follower = bench.follower(bench.settings());
  REQUIRE(follower->prepare());
  follower->start();
  bench.executor.run_for(std::chrono::seconds(1));

  bench.origin.commit({{"a.toml", "other\n"}}, "rewritten", "Eve", "-");
  bench.executor.run_for(std::chrono::seconds(70));
  CHECK(bench.rule(*follower, "a.toml") == "other\n");
  CHECK(bench.metric("rewritten_total") == 1);

  bench.verdict = "bad";
  const std::string bad = bench.origin.commit({{"a.toml", "bad\n"}}, "bad");
  bench.executor.run_for(std::chrono::seconds(70));
  CHECK(follower->status().refused);
  bench.origin.reset_to(follower->status().active->id);
  bench.executor.run_for(std::chrono::seconds(70));
  CHECK_FALSE(follower->status().refused);
  CHECK(bench.rule(*follower, "a.toml") == "other\n");

  bench.origin.delete_branch();
  bench.executor.run_for(std::chrono::seconds(70));
  CHECK(has(follower->status().fetch_error, "has no branch 'main'"));
  CHECK(bench.rule(*follower, "a.toml") == "other\n");
  CHECK(bench.metric("fetches_total", "failed") == 1);
  // Then less often: 2, 4, 8, 15 minutes, so at most 5 times in half an hour.
  bench.executor.run_for(std::chrono::minutes(30));
  CHECK(bench.metric("fetches_total", "failed") <= 6);

  bench.verdict.clear();
  bench.origin.reset_to(first);
  bench.executor.run_for(std::chrono::minutes(20));
  CHECK(bench.rule(*follower, "a.toml") == "one\n");
  CHECK(follower->status().fetch_error.empty());
}

TEST_CASE("a restart without the server goes on with what was in force") {
  Bench bench;
  const std::string first =
      bench.origin.commit({{"a.toml", "[[group.alert]]\nname = \"A\"\n"}}, "first");
  {
    auto follower = bench.follower(bench.settings());
    REQUIRE(follower->prepare());
  }
  std::filesystem::rename(bench.folder.path() + "/origin.git", bench.folder.path() + "/away.git");
  auto follower = bench.follower(bench.settings());
  REQUIRE(follower->prepare());
  REQUIRE(follower->status().active);
  CHECK(follower->status().active->id == first);
  CHECK(follower->status().active->subject == "first");
  follower->start();
  bench.executor.run_for(std::chrono::seconds(1));
  CHECK_FALSE(follower->status().fetch_error.empty());
  // Who changed it is in the history on this disk.
  REQUIRE(follower->provenance());
  const auto from = follower->provenance()->of_rule(follower->rules_folder() + "/a.toml", 2);
  REQUIRE(from);
  CHECK(from->commit == first);
}

TEST_CASE("a damaged copy on this disk is fetched anew") {
  Bench bench;
  bench.origin.commit({{"a.toml", "one\n"}}, "first");
  auto follower = bench.follower(bench.settings());
  REQUIRE(follower->prepare());
  follower->start();
  bench.executor.run_for(std::chrono::seconds(1));
  const std::string objects = bench.folder.path() + "/store/repository.git/objects";
  std::vector<std::filesystem::path> lost;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(objects)) {
    if (entry.is_regular_file()) lost.push_back(entry.path());
  }
  CHECK_FALSE(lost.empty());
  for (const std::filesystem::path& path : lost) std::filesystem::remove(path);
  bench.origin.commit({{"a.toml", "two\n"}}, "second");
  bench.executor.run_for(std::chrono::minutes(30));
  INFO(follower->status().fetch_error);
  CHECK(bench.rule(*follower, "a.toml") == "two\n");
  CHECK(follower->status().fetch_error.empty());
}

TEST_CASE("new limits are taken without a start, another repository is not") {
  Bench bench;
  bench.origin.commit({{"a.toml", "one\n"}}, "first");
  GitSettings settings = bench.settings();
  auto follower = bench.follower(settings);
  REQUIRE(follower->prepare());
  follower->start();
  bench.executor.run_for(std::chrono::seconds(1));
  settings.limits.file_bytes_max = 10;
  follower->renew(settings);
  bench.origin.commit({{"a.toml", "longer than ten bytes\n"}}, "second");
  bench.executor.run_for(std::chrono::seconds(70));
  REQUIRE(follower->status().refused);
  CHECK(has(follower->status().refused->error, "limit 10"));
  settings.url = "file:///nowhere";
  follower->renew(settings);
  bench.executor.run_for(std::chrono::seconds(70));
  CHECK(follower->status().fetch_error.empty());
}

TEST_CASE("nothing to begin with: an empty folder, and the reason") {
  Bench bench;
  GitSettings settings = bench.settings();
  settings.branch = "mian";
  bench.origin.commit({{"a.toml", "x"}}, "first");
  auto follower = bench.follower(settings);
  REQUIRE(follower->prepare());
  CHECK_FALSE(follower->status().active);
  CHECK(has(follower->status().fetch_error, "did you mean 'main'?"));
  CHECK(bench.files->is_folder(follower->rules_folder()));
}

TEST_CASE("who changed a rule") {
  Bench bench;
  const std::string header = "[[group]]\nname = \"g\"\n";
  const std::string a = "[[group.alert]]\nname = \"A\"\nexpr = \"a\"\n";
  const std::string b = "[[group.alert]]\nname = \"B\"\nexpr = \"b\"\n";
  const std::string first = bench.origin.commit({{"r/x.toml", header + a + b}}, "both", "Ann");
  const std::string second = bench.origin.commit(
      {{"r/x.toml", header + a + "[[group.alert]]\nname = \"B\"\nexpr = \"c\"\n"}}, "change B",
      "Bob");
  GitSettings settings = bench.settings();
  settings.path = "r";
  auto follower = bench.follower(settings);
  REQUIRE(follower->prepare());
  const std::string file = follower->rules_folder() + "/x.toml";
  auto known = follower->provenance();
  REQUIRE(known);
  CHECK(known->of_rule(file, 4)->commit == first);
  CHECK(known->of_rule(file, 4)->author == "Ann");
  CHECK(known->of_rule(file, 7)->commit == second);
  CHECK(known->of_rule(file, 7)->subject == "change B");
  CHECK(known->of({file, 3, 1}, 5)->commit == first);
  CHECK_FALSE(known->of_rule("/elsewhere/x.toml", 4));
  CHECK_FALSE(known->of_rule(file, 400));

  // A commit about another file leaves it as it is.
  follower->start();
  bench.origin.commit({{"r/y.toml", "# nothing\n"}}, "another file", "Cid");
  bench.executor.run_for(std::chrono::seconds(70));
  known = follower->provenance();
  CHECK(known->of_rule(file, 7)->commit == second);
}

TEST_CASE("what a repository may not hold") {
  Bench bench;
  GitSettings settings = bench.settings();
  settings.limits.file_bytes_max = 100;
  settings.limits.files_max = 3;
  bench.origin.commit({{"a.toml", "good\n"}}, "good");
  auto follower = bench.follower(settings);
  REQUIRE(follower->prepare());
  follower->start();
  bench.executor.run_for(std::chrono::seconds(1));
  std::string onto = follower->status().active->id;
  const auto refused = [&](const std::vector<TestChange>& changes) {
    bench.origin.commit(changes, "x", "Eve", onto);
    bench.executor.run_for(std::chrono::seconds(70));
    const FollowerStatus status = follower->status();
    CHECK(bench.rule(*follower, "a.toml") == "good\n");
    return status.refused ? status.refused->error : std::string("taken");
  };
  CHECK(has(refused({{"big.toml", std::string(101, 'x')}}), "big.toml: 101 bytes, limit 100"));
  CHECK(has(refused({{"b", "1"}, {"c", "1"}, {"d", "1"}}), "more than 3 files"));
  CHECK(
      has(refused({{"l.toml", "/etc/passwd", GIT_FILEMODE_LINK}}), "leads out of the repository"));
  CHECK(has(refused({{"s/l.toml", "../../x", GIT_FILEMODE_LINK}}), "leads out of the repository"));
  CHECK(has(refused({{"l.toml", "missing", GIT_FILEMODE_LINK}}), "does not lead to a file"));
  CHECK(
      has(refused({{"l.toml", "s", GIT_FILEMODE_LINK}, {"s/x", "1"}}), "does not lead to a file"));
  std::string deep = "a";
  for (int i = 0; i < 20; ++i) deep += "/a";
  CHECK(has(refused({{"d" + deep, "1"}}), "nested deeper than 16"));
  settings.path = "none";

  // A link inside becomes a copy; submodules and hidden names are left out.
  CHECK(refused({{"l.toml", "./a.toml", GIT_FILEMODE_LINK},
                 {"m", onto, GIT_FILEMODE_COMMIT},
                 {".github/x", "1"}}) == "taken");
  CHECK(bench.rule(*follower, "l.toml") == "good\n");
  CHECK_FALSE(bench.files->read_link(follower->rules_folder() + "/l.toml"));
  CHECK_FALSE(bench.files->exists(follower->rules_folder() + "/.github"));
}

TEST_CASE("names and subjects are other people's text") {
  Bench bench;
  bench.origin.commit({{"a.toml", "x"}}, "sub\x1b[31mject" + std::string(300, 'y'), "E\x07ve");
  auto follower = bench.follower(bench.settings());
  REQUIRE(follower->prepare());
  const Commit commit = *follower->status().active;
  CHECK_FALSE(has(commit.subject, "\x1b"));
  CHECK(commit.subject.size() < 260);
  CHECK_FALSE(has(commit.author, "\x07"));
}

}  // namespace
}  // namespace tocsin::rulegit

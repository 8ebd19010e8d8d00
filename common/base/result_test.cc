#include "common/base/result.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <memory>

#include "common/base/asio_executor.h"
#include "common/base/file_system.h"
#include "common/base/mutex.h"

namespace tocsin::base {
namespace {

Result<int> half(int number) {
  if (number % 2 != 0) return error(ErrorCode::InvalidArgument, "odd");
  return number / 2;
}

Result<int> quarter(int number) {
  TC_TRY(const int first, half(number));
  TC_TRY(auto second, half(first));
  return second;
}

Result<void> check_even(int number) {
  TC_TRY(half(number));
  return ok();
}

}  // namespace

TEST_CASE("TC_TRY hands the error up") {
  CHECK(*quarter(8) == 2);
  CHECK(quarter(6).error().message == "odd");
  CHECK(check_even(2));
  CHECK_FALSE(check_even(3));
  CHECK(with_context(error(ErrorCode::Io, "b"), "a").message == "a: b");
  CHECK(is_retryable(ErrorCode::Timeout));
  CHECK_FALSE(is_retryable(ErrorCode::InvalidArgument));
}

TEST_CASE("real files: write, append, read back, list, truncate") {
  const auto files = make_real_file_system();
  const std::string folder = (std::filesystem::temp_directory_path() / "tocsin_base_test").string();
  std::filesystem::remove_all(folder);
  REQUIRE(files->create_folders(folder + "/a/b"));
  const std::string path = folder + "/a/b/file";
  REQUIRE(files->write_atomic(path, "hello", 0600));
  CHECK(*files->mode(path) == 0600);
  auto file = files->open_append(path, 0600);
  REQUIRE(file);
  REQUIRE((*file)->append(" world"));
  REQUIRE((*file)->sync());
  CHECK((*file)->size() == 11);
  CHECK(*files->read(path, 100) == "hello world");
  CHECK(files->read(path, 5).error().code == ErrorCode::LimitExceeded);
  CHECK(files->read(folder + "/none", 5).error().code == ErrorCode::NotFound);
  CHECK(files->read("/proc/self/stat", 100000)->size() > 10);
  REQUIRE(files->truncate(path, 5));
  auto read = files->open_read(path);
  REQUIRE(read);
  CHECK(*(*read)->read_at(1, 100) == "ello");
  CHECK(*files->list(folder + "/a") == std::vector<std::string>{"b"});
  std::filesystem::remove_all(folder);
}

TEST_CASE("real executor: tasks in order, timers, cancelled timers") {
  const RealClock clock;
  AsioExecutor executor(clock, "test", 1);
  Mutex mutex;
  Condition changed;
  std::string trace;
  const auto add = [&](char c) {
    MutexLock lock(mutex);
    trace += c;
    changed.notify_all();
  };
  executor.post([&] {
    CHECK(executor.running_here());
    add('a');
  });
  executor.post([&] { add('b'); });
  const TimerId cancelled = executor.post_after(Duration{5}, [&] { add('x'); });
  executor.cancel(cancelled);
  executor.post_after(Duration{20}, [&] { add('c'); });
  MutexLock lock(mutex);
  CHECK(changed.wait_for(mutex, std::chrono::seconds(20), [&] { return trace == "abc"; }));
  CHECK_FALSE(executor.running_here());
}

}  // namespace tocsin::base

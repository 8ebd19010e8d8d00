// std::mutex with the annotations that clang's -Wthread-safety checks; no-ops for g++.
//
// Most state has one owner thread and needs no lock (see the table in the README); this is for the
// few places that are read from several threads.
#pragma once

#include <condition_variable>
#include <mutex>
#include <shared_mutex>

#if defined(__clang__)
#define TC_ANNOTATE(x) __attribute__((x))
#else
#define TC_ANNOTATE(x)
#endif
#define GUARDED_BY(x) TC_ANNOTATE(guarded_by(x))
#define REQUIRES(...) TC_ANNOTATE(requires_capability(__VA_ARGS__))
#define REQUIRES_SHARED(...) TC_ANNOTATE(requires_shared_capability(__VA_ARGS__))
#define EXCLUDES(...) TC_ANNOTATE(locks_excluded(__VA_ARGS__))

namespace tocsin::base {

class TC_ANNOTATE(capability("mutex")) Mutex {
 public:
  void lock() TC_ANNOTATE(acquire_capability()) { mutex_.lock(); }
  void unlock() TC_ANNOTATE(release_capability()) { mutex_.unlock(); }
  std::mutex& native() { return mutex_; }

 private:
  std::mutex mutex_;
};

class TC_ANNOTATE(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) TC_ANNOTATE(acquire_capability(mutex)) : mutex_(mutex) {
    mutex_.lock();
  }
  ~MutexLock() TC_ANNOTATE(release_capability()) { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

class TC_ANNOTATE(capability("mutex")) SharedMutex {
 public:
  void lock() TC_ANNOTATE(acquire_capability()) { mutex_.lock(); }
  void unlock() TC_ANNOTATE(release_capability()) { mutex_.unlock(); }
  void lock_shared() TC_ANNOTATE(acquire_shared_capability()) { mutex_.lock_shared(); }
  void unlock_shared() TC_ANNOTATE(release_shared_capability()) { mutex_.unlock_shared(); }

 private:
  std::shared_mutex mutex_;
};

class TC_ANNOTATE(scoped_lockable) WriterLock {
 public:
  explicit WriterLock(SharedMutex& mutex) TC_ANNOTATE(acquire_capability(mutex)) : mutex_(mutex) {
    mutex_.lock();
  }
  ~WriterLock() TC_ANNOTATE(release_capability()) { mutex_.unlock(); }
  WriterLock(const WriterLock&) = delete;
  WriterLock& operator=(const WriterLock&) = delete;

 private:
  SharedMutex& mutex_;
};

class TC_ANNOTATE(scoped_lockable) ReaderLock {
 public:
  explicit ReaderLock(SharedMutex& mutex) TC_ANNOTATE(acquire_shared_capability(mutex))
      : mutex_(mutex) {
    mutex_.lock_shared();
  }
  ~ReaderLock() TC_ANNOTATE(release_capability()) { mutex_.unlock_shared(); }
  ReaderLock(const ReaderLock&) = delete;
  ReaderLock& operator=(const ReaderLock&) = delete;

 private:
  SharedMutex& mutex_;
};

/// Waits for a condition that another thread makes true. For the edges (main, tests, CLI) only.
class Condition {
 public:
  template <class Predicate>
  void wait(Mutex& mutex, Predicate predicate) REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.native(), std::adopt_lock);
    condition_.wait(lock, predicate);
    lock.release();
  }
  template <class Duration, class Predicate>
  bool wait_for(Mutex& mutex, Duration duration, Predicate predicate) REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.native(), std::adopt_lock);
    const bool satisfied = condition_.wait_for(lock, duration, predicate);
    lock.release();
    return satisfied;
  }
  void notify_all() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace tocsin::base

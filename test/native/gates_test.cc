// Tests phases with gates: no phase runs too early, no thread blocks meanwhile, and every waiting operation
// resumes.
#include <doctest/doctest.h>

#include <atomic>
#include <future>
#include <mutex>
#include <thread>
#include <utility>

#include "core/thread_pool.h"
#include "support/random.h"

namespace heed::test {

namespace {

// The condition of a gate. Opened on a separate thread, at a random time.
class Door {
 public:
  bool pass(const Resume& resume) {
    const std::lock_guard lock(mutex_);
    if (open_) return true;
    resume_ = resume;
    return false;
  }
  void open() {
    Resume resume;
    {
      const std::lock_guard lock(mutex_);
      open_ = true;
      resume = std::exchange(resume_, {});
    }
    if (resume) resume();
  }
  bool is_open() {
    const std::lock_guard lock(mutex_);
    return open_;
  }

 private:
  std::mutex mutex_;
  bool open_ = false;
  Resume resume_;
};

// Three phases with a door before each.
struct Gated {
  Gated() {
    for (Door& door : doors) {
      plan.push_back({3,
                      [this, &door](const TaskContext&) {
                        early = early || !door.is_open();
                        ++ran;
                      },
                      [&door](const Resume& resume) { return door.pass(resume); }});
    }
  }
  void open_in_time(Random& random) {
    for (Door& door : doors) {
      std::this_thread::sleep_for(std::chrono::microseconds(random.integer(0, 300)));
      door.open();
    }
  }

  Door doors[3];
  std::atomic<bool> early = false;
  std::atomic<int> ran = 0;
  Plan plan;
};

}  // namespace

TEST_CASE("gates: phases begin when their gates open, whoever runs them and however many threads there are") {
  for (const int threads : {1, 2, 4}) {
    const auto pool = std::make_shared<ThreadPool>();
    pool->set_threads(threads);
    Random random(110 + static_cast<uint64_t>(threads));
    for (int repeat = 0; repeat < 100; ++repeat) {
      Gated submitted, called;
      std::promise<void> end;
      const auto operation = std::make_shared<Operation>(submitted.plan, [&end] { end.set_value(); });
      pool->submit(operation);
      std::thread opener([&] {
        Random times(static_cast<uint64_t>(repeat));
        submitted.open_in_time(times);
        called.open_in_time(times);
      });
      Scratch scratch;
      pool->run(std::make_shared<Operation>(called.plan), scratch, random.chance(0.5));
      end.get_future().wait();
      opener.join();
      CHECK(submitted.ran == 9);
      CHECK(called.ran == 9);
      CHECK(!submitted.early);
      CHECK(!called.early);
    }
  }
}

TEST_CASE("gates: who waits at one holds up nobody, and can be cancelled there") {
  const auto pool = std::make_shared<ThreadPool>();
  pool->set_threads(1);
  Gated waiting;
  std::promise<void> end;
  const auto operation = std::make_shared<Operation>(waiting.plan, [&end] { end.set_value(); });
  pool->submit(operation);
  for (int i = 0; i < 10; ++i) {
    Scratch scratch;
    std::promise<void> other;
    pool->submit(
        std::make_shared<Operation>(Plan{{1, [](const TaskContext&) {}}}, [&] { other.set_value(); }));
    other.get_future().wait();
  }
  CHECK(waiting.ran == 0);
  pool->cancel(operation);
  end.get_future().wait();
  waiting.doors[0].open();  // too late
  CHECK(waiting.ran == 0);
}

TEST_CASE("gates: one that opens after the pool has gone opens nothing") {
  Gated gated;
  {
    const auto pool = std::make_shared<ThreadPool>();
    std::promise<void> end;
    const auto operation = std::make_shared<Operation>(gated.plan, [&end] { end.set_value(); });
    pool->submit(operation);
    pool->cancel(operation);
    end.get_future().wait();
  }
  gated.doors[0].open();
  CHECK(gated.ran == 0);
}

}  // namespace heed::test

// Tests the thread pool: every task runs once, phases run in order, operations run concurrently, and
// cancellation, failures and resizing work.
#include "core/thread_pool.h"

#include <doctest/doctest.h>

#include <atomic>
#include <future>
#include <new>
#include <set>
#include <stdexcept>

#include "support/random.h"

namespace heed::test {

namespace {

using Run = std::function<void(const TaskContext&)>;

// A submitted operation that the test can wait for.
class Submitted {
 public:
  Submitted(ThreadPool& pool, Plan plan)
      : pool_(pool), operation_(std::make_shared<Operation>(std::move(plan), [this] { end_.set_value(); })) {
    pool.submit(operation_);
  }
  ~Submitted() { wait(); }
  void wait() { ended_.wait(); }
  bool ended() const { return ended_.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }
  void cancel() { pool_.cancel(operation_); }
  std::exception_ptr error() { return operation_->error(); }

 private:
  ThreadPool& pool_;
  std::promise<void> end_;
  std::shared_future<void> ended_ = end_.get_future().share();
  std::shared_ptr<Operation> operation_;
};

// Checks in every task that the earlier phases have ended and that no task runs twice.
struct CheckedPlan {
  CheckedPlan(Random& random, int64_t phases, int64_t most_tasks) {
    for (int64_t phase = 0; phase < phases; ++phase) {
      const int64_t tasks = random.integer(0, most_tasks);
      counts.push_back(std::vector<std::atomic<int>>(static_cast<size_t>(tasks)));
      plan.push_back({tasks, [this, phase](const TaskContext& context) { visit(phase, context); }});
    }
  }

  void visit(int64_t phase, const TaskContext& context) {
    for (int64_t earlier = 0; earlier < phase; ++earlier) {
      for (const auto& count : counts[earlier])
        in_order = in_order && count.load(std::memory_order_relaxed) == 1;
    }
    auto* scratch = static_cast<int64_t*>(context.scratch.reserve(sizeof(int64_t) * 100));
    for (int i = 0; i < 100; ++i) scratch[i] = context.task;
    ++counts[phase][context.task];
    for (int i = 0; i < 100; ++i) own_scratch = own_scratch && scratch[i] == context.task;
  }

  bool complete() const {
    for (const auto& phase : counts) {
      for (const auto& count : phase) {
        if (count != 1) return false;
      }
    }
    return in_order && own_scratch;
  }

  Plan plan;
  std::vector<std::vector<std::atomic<int>>> counts;
  std::atomic<bool> in_order = true, own_scratch = true;
};

Plan one_phase(int64_t tasks, Run run) {
  return {{tasks, std::move(run)}};
}

class Gate {
 public:
  void open() { promise_.set_value(); }
  void pass() const { future_.wait(); }

 private:
  std::promise<void> promise_;
  std::shared_future<void> future_ = promise_.get_future().share();
};

}  // namespace

TEST_CASE("every task runs once, after all tasks of the phases before") {
  Random random(1);
  for (int threads = 1; threads <= 4; ++threads) {
    ThreadPool pool;
    pool.set_threads(threads);
    Scratch scratch;
    for (int repeat = 0; repeat < 50; ++repeat) {
      CheckedPlan submitted(random, random.integer(0, 6), 20), ran(random, random.integer(0, 6), 20);
      {
        Submitted operation(pool, submitted.plan);
        pool.run(std::make_shared<Operation>(ran.plan), scratch);
      }
      CHECK(submitted.complete());
      CHECK(ran.complete());
    }
  }
}

TEST_CASE(
    "a synchronous operation runs on the calling thread, alone where one thread is allowed or there is one "
    "task") {
  ThreadPool pool;
  Scratch scratch;
  for (const auto& [threads, tasks] : {std::pair{1, 20}, std::pair{3, 1}}) {
    pool.set_threads(threads);
    std::set<std::thread::id> seen;
    pool.run(std::make_shared<Operation>(
                 one_phase(tasks, [&](const TaskContext&) { seen.insert(std::this_thread::get_id()); })),
             scratch);
    CHECK(seen == std::set{std::this_thread::get_id()});
  }
}

TEST_CASE("a synchronous operation takes no more threads than allowed, the calling one included") {
  ThreadPool pool;
  pool.set_threads(3);
  Scratch scratch;
  std::atomic<int> now = 0, most = 0;
  Gate second_begun;
  const auto task = [&](const TaskContext& context) {
    const int running = ++now;
    int seen = most;
    while (running > seen && !most.compare_exchange_weak(seen, running)) {
    }
    // Another thread may wake up late.
    if (context.task == 0) second_begun.pass();
    if (context.task == 1) second_begun.open();
    std::this_thread::sleep_for(std::chrono::microseconds(50));
    --now;
  };
  pool.run(std::make_shared<Operation>(one_phase(300, task)), scratch);
  CHECK(most <= 3);
  CHECK(most >= 2);
}

TEST_CASE("operations take turns: a later one does not wait for the end of an earlier one") {
  ThreadPool pool;
  pool.set_threads(1);
  Gate both_there;
  std::atomic<int> done = 0;
  Submitted long_one(pool, one_phase(1000, [&](const TaskContext&) {
                       both_there.pass();
                       ++done;
                     }));
  int done_before = 1000;
  Submitted short_one(pool, one_phase(1, [&](const TaskContext&) { done_before = done; }));
  both_there.open();
  short_one.wait();
  CHECK(done_before <= 2);
  long_one.wait();
  CHECK(done == 1000);
}

TEST_CASE("cancelling what has not begun ends it at once, and nothing of it runs") {
  ThreadPool pool;
  pool.set_threads(1);
  Gate gate, begun;
  Submitted busy(pool, one_phase(1, [&](const TaskContext&) {
                   begun.open();
                   gate.pass();
                 }));
  begun.pass();
  std::atomic<int> ran = 0;
  Submitted queued(pool, one_phase(10, [&](const TaskContext&) { ++ran; }));
  queued.cancel();
  CHECK(queued.ended());
  CHECK(!busy.ended());
  gate.open();
  busy.wait();
  CHECK(ran == 0);
}

TEST_CASE("cancelling what runs ends it once its tasks have noticed") {
  ThreadPool pool;
  pool.set_threads(2);
  std::atomic<int> begun = 0, after = 0;
  Plan plan = one_phase(100, [&](const TaskContext& context) {
    ++begun;
    while (!context.cancellation.cancelled()) std::this_thread::yield();
  });
  plan.push_back({1, [&](const TaskContext&) { ++after; }});
  Submitted operation(pool, std::move(plan));
  while (begun < 2) std::this_thread::yield();
  CHECK(!operation.ended());
  operation.cancel();
  operation.wait();
  CHECK(begun == 2);
  CHECK(after == 0);
  operation.cancel();  // nothing left to cancel
}

TEST_CASE("what a task throws is reported, and the pool works on") {
  ThreadPool pool;
  pool.set_threads(2);
  Scratch scratch;
  const auto throws = [](const TaskContext& context) {
    if (context.task == 3) throw std::bad_alloc();
  };
  std::atomic<int> after = 0;
  Plan plan = one_phase(10, throws);
  plan.push_back({5, [&](const TaskContext&) { ++after; }});
  Submitted submitted(pool, plan);
  submitted.wait();
  REQUIRE(submitted.error());
  CHECK_THROWS_AS(std::rethrow_exception(submitted.error()), std::bad_alloc);
  for (const int threads : {1, 2}) {
    pool.set_threads(threads);
    const auto operation = std::make_shared<Operation>(plan);
    pool.run(operation, scratch);
    REQUIRE(operation->error());
    CHECK_THROWS_AS(std::rethrow_exception(operation->error()), std::bad_alloc);
  }
  CHECK(after == 0);
  std::atomic<int> ran = 0;
  pool.run(std::make_shared<Operation>(one_phase(10, [&](const TaskContext&) { ++ran; })), scratch);
  CHECK(ran == 10);
}

TEST_CASE("the plan and all that it holds are gone when the end is told") {
  ThreadPool pool;
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> watched = held;
  std::promise<bool> gone;
  auto operation = std::make_shared<Operation>(one_phase(4, [held](const TaskContext&) {}),
                                               [&] { gone.set_value(watched.expired()); });
  held.reset();  // before the operation begins: only its plan holds the number from here on
  pool.submit(operation);
  CHECK(gone.get_future().get());
}

TEST_CASE("a plan without tasks ends") {
  ThreadPool pool;
  Scratch scratch;
  Submitted nothing(pool, {});
  Submitted no_tasks(pool, one_phase(0, [](const TaskContext&) {}));
  pool.run(std::make_shared<Operation>(Plan{}), scratch);
  CHECK(nothing.ended());
  CHECK(no_tasks.ended());
}

TEST_CASE("the number of threads changes while operations run; cancelling and failing go on meanwhile") {
  ThreadPool pool;
  Random random(2);
  for (int repeat = 0; repeat < 30; ++repeat) {
    std::vector<std::unique_ptr<CheckedPlan>> plans;
    std::vector<std::unique_ptr<Submitted>> operations;
    for (int i = 0; i < 8; ++i) {
      plans.push_back(std::make_unique<CheckedPlan>(random, 4, 10));
      operations.push_back(std::make_unique<Submitted>(pool, plans.back()->plan));
      pool.set_threads(static_cast<int>(random.integer(1, 4)));
    }
    operations[3]->cancel();
    Submitted failing(pool, one_phase(5, [](const TaskContext&) { throw std::runtime_error("on purpose"); }));
    std::thread synchronous([&pool] {
      Scratch scratch;
      std::atomic<int> ran = 0;
      pool.run(std::make_shared<Operation>(one_phase(20, [&](const TaskContext&) { ++ran; })), scratch);
      CHECK(ran == 20);
    });
    synchronous.join();
    operations.clear();
    for (size_t i = 0; i < plans.size(); ++i) {
      if (i != 3) CHECK(plans[i]->complete());
    }
  }
}

TEST_CASE("the shared pool lives as long as somebody holds it, and can come back") {
  auto pool = ThreadPool::shared();
  CHECK(ThreadPool::shared() == pool);
  const std::weak_ptr<ThreadPool> watched = pool;
  {
    Submitted operation(*pool, one_phase(4, [](const TaskContext&) {}));
  }
  pool.reset();
  CHECK(watched.expired());
  pool = ThreadPool::shared();
  Submitted operation(*pool, one_phase(4, [](const TaskContext&) {}));
}

}  // namespace heed::test

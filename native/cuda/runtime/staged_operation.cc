#include "cuda/runtime/staged_operation.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <utility>

#include "cuda/runtime/device_workspace.h"

namespace heed::cuda {

namespace {

// The progress of the stream, reported by callbacks, which may run after the operation is destroyed.
class Progress {
 public:
  // Whether `marks` marks have been passed or never will be; if not, `resume` is called when they have.
  bool has_passed(size_t marks, const Resume& resume) {
    const std::lock_guard lock(mutex_);
    if (passed_ >= marks || lost_) return true;
    awaited_ = marks;
    resume_ = resume;
    return false;
  }
  void pass(bool lost) {
    Resume resume;
    {
      const std::lock_guard lock(mutex_);
      ++passed_;
      lost_ |= lost;
      if (resume_ && (passed_ >= awaited_ || lost_)) resume = std::exchange(resume_, {});
    }
    if (resume) resume();
  }
  bool lost() {
    const std::lock_guard lock(mutex_);
    return lost_;
  }

 private:
  std::mutex mutex_;
  size_t passed_ = 0, awaited_ = 0;
  bool lost_ = false;
  Resume resume_;
};

// A window of staging memory, once it is granted.
class HeldWindow final : public Staging::Waiter {
 public:
  HeldWindow(Device& device, size_t bytes) : device_(device) {
    if (bytes == 0) return;
    wanted_ = true;
    const Staging::Window taken = device.staging().take(bytes, *this);
    const std::lock_guard lock(mutex_);
    if (taken.data != nullptr) window_ = taken;
  }
  // Copies may still be in flight through the window.
  ~HeldWindow() {
    device_.staging().forget(*this);
    if (window_.data == nullptr) return;
    try {
      device_.use([this] {
        device_.call_back(
            [&staging = device_.staging(), window = window_](const char*) { staging.give_back(window); });
      });
    } catch (const std::exception&) {
      wait_for_stream();
      device_.staging().give_back(window_);
    }
  }
  HeldWindow(const HeldWindow&) = delete;
  HeldWindow& operator=(const HeldWindow&) = delete;

  bool is_there(const Resume& resume) {
    const std::lock_guard lock(mutex_);
    if (!wanted_ || window_.data != nullptr) return true;
    resume_ = resume;
    return false;
  }
  std::byte* data() const { return window_.data; }
  // Requires that the stream has passed everything that uses the window.
  void give_back() {
    const Staging::Window window = std::exchange(window_, {});
    wanted_ = false;
    device_.staging().give_back(window);
  }

 private:
  void granted(Staging::Window window) noexcept override {
    Resume resume;
    {
      const std::lock_guard lock(mutex_);
      window_ = window;
      resume = std::exchange(resume_, {});
    }
    if (resume) resume();
  }
  void wait_for_stream() noexcept {
    try {
      device_.use([this] { device_.driver().synchronize(device_.stream()); });
    } catch (const std::exception&) {
      // The device is lost: no copies are in flight.
    }
  }

  Device& device_;
  bool wanted_ = false;
  std::mutex mutex_;
  Staging::Window window_;
  Resume resume_;
};

class StagedOperation {
 public:
  explicit StagedOperation(StagedWork work)
      : work_(std::move(work)),
        window_(*work_.device, window_bytes()),
        inputs_(waves_of(work_.inputs, window_size())),
        outputs_(waves_of(work_.outputs, window_size())),
        left_(inputs_.size() + outputs_.size()) {
    for (size_t i = 0; i < left_.size(); ++i) left_[i] = static_cast<int64_t>(wave(i).size());
  }

  bool is_little() { return window_size() == Staging::small && window_.is_there({}); }
  size_t inputs() const { return inputs_.size(); }
  size_t outputs() const { return outputs_.size(); }
  int64_t pieces(size_t number) const { return static_cast<int64_t>(wave(number).size()); }

  bool has_window(const Resume& resume) { return window_.is_there(resume); }
  // Whether the half of the window that an input wave needs is free again.
  bool may_copy_input(size_t number, const Resume& resume) {
    if (number == 0) return has_window(resume);
    return number < 2 || progress_->has_passed(number - 1, resume);
  }
  bool may_copy_output(size_t number, const Resume& resume) {
    return progress_->has_passed(input_marks() + number + 1, resume);
  }

  void copy_input(size_t number, size_t index) {
    const Piece& piece = inputs_[number][index];
    std::memcpy(window_.data() + piece.place, piece.part.host, piece.part.bytes);
    use_device([&](Device& device) {
      device.driver().copy_to_device(piece.part.device, window_.data() + piece.place, piece.part.bytes,
                                     device.stream());
      if (--left_[number] == 0 && number < input_marks()) mark();
    });
  }

  // Launches everything between the inputs and the outputs.
  void launch() {
    use_device([this](Device& device) {
      if (work_.launch) {
        DeviceWorkspace workspace(device);
        work_.launch(workspace);
        workspace.enqueue();
      }
      for (size_t number = 0; number < std::min<size_t>(2, outputs_.size()); ++number) fetch(number);
    });
    work_.launch = nullptr;
    if (outputs_.size() <= 2) work_.blocks.clear();
  }

  void copy_output(size_t number, size_t index) {
    const Piece& piece = outputs_[number][index];
    if (progress_->lost()) use_device([](Device&) {});
    std::memcpy(piece.part.host, window_.data() + piece.place, piece.part.bytes);
    if (--left_[inputs_.size() + number] > 0) return;
    if (number + 1 == outputs_.size()) window_.give_back();
    if (number + 2 < outputs_.size()) use_device([&](Device&) { fetch(number + 2); });
  }

 private:
  size_t window_bytes() const { return std::max(staged_bytes(work_.inputs), staged_bytes(work_.outputs)); }
  size_t window_size() const { return window_bytes() <= Staging::small ? Staging::small : Staging::large; }
  const Wave& wave(size_t number) const {
    return number < inputs_.size() ? inputs_[number] : outputs_[number - inputs_.size()];
  }
  // Input waves that another wave waits for: each waits for the one two before it.
  size_t input_marks() const { return inputs_.size() > 2 ? inputs_.size() - 2 : 0; }

  template <class F>
  void use_device(F f) {
    Device& device = *work_.device;
    device.use([&] { f(device); });
  }

  void mark() {
    work_.device->call_back(
        [progress = progress_](const char* failure) { progress->pass(failure != nullptr); });
  }

  void fetch(size_t number) {
    Device& device = *work_.device;
    for (const Piece& piece : outputs_[number]) {
      device.driver().copy_from_device(window_.data() + piece.place, piece.part.device, piece.part.bytes,
                                       device.stream());
    }
    mark();
  }

  StagedWork work_;
  std::shared_ptr<Progress> progress_ = std::make_shared<Progress>();
  HeldWindow window_;
  std::vector<Wave> inputs_, outputs_;
  std::vector<std::atomic<int64_t>> left_;  // pieces of each wave that are not copied yet
};

}  // namespace

Plan plan_staged(StagedWork work) {
  const std::shared_ptr<Device> device = work.device;
  const auto operation = device->use([&work] { return std::make_shared<StagedOperation>(std::move(work)); });
  Plan plan;
  if (operation->is_little()) {
    for (size_t number = 0; number < operation->inputs(); ++number) {
      for (int64_t i = 0; i < operation->pieces(number); ++i)
        operation->copy_input(number, static_cast<size_t>(i));
    }
    operation->launch();
  } else {
    for (size_t number = 0; number < operation->inputs(); ++number) {
      plan.push_back(
          {operation->pieces(number),
           [operation, number](const TaskContext& context) {
             operation->copy_input(number, static_cast<size_t>(context.task));
           },
           [operation, number](const Resume& resume) { return operation->may_copy_input(number, resume); }});
    }
    plan.push_back({1, [operation](const TaskContext&) { operation->launch(); },
                    [operation](const Resume& resume) { return operation->has_window(resume); }});
  }
  for (size_t number = 0; number < operation->outputs(); ++number) {
    plan.push_back(
        {operation->pieces(operation->inputs() + number),
         [operation, number](const TaskContext& context) {
           operation->copy_output(number, static_cast<size_t>(context.task));
         },
         [operation, number](const Resume& resume) { return operation->may_copy_output(number, resume); }});
  }
  return plan;
}

}  // namespace heed::cuda

// Tests what is said of drivers and GPUs that an addon was not built for.
#include <doctest/doctest.h>

#include "cuda/runtime/compatibility.h"

namespace heed::emulator {

namespace {

cuda::Availability with(const cuda::Built& built, std::initializer_list<std::pair<int, int>> capabilities) {
  cuda::Availability available;
  if (!cuda::describe_versions(available, built)) return available;
  for (const auto& [major, minor] : capabilities) cuda::add_device(available, {"GPU", major, minor}, built);
  return available;
}

}  // namespace

TEST_CASE("compatibility: a driver of the same major version does, and an older one does not") {
  for (const int runtime : {12000, 12040, 13000, 13010, 14000}) {
    for (const int driver : {11080, 12000, 12090, 13000, 13010, 14020}) {
      const cuda::Availability available = with({driver, runtime, "80-real"}, {{8, 0}});
      const bool fits = driver / 1000 >= runtime / 1000;
      CAPTURE(runtime);
      CAPTURE(driver);
      CHECK(available.outdated == !fits);
      CHECK(available.devices.size() == (fits ? 1 : 0));
      CHECK(available.reason.empty() == fits);
    }
  }
  CHECK(
      with({12090, 13000, ""}, {}).reason ==
      "This build of heed needs an NVIDIA driver R580 or later, for CUDA 13, and that of this machine is for "
      "CUDA 12.9");
  CHECK(with({12000, 12090, "80"}, {}).needed == "R525 or later, for CUDA 12");
  CHECK(with({14000, 14000, "80"}, {}).needed == "for CUDA 14 or later");
  CHECK(with({0, 13000, "80"}, {}).reason == "There is no NVIDIA driver on this machine");
  CHECK_FALSE(with({0, 13000, "80"}, {}).outdated);
}

TEST_CASE("compatibility: machine code runs on the same major version and later minor ones, PTX on all") {
  struct Expected {
    const char* architectures;
    int major, minor;
    bool compiles;
  };
  for (const auto& [architectures, major, minor, compiles] : {
           Expected{"80-real,86-real", 8, 0, false},
           {"80-real,86-real", 8, 9, false},
           {"86-real,90-virtual", 8, 0, true},
           {"80-real,90-virtual", 9, 0, true},
           {"80", 8, 6, false},
           {"80", 9, 0, true},
           {"80-real,100-real,120-real", 10, 3, false},
           {"80-real,100-real,120-real", 11, 0, true},
           {"80-real,100-real,120-real", 12, 1, false},
           {"80-real,121-real", 12, 0, true},
           {"native", 7, 5, false},
           {"all-major", 9, 0, false},
       }) {
    CAPTURE(architectures);
    CAPTURE(major);
    const cuda::Availability available = with({13000, 13000, architectures}, {{major, minor}});
    REQUIRE(available.devices.size() == 1);
    CHECK(available.devices[0].compiles == compiles);
  }
}

TEST_CASE("compatibility: a driver does not compile PTX of a newer CUDA, and runs machine code beside it") {
  const cuda::Availability available = with({12040, 12080, "80-real,90-virtual"}, {{9, 0}, {8, 6}});
  REQUIRE(available.devices.size() == 1);
  CHECK(available.devices[0].major == 8);
  CHECK(available.outdated);
  CHECK(available.reason ==
        "This build of heed has no machine code for GPU, and to compile it takes an NVIDIA driver for CUDA "
        "12.8 "
        "or later, and that of this machine is for CUDA 12.4");
}

}  // namespace heed::emulator

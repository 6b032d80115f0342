// Tests layouts of control groups on various systems, each as a folder of files.
#include "core/cpu_quota.h"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace heed::test {

namespace {

constexpr double none = std::numeric_limits<double>::infinity();

// A root folder with these files, deleted by the destructor.
class Root {
 public:
  explicit Root(const std::vector<std::pair<std::string, std::string>>& files) {
    std::string pattern = (std::filesystem::temp_directory_path() / "heed-quota-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()));
    path_ = pattern;
    for (const auto& [name, text] : files) {
      const std::filesystem::path file(path_ + name);
      std::filesystem::create_directories(file.parent_path());
      std::ofstream(file) << text;
    }
  }
  ~Root() { std::filesystem::remove_all(path_); }
  Root(const Root&) = delete;
  Root& operator=(const Root&) = delete;

  double quota() const { return cpu_quota(path_); }

 private:
  std::string path_;
};

const char mount_v2[] = "24 1 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
const char mounts_v1[] =
    "30 23 0:26 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro,mode=755\n"
    "31 30 0:27 / /sys/fs/cgroup/unified rw shared:10 - cgroup2 cgroup2 rw\n"
    "33 30 0:29 / /sys/fs/cgroup/cpuset rw shared:16 - cgroup cgroup rw,cpuset\n"
    "34 30 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:17 - cgroup cgroup rw,cpu,cpuacct\n";
const char groups_v1[] = "5:cpuset:/other\n4:cpuacct,cpu:/docker/c0ffee\n1:name=systemd:/init\n0::/init\n";

}  // namespace

TEST_CASE("cpu_quota: version 2, the group's own") {
  const auto quota_of = [](const std::string& text) {
    return Root({{"/proc/self/cgroup", "0::/a\n"},
                 {"/proc/self/mountinfo", mount_v2},
                 {"/sys/fs/cgroup/a/cpu.max", text}})
        .quota();
  };
  CHECK(quota_of("150000 100000\n") == 1.5);
  CHECK(quota_of("50000 100000\n") == 0.5);
  CHECK(quota_of("1000 1000000\n") == 0.001);
  CHECK(quota_of("max 100000\n") == none);
  CHECK(quota_of("") == none);
  CHECK(quota_of("100000\n") == none);
  CHECK(quota_of("100000 0\n") == none);
}

TEST_CASE("cpu_quota: version 2, the smallest of all groups around") {
  const auto quota_of = [](const std::string& inner, const std::string& outer, const std::string& outmost) {
    return Root({{"/proc/self/cgroup", "0::/user.slice/app.slice/job\n"},
                 {"/proc/self/mountinfo", mount_v2},
                 {"/sys/fs/cgroup/user.slice/app.slice/job/cpu.max", inner},
                 {"/sys/fs/cgroup/user.slice/app.slice/cpu.max", outer},
                 {"/sys/fs/cgroup/user.slice/cpu.max", outmost},
                 {"/sys/fs/cgroup/user.slice/app.slice/other/cpu.max", "1000 100000\n"}})
        .quota();
  };
  CHECK(quota_of("300000 100000", "max 100000", "max 100000") == 3);
  CHECK(quota_of("max 100000", "200000 100000", "max 100000") == 2);
  CHECK(quota_of("max 100000", "max 100000", "25000 50000") == 0.5);
  CHECK(quota_of("300000 100000", "400000 100000", "200000 100000") == 2);
  CHECK(quota_of("max 100000", "max 100000", "max 100000") == none);
}

TEST_CASE("cpu_quota: version 2 in a container, whose own group is the root that it sees") {
  CHECK(Root({{"/proc/self/cgroup", "0::/\n"},
              {"/proc/self/mountinfo", mount_v2},
              {"/sys/fs/cgroup/cpu.max", "250000 100000\n"}})
            .quota() == 2.5);
}

TEST_CASE("cpu_quota: a group that is named as the host does, and not to be seen") {
  CHECK(Root({{"/proc/self/cgroup", "0::/system.slice/docker-c0ffee.scope\n"},
              {"/proc/self/mountinfo", mount_v2},
              {"/sys/fs/cgroup/cpu.max", "100000 100000\n"}})
            .quota() == 1);
}

TEST_CASE("cpu_quota: version 1, beside a version 2 that has no processors to give") {
  const auto quota_of = [](const std::string& quota, const std::string& outer_quota) {
    const std::string cpu = "/sys/fs/cgroup/cpu,cpuacct";
    return Root({{"/proc/self/cgroup", groups_v1},
                 {"/proc/self/mountinfo", mounts_v1},
                 {cpu + "/docker/c0ffee/cpu.cfs_quota_us", quota},
                 {cpu + "/docker/c0ffee/cpu.cfs_period_us", "100000\n"},
                 {cpu + "/docker/cpu.cfs_quota_us", outer_quota},
                 {cpu + "/docker/cpu.cfs_period_us", "50000\n"},
                 {"/sys/fs/cgroup/cpuset/other/cpu.cfs_quota_us", "1000\n"},
                 {"/sys/fs/cgroup/cpuset/other/cpu.cfs_period_us", "100000\n"}})
        .quota();
  };
  CHECK(quota_of("150000\n", "-1\n") == 1.5);
  CHECK(quota_of("-1\n", "25000\n") == 0.5);
  CHECK(quota_of("150000\n", "25000\n") == 0.5);
  CHECK(quota_of("-1\n", "-1\n") == none);
  CHECK(quota_of("", "") == none);
}

TEST_CASE("cpu_quota: version 1 in a container, where only its own group is mounted") {
  CHECK(Root({{"/proc/self/cgroup", "3:cpu:/docker/c0ffee/job\n"},
              {"/proc/self/mountinfo",
               "40 30 0:30 /docker/c0ffee /sys/fs/cgroup/cpu ro master:17 - cgroup cgroup rw,cpu\n"
               "41 30 0:30 /docker/c0ffe /mnt/other ro master:17 - cgroup cgroup rw,cpu\n"},
              {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000\n"},
              {"/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"},
              {"/sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "-1\n"},
              {"/sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000\n"},
              {"/mnt/other/cpu.cfs_quota_us", "1000\n"},
              {"/mnt/other/cpu.cfs_period_us", "100000\n"}})
            .quota() == 2);
}

TEST_CASE("cpu_quota: names with colons, and folders with spaces") {
  CHECK(Root({{"/proc/self/cgroup", "0::/a:b\n"},
              {"/proc/self/mountinfo", "24 1 0:22 / /control\\040groups rw - cgroup2 cgroup2 rw\n"},
              {"/control groups/a:b/cpu.max", "300000 100000\n"}})
            .quota() == 3);
}

TEST_CASE("cpu_quota: a process in the outmost group, and systems without control groups") {
  CHECK(Root({{"/proc/self/cgroup", "0::/\n"}, {"/proc/self/mountinfo", mount_v2}}).quota() == none);
  CHECK(Root({}).quota() == none);
  CHECK(Root({{"/proc/self/cgroup", "what\n0:\n"}, {"/proc/self/mountinfo", "ever\n\n- - -\n"}}).quota() ==
        none);
}

}  // namespace heed::test

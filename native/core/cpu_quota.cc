#include "core/cpu_quota.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <sstream>
#include <string_view>
#include <vector>

namespace heed {

namespace {

constexpr double unlimited = std::numeric_limits<double>::infinity();

enum class Version { v1, v2 };

// A mounted hierarchy of control groups: `folder` shows `group`.
struct Mount {
  Version version;
  std::string group, folder;
};

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

// Whether a list like "rw,cpu,cpuacct" contains cpu.
bool lists_cpu(const std::string& names) {
  const std::vector<std::string> all = split(names, ',');
  return std::find(all.begin(), all.end(), "cpu") != all.end();
}

// Spaces and backslashes are escaped as three octal digits: "\040".
std::string unescape(const std::string& text) {
  const auto is_octal = [](char c) { return c >= '0' && c <= '7'; };
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && std::all_of(&text[i + 1], &text[i + 4], is_octal)) {
      plain += static_cast<char>(std::stoi(text.substr(i + 1, 3), nullptr, 8));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

// Reads lines like "32 31 0:29 /group /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu", with
// any number of words before the dash.
std::vector<Mount> mounts_of_cpu(const std::string& root) {
  std::vector<Mount> mounts;
  std::ifstream file(root + "/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    const std::vector<std::string> words = split(line, ' ');
    const auto dash = std::find(words.begin(), words.end(), "-");
    if (dash - words.begin() < 6 || words.end() - dash < 4) continue;
    const std::string& type = dash[1];
    if (type == "cgroup2" || (type == "cgroup" && lists_cpu(dash[3])))
      mounts.push_back(
          {type == "cgroup2" ? Version::v2 : Version::v1, unescape(words[3]), unescape(words[4])});
  }
  return mounts;
}

// Reads lines like "4:cpu,cpuacct:/group", or "0::/group" for version 2. Empty if there is none.
std::string group_of_process(const std::string& root, Version version) {
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':'), second = first == line.npos ? line.npos : line.find(':', first + 1);
    if (second == line.npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool matches =
        version == Version::v2 ? line.starts_with("0:") && controllers.empty() : lists_cpu(controllers);
    if (matches) return line.substr(second + 1);
  }
  return {};
}

// The quota in the folder of one group.
double quota_in(const std::string& folder, Version version) {
  double quota = 0, period = 0;
  if (version == Version::v2) {
    // "50000 100000": microseconds per period in microseconds; "max 100000" if there is no quota.
    std::ifstream file(folder + "/cpu.max");
    if (!(file >> quota >> period)) return unlimited;
  } else {
    std::ifstream quota_file(folder + "/cpu.cfs_quota_us"), period_file(folder + "/cpu.cfs_period_us");
    if (!(quota_file >> quota) || !(period_file >> period)) return unlimited;  // −1 if there is no quota
  }
  return quota > 0 && period > 0 ? quota / period : unlimited;
}

// The path of `group` below `ancestor`: "" for the ancestor itself, "/a/b" for a descendant.
bool is_within(std::string_view group, std::string_view ancestor, std::string& below) {
  if (ancestor == "/") ancestor = "";
  if (group == "/") group = "";
  if (!group.starts_with(ancestor)) return false;
  const std::string_view rest = group.substr(ancestor.size());
  if (!rest.empty() && rest.front() != '/') return false;
  below = rest;
  return true;
}

}  // namespace

double cpu_quota(const std::string& root) {
  double smallest = unlimited;
  for (const Mount& mount : mounts_of_cpu(root)) {
    const std::string group = group_of_process(root, mount.version);
    std::string below;
    if (group.empty() || !is_within(group, mount.group, below)) continue;
    // Walks from the group outwards to the outermost visible one: inside a container, to the container's own
    // group.
    for (;; below.resize(below.rfind('/'))) {
      smallest = std::min(smallest, quota_in(root + mount.folder + below, mount.version));
      if (below.empty()) break;
    }
  }
  return smallest;
}

}  // namespace heed

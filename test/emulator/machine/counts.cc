#include "machine/counts.h"

#include <algorithm>
#include <map>
#include <sstream>

namespace heed::emulator {

Traffic& Traffic::operator+=(const Traffic& other) {
  requests += other.requests;
  bytes += other.bytes;
  transactions += other.transactions;
  unavoidable += other.unavoidable;
  return *this;
}

Counts& Counts::operator+=(const Counts& other) {
  global_loads += other.global_loads;
  global_stores += other.global_stores;
  shared_loads += other.shared_loads;
  shared_stores += other.shared_stores;
  atomics += other.atomics;
  matrix_instructions += other.matrix_instructions;
  exponentials += other.exponentials;
  shuffles += other.shuffles;
  barriers += other.barriers;
  return *this;
}

Counts SiteCounts::total() const {
  Counts sum;
  for (const Counts& counts : counts_) sum += counts;
  return sum;
}

Counts SiteCounts::within(const Sites& sites, std::string_view function) const {
  Counts sum;
  for (uint32_t site = 1; site < counts_.size(); ++site) {
    const std::vector<Frame>& frames = sites.frames(site);
    const auto called = [&](const Frame& frame) {
      return frame.function.find(function) != std::string::npos;
    };
    if (std::any_of(frames.begin(), frames.end(), called)) sum += counts_[site];
  }
  return sum;
}

std::string SiteCounts::table(const Sites& sites) const {
  std::map<std::string, Counts> lines;
  for (uint32_t site = 1; site < counts_.size(); ++site) {
    const Frame& frame = sites.line(site);
    lines[frame.file + ":" + std::to_string(frame.line)] += counts_[site];
  }
  std::vector<std::pair<std::string, Counts>> sorted(lines.begin(), lines.end());
  const auto wasted = [](const Counts& c) {
    return c.bank_conflicts() + c.global_loads.wasted() + c.global_stores.wasted();
  };
  std::sort(sorted.begin(), sorted.end(), [&](const auto& a, const auto& b) {
    const auto of_a = wasted(a.second), of_b = wasted(b.second);
    return of_a != of_b ? of_a > of_b : a.first < b.first;
  });
  std::ostringstream text;
  for (const auto& [line, c] : sorted) {
    text << line;
    const auto show = [&](const char* name, const char* unit, const Traffic& traffic) {
      if (traffic.requests == 0) return;
      text << "  " << name << ": " << traffic.requests << " requests, " << traffic.bytes << " bytes, "
           << traffic.transactions << " " << unit << " (at best " << traffic.unavoidable << ")";
    };
    show("global loads", "sectors", c.global_loads);
    show("global stores", "sectors", c.global_stores);
    show("shared loads", "passes", c.shared_loads);
    show("shared stores", "passes", c.shared_stores);
    show("atomics", "sectors", c.atomics);
    if (c.matrix_instructions > 0) text << "  matrix instructions: " << c.matrix_instructions;
    if (c.exponentials > 0) text << "  exponentials: " << c.exponentials;
    if (c.shuffles > 0) text << "  shuffles: " << c.shuffles;
    if (c.barriers > 0) text << "  barriers: " << c.barriers;
    text << "\n";
  }
  return text.str();
}

}  // namespace heed::emulator

#include "machine/report.h"

#include <algorithm>
#include <sstream>

#include "machine/machine.h"

namespace heed::emulator {

const char* name_of(FaultKind kind) {
  switch (kind) {
    case FaultKind::race:
      return "data race";
    case FaultKind::missing_barrier:
      return "missing barrier";
    case FaultKind::divergent_barrier:
      return "divergent barrier";
    case FaultKind::divergent_warp:
      return "divergent warp";
    case FaultKind::wrong_mask:
      return "wrong participation mask";
    case FaultKind::deadlock:
      return "deadlock";
    case FaultKind::endless:
      return "endless loop";
    case FaultKind::unwritten_read:
      return "read of unwritten memory";
    case FaultKind::copy_not_awaited:
      return "asynchronous copy not waited for";
    case FaultKind::out_of_bounds:
      return "out of bounds";
    case FaultKind::read_only:
      return "write to an input";
    case FaultKind::misaligned:
      return "misaligned access";
    case FaultKind::wrong_space:
      return "wrong kind of memory";
  }
  return "?";
}

std::string describe(const std::vector<uint32_t>& given) {
  std::vector<uint32_t> threads = given;
  std::sort(threads.begin(), threads.end());
  std::ostringstream text;
  text << (threads.size() == 1 ? "thread " : "threads ");
  for (size_t i = 0; i < threads.size();) {
    size_t last = i;
    while (last + 1 < threads.size() && threads[last + 1] == threads[last] + 1) ++last;
    if (i > 0) text << ", ";
    text << threads[i];
    if (last > i) text << "–" << threads[last];
    i = last + 1;
  }
  return text.str();
}

namespace {

std::string short_name(const std::string& function) {
  return function.substr(0, function.find('('));
}

// The kernel's line, and the line of its caller if it is in a separate function.
std::string place(const Sites& sites, uint32_t site) {
  const Frame& line = sites.line(site);
  return line.file + ":" + std::to_string(line.line) + " in " + short_name(line.function);
}

}  // namespace

Fault report(Machine& machine, const Block& block, const Finding& finding) {
  const std::string kernel = name_of_kernel(machine.kernel);
  std::ostringstream text;
  text << name_of(finding.kind) << ": " << finding.what << "\n";
  text << "  kernel   " << kernel << "\n";
  text << "  at       " << place(machine.sites, finding.site);
  if (!finding.threads.empty()) text << ", " << describe(finding.threads);
  text << "\n";
  for (const Frame& frame : machine.sites.frames(finding.site)) {
    if (&frame == &machine.sites.line(finding.site)) continue;
    text << "    through " << frame.file << ":" << frame.line << " in " << short_name(frame.function) << "\n";
  }
  for (const auto& [site, what] : finding.others) {
    text << "  and      " << place(machine.sites, site) << ": " << what << "\n";
  }
  text << "  block    " << block.index() << " of " << block.shape().blocks << ", " << block.shape().threads
       << " threads each\n";
  text << "  schedule " << machine.schedule_seed << "\n";
  Fault fault(finding.kind, text.str());
  fault.kernel = kernel;
  fault.file = machine.sites.line(finding.site).file;
  fault.line = machine.sites.line(finding.site).line;
  fault.block = block.index();
  fault.threads = finding.threads;
  return fault;
}

}  // namespace heed::emulator

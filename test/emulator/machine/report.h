// Formats findings as text.
#pragma once

#include <string>
#include <vector>

#include "machine/block.h"
#include "machine/fault.h"

namespace heed::emulator {

// "thread 5", "threads 0–31, 40".
std::string describe(const std::vector<uint32_t>& threads);
Fault report(Machine& machine, const Block& block, const Finding& finding);

}  // namespace heed::emulator

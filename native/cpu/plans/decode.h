// Decoding: the tasks of sequences with few query rows.
#pragma once

#include <memory>

#include "cpu/plans/planned_attention.h"

namespace heed::cpu {

// Appends the phases for those sequences of the problem that are decoded.
void plan_decode(const std::shared_ptr<const SolvingAttention>& solving, Plan& plan);

}  // namespace heed::cpu

#include "machine/requests.h"

#include <algorithm>
#include <bit>

namespace heed::emulator {

namespace {

constexpr uint32_t all_lanes = 0xffffffff;

Traffic& of_kind(Counts& counts, Access kind) {
  switch (kind) {
    case Access::global_load:
      return counts.global_loads;
    case Access::global_store:
      return counts.global_stores;
    case Access::shared_load:
      return counts.shared_loads;
    case Access::shared_store:
      return counts.shared_stores;
    default:
      return counts.atomics;
  }
}

// Sorts the numbers and removes duplicates. Lanes usually access rising addresses.
size_t distinct(uintptr_t* begin, uintptr_t* end) {
  if (!std::is_sorted(begin, end)) std::sort(begin, end);
  return static_cast<size_t>(std::unique(begin, end) - begin);
}

void count_sectors(const Request& request, Traffic& traffic) {
  std::array<uintptr_t, 64> sectors{};
  std::array<uintptr_t, 32> addresses{};
  size_t touched = 0, lanes = 0;
  for (uint32_t mask = request.lanes; mask != 0; mask &= mask - 1) {
    const uintptr_t address = request.addresses[static_cast<size_t>(std::countr_zero(mask))];
    addresses[lanes++] = address;
    const uintptr_t first = address / 32, last = (address + request.bytes - 1) / 32;
    sectors[touched++] = first;
    if (last != first) sectors[touched++] = last;
  }
  traffic.transactions = distinct(sectors.data(), sectors.data() + touched);
  traffic.bytes = distinct(addresses.data(), addresses.data() + lanes) * request.bytes;
  traffic.unavoidable = (traffic.bytes + 31) / 32;
}

void count_passes(const Request& request, Traffic& traffic) {
  const uint32_t lanes_at_once = request.bytes <= 4 ? 32 : 128 / request.bytes;
  for (uint32_t begin = 0; begin < 32; begin += lanes_at_once) {
    const uint32_t part =
        request.lanes >> begin & (lanes_at_once == 32 ? all_lanes : (1u << lanes_at_once) - 1);
    if (part == 0) continue;
    std::array<uintptr_t, 64> words{};
    size_t count = 0;
    for (uint32_t mask = part; mask != 0; mask &= mask - 1) {
      const uintptr_t address = request.addresses[begin + static_cast<size_t>(std::countr_zero(mask))];
      for (uintptr_t word = address / 4; word <= (address + request.bytes - 1) / 4; ++word)
        words[count++] = word;
    }
    count = distinct(words.data(), words.data() + count);
    std::array<uint8_t, 32> in_bank{};
    for (size_t i = 0; i < count; ++i) ++in_bank[words[i] % 32];
    traffic.transactions += *std::max_element(in_bank.begin(), in_bank.end());
    traffic.unavoidable += 1;
    traffic.bytes += count * 4;
  }
}

}  // namespace

Traffic traffic_of(Access kind, const Request& request) {
  Traffic traffic;
  traffic.requests = 1;
  if (kind == Access::shared_load || kind == Access::shared_store) {
    count_passes(request, traffic);
  } else {
    count_sectors(request, traffic);
  }
  return traffic;
}

void Requests::count(uint32_t site, Access kind, const Request& request) {
  of_kind(counts_->at(site), kind) += traffic_of(kind, request);
}

void Requests::count_open(uint32_t site, Place& place) {
  for (size_t i = place.first; i < place.open.size(); ++i) count(site, place.kind, place.open[i]);
  place.open.clear();
  place.first = 0;
}

void Requests::add(uint32_t site, Access kind, uint32_t lane, uintptr_t address, uint32_t bytes) {
  // A copy from global to shared memory is two accesses at one site.
  const uint32_t slot = site * 2 + (kind == Access::shared_load || kind == Access::shared_store ? 1 : 0);
  if (slot >= places_.size()) places_.resize(slot + 1);
  Place& place = places_[slot];
  if (place.finished == 0 && place.open.empty()) {
    in_use_.push_back(slot);
    place.kind = kind;
  }
  // Lanes that are this far behind the others are not part of their requests.
  if (place.open.size() - place.first == most_open) {
    place.finished += most_open;
    count_open(site, place);
  }
  size_t& times = place.times[lane];
  times = std::max(times, place.finished);
  const size_t index = place.first + times++ - place.finished;
  if (index >= place.open.size()) place.open.resize(index + 1);
  Request& request = place.open[index];
  request.lanes |= 1u << lane;
  request.bytes = std::max(request.bytes, bytes);
  request.addresses[lane] = address;
  if (request.lanes == all_lanes && index == place.first) {
    count(site, kind, request);
    ++place.finished;
    if (++place.first == place.open.size() || place.first == most_open) {
      place.open.erase(place.open.begin(), place.open.begin() + static_cast<std::ptrdiff_t>(place.first));
      place.first = 0;
    }
  }
}

void Requests::flush() {
  for (const uint32_t slot : in_use_) {
    Place& place = places_[slot];
    count_open(slot / 2, place);
    place.times.fill(0);
    place.finished = 0;
  }
  in_use_.clear();
}

}  // namespace heed::emulator

// Combines the accesses of a warp's lanes into the requests that the hardware would see: the n-th execution
// of an instruction by each lane, counted from the last meeting of the whole warp, forms one request.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "machine/counts.h"

namespace heed::emulator {

enum class Access : uint8_t { global_load, global_store, shared_load, shared_store, atomic };

struct Request {
  uint32_t lanes = 0;
  uint32_t bytes = 0;  // per lane
  std::array<uintptr_t, 32> addresses{};
};

// Sectors of 32 bytes, or passes over 32 banks of 4 bytes: accesses of 8 bytes take two halves of the warp,
// of 16 bytes four quarters.
Traffic traffic_of(Access kind, const Request& request);

class Requests {
 public:
  explicit Requests(SiteCounts& counts) : counts_(&counts) {}
  void add(uint32_t site, Access kind, uint32_t lane, uintptr_t address, uint32_t bytes);
  // Called when the whole warp has met: all open requests are complete.
  void flush();

 private:
  static constexpr size_t most_open = 1024;

  struct Place {
    Access kind = Access::global_load;
    size_t finished = 0;  // counted requests in which all lanes participated
    std::array<size_t, 32> times{};
    std::vector<Request> open;  // those from `first` on
    size_t first = 0;
  };
  void count(uint32_t site, Access kind, const Request& request);
  // Counts the open requests, whichever lanes participated.
  void count_open(uint32_t site, Place& place);

  SiteCounts* counts_;
  std::vector<Place> places_;     // by site
  std::vector<uint32_t> in_use_;  // sites
};

}  // namespace heed::emulator

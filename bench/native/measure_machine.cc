// heed_machine: prints the processor's peak performance as JSON. Arguments: `fma LANES THREADS`, `pairs LANES
// THREADS` or `read LANES THREADS BYTES`.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "machine.h"

int main(int count, char** arguments) {
  const std::string what = count > 1 ? arguments[1] : "";
  const int lanes = count > 2 ? std::atoi(arguments[2]) : 0,
            threads = count > 3 ? std::atoi(arguments[3]) : 0;
  if (what == "fma" && count == 4) {
    std::printf("{\"perSecond\": %.4g}\n", heed::bench::fma_peak(lanes, threads));
  } else if (what == "pairs" && count == 4) {
    std::printf("{\"perSecond\": %.4g}\n", heed::bench::pairs_peak(threads));
  } else if (what == "read" && count == 5) {
    const size_t bytes = std::strtoull(arguments[4], nullptr, 10);
    std::printf("{\"perSecond\": %.4g}\n", heed::bench::read_bandwidth(bytes, lanes, threads));
  } else {
    std::fprintf(stderr,
                 "Expected `fma LANES THREADS`, `pairs LANES THREADS` or `read LANES THREADS BYTES`\n");
    return 2;
  }
}

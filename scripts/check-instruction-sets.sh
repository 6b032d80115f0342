#!/usr/bin/env bash
# Runs the native tests on every instruction set, whatever this processor supports:
#   - all supported ones, directly;
#   - SSE2 alone, under qemu, for the kernels and for the addon inside Node.js;
#   - the choice of AVX2 without AVX-512, and the kernels on a processor with only AVX2;
#   - the 16-lane kernels of AVX-512 compiled to AVX2 instructions, if the processor lacks some of it (AVX512-BF16);
#   - AVX-512 itself under AVX512_EMULATOR, if that names a command such as 'sde64 -spr --': qemu has no AVX-512.
# Needs doctest-dev and qemu-user (Debian), CMake, and the built addon and dist/.
set -euo pipefail
cd "$(dirname "$0")/.."
oldest='qemu64,-sse3'

build() { # preset of CMakePresets.json
  cmake --preset "$1" > /dev/null
  cmake --build --preset "$1" -j "$(nproc)" | grep -v 'Built target' || true
}

echo '── this processor'
build native-tests
build/native-tests/heed_native_tests

echo '── SSE2 alone, native tests'
log=$(mktemp)
trap 'rm -f "$log"' EXIT
HEED_TEST_PROBLEMS=15 qemu-x86_64 -cpu "$oldest" build/native-tests/heed_native_tests | tee "$log"
grep -qx 'instruction sets: baseline' "$log"

echo '── AVX2 and nothing later, native tests'
HEED_TEST_PROBLEMS=5 qemu-x86_64 -cpu Haswell build/native-tests/heed_native_tests 2>&1 | tee "$log"
grep -qx 'instruction sets: baseline avx2' "$log"

echo '── SSE2 alone, the addon in Node.js'
qemu-x86_64 -cpu "$oldest" "$(command -v node)" scripts/check-baseline.cjs

if grep -q avx512_bf16 /proc/cpuinfo; then
  echo '── AVX-512 was tested as it is'
elif grep -q avx2 /proc/cpuinfo; then
  echo '── 16 lanes, compiled to AVX2 (this processor has not all of AVX-512)'
  build native-tests-wide
  build/native-tests-wide/heed_native_tests
else
  echo '── 16 lanes were not tested: this processor has neither AVX-512 nor AVX2'
fi

if [ -n "${AVX512_EMULATOR:-}" ]; then
  echo '── AVX-512, emulated, native tests'
  # Words of a command, so unquoted.
  HEED_TEST_PROBLEMS=1 $AVX512_EMULATOR build/native-tests/heed_native_tests | tee "$log"
  grep -q '^instruction sets:.* avx512' "$log"
fi

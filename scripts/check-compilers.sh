#!/usr/bin/env bash
# Checks compilers other than the machine's default, with warnings as errors: each builds the addon and the native tests.
# The native tests must pass, and with that addon the tests of bitwise equal results. Without arguments, both have only
# kernels that run here, and clang compiles the others without optimising them: for errors and warnings that is enough.
#
#   scripts/check-compilers.sh               the newest clang of this Debian, and GCC of the next: installs both, as root
#   scripts/check-compilers.sh clang++-16    an installed compiler
#   scripts/check-compilers.sh g++ FOLDER    a compiler of another system, whose root is the folder; as root
#
# The other system must have the compiler, CMake, make and doctest-dev; debootstrap sets up the next Debian accordingly.
# Needs node_modules and dist/, and for compilers of this machine doctest-dev.
set -euo pipefail
cd "$(dirname "$0")/.."
next_debian=trixie
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT

# Runs a command in a system, where this folder has the same path. Its mounts end with its process.
inside() { # root, command …
  local root=$1
  shift
  if [ "$root" = / ]; then
    "$@"
    return
  fi
  mkdir -p "$root$PWD"
  # shellcheck disable=SC2016 # for the other shell
  unshare --mount --propagation private bash -c '
    mount --bind "$PWD" "$0$PWD" && mount -t proc proc "$0/proc"
    # What the tests report to is not there, nor are certificates.
    exec chroot "$0" env -u CMAKE_CXX_COMPILER_LAUNCHER -u HEED_TEST_REPORT -u NODE_EXTRA_CA_CERTS -C "$PWD" "$@"' "$root" "$@"
}

# Makes a separate package of the tests and the addon under test. Other packages are found in parent folders.
package_with() { # addon, folder
  rm -rf "$2"
  mkdir -p "$2/build/Release"
  cp -r package.json .mocharc.json dist test examples "$2"
  cp "$1" "$2/build/Release/heed.node"
}

check() { # compiler, root, instruction sets
  local compiler=$1 root=$2 sets=$3 headers folder
  folder=build/compilers/${compiler##*/}
  headers=$(node -p "[require('node-api-headers').include_dir, require('node-addon-api').include_dir]
    .map((each) => path.resolve(each)).join(';')")
  printf '\n── %s\n' "$(inside "$root" "$compiler" --version | head -n 1)"
  rm -rf "$folder"
  inside "$root" cmake -S . -B "$folder" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER="$compiler" \
    -DCMAKE_JS_INC="$headers" -DHEED_WERROR=ON -DHEED_TESTS=ON -DHEED_CUDA=OFF \
    -DHEED_INSTRUCTION_SETS="$sets" > /dev/null
  inside "$root" cmake --build "$folder" --target heed heed_native_tests -j "$(nproc)"
  HEED_TEST_PROBLEMS=20 inside "$root" "$folder/heed_native_tests"
  # Runs the tests in the system that built the addon, which may need that system's glibc.
  [ "$root" = / ] || cp "$(node -p process.execPath)" "$root/usr/local/bin/node"
  package_with "$folder/heed.node" "$folder/package"
  # shellcheck disable=SC2016 # for the other shell
  inside "$root" bash -c 'cd "$0" && exec node "$@"' "$folder/package" "$PWD/node_modules/mocha/bin/mocha.js" \
    --invert --grep 'on reference' dist/test/attention/{hard-selection,same-bits}.test.js \
    dist/test/properties/same-bits.test.js
}

# Compiles all kernels but those that are named, 15 times faster than with -O3.
compile_others() { # compiler, instruction sets
  local folder=build/compilers/others
  rm -rf "$folder"
  cmake -S . -B "$folder" -DCMAKE_CXX_COMPILER="$1" -DCMAKE_JS_INC=. -DHEED_WERROR=ON -DHEED_CUDA=OFF \
    -DCMAKE_EXPORT_COMPILE_COMMANDS=ON > /dev/null
  node -p '
    const [database, known] = process.argv.slice(1);
    const setOf = (command) => /-DHEED_ISA=(\w+)/.exec(command)?.[1];
    const others = require(path.resolve(database))
      .map(({ command }) => command)
      .filter((command) => setOf(command) !== undefined && !known.split(";").includes(setOf(command)));
    others.map((command) => `${command} -O0`).join("\n");
  ' "$folder/compile_commands.json" "$2" > "$folder/commands"
  printf '%s unit(s) of kernels that do not run here\n' "$(grep -c -e -O0 "$folder/commands")"
  (cd "$folder" && xargs -r -d '\n' -P "$(nproc)" -I '{}' bash -c '{}' < commands)
}

retry() {
  local attempt
  for attempt in 1 2 3; do
    "$@" && return
    echo "attempt $attempt of 3 failed: $*"
    sleep $((attempt * 5))
  done
  return 1
}

if [ $# -gt 0 ]; then
  check "$1" "${2:-/}" ''
  exit
fi

clang=$(apt-cache search --names-only '^clang-[0-9]+$' | cut -d ' ' -f 1 | sort --version-sort | tail -n 1)
retry apt-get install -y -qq --no-install-recommends "$clang" debootstrap doctest-dev
clang=${clang/clang/clang++}
runnable=$(node -p "require('./dist/lib/cli/build/parts.js').partsOf(process.cwd(), true).instructionSets.join(';')")
check "$clang" / "$runnable"
compile_others "$clang" "$runnable"

set_up_next() {
  rm -rf --one-file-system "$work/root"
  debootstrap --variant=minbase --include=g++,make,cmake,doctest-dev "$next_debian" "$work/root" > "$work/log" 2>&1 ||
    { tail -n 5 "$work/log" && false; }
}
retry set_up_next
check g++ "$work/root" "$runnable"

import assert from 'node:assert/strict';
import { blamesMachine, complaintsAmong } from '../../../lib/cli/build/complaints.js';

/** Outputs of tools, with the line that gives the reason for the failure. */
const said: Readonly<Record<string, readonly [text: string, line: string]>> = {
  'CMake that is too old': [
    `CMake Error at CMakeLists.txt:2 (cmake_minimum_required):
  CMake 3.26 or higher is required.  You are running version 3.18.4


-- Configuring incomplete, errors occurred!
ERR! OMG Process terminated: 1
`,
    'CMake Error at CMakeLists.txt:2: CMake 3.26 or higher is required. You are running version 3.18.4',
  ],
  'a compiler that is not there': [
    `CMake Error at /usr/share/cmake-3.25/Modules/CMakeDetermineCXXCompiler.cmake:48 (message):
  Could not find compiler set in environment variable CXX:

  nope.

Call Stack (most recent call first):
  CMakeLists.txt:2 (project)


CMake Error: CMAKE_CXX_COMPILER not set, after EnableLanguage
-- Configuring incomplete, errors occurred!
`,
    'CMake Error at /usr/share/cmake-3.25/Modules/CMakeDetermineCXXCompiler.cmake:48: Could not find compiler set in environment variable CXX: nope.',
  ],
  'a compiler that does not compile': [
    `CMake Error at /usr/share/cmake-3.25/Modules/CMakeTestCXXCompiler.cmake:63 (message):
  The C++ compiler

    "/usr/bin/c++"

  is not able to compile a simple test program.

  It fails with the following output:

    Run Build Command(s):/usr/bin/gmake -f Makefile cmTC_23896/fast
    gmake[1]: Entering directory '/tmp/TryCompile-hVkiak'
    Building CXX object CMakeFiles/cmTC_23896.dir/testCXXCompiler.cxx.o
    c++: fatal error: cannot execute 'cc1plus': execvp: No such file or directory
    gmake[1]: *** [CMakeFiles/cmTC_23896.dir/build.make:78: testCXXCompiler.cxx.o] Error 1
`,
    "    c++: fatal error: cannot execute 'cc1plus': execvp: No such file or directory",
  ],
  'an error in a source': [
    `[1/3] Building CXX object CMakeFiles/heed_core.dir/native/core/plan.cc.o
FAILED: CMakeFiles/heed_core.dir/native/core/plan.cc.o
/usr/bin/c++ -Werror=error-name -o plan.cc.o -c plan.cc
In file included from native/core/plan.cc:3:
native/core/plan.h:10:5: error: 'nonsense' was not declared in this scope
cc1plus: all warnings being treated as errors
ninja: build stopped: subcommand failed.
`,
    "native/core/plan.h:10:5: error: 'nonsense' was not declared in this scope",
  ],
  'an error found by nvcc': [
    `native/cuda/cast.cu(12): error: identifier "nonsense" is undefined
1 error detected in the compilation of "native/cuda/cast.cu".
`,
    'native/cuda/cast.cu(12): error: identifier "nonsense" is undefined',
  ],
  'a linker': [
    `/usr/bin/ld: module.cc.o: in function \`init': undefined reference to \`heed::solve()'
collect2: error: ld returned 1 exit status
`,
    "/usr/bin/ld: module.cc.o: in function `init': undefined reference to `heed::solve()'",
  ],
  'a full disk': [
    `native/core/plan.cc:1: warning: something
{standard input}: fatal error: error writing to plan.o: No space left on device
c++: fatal error: failed
`,
    '{standard input}: fatal error: error writing to plan.o: No space left on device',
  ],
  'no memory': [
    `c++: fatal error: Killed signal terminated program cc1plus
compilation terminated.
ninja: build stopped: subcommand failed.
`,
    'c++: fatal error: Killed signal terminated program cc1plus',
  ],
  'a Python without what gyp needs': [
    `Traceback (most recent call last):
  File "/x/gyp/gyp_main.py", line 42, in <module>
    import gyp
ModuleNotFoundError: No module named 'distutils'
gyp ERR! configure error
gyp ERR! stack Error: \`gyp\` failed with exit code: 1
gyp ERR! stack at ChildProcess.<anonymous> (/x/configure.js:317:18)
gyp ERR! System Linux 6.1
`,
    "ModuleNotFoundError: No module named 'distutils'",
  ],
  'node-gyp itself': [
    `gyp info it worked if it ends with ok
gyp ERR! configure error
gyp ERR! stack Error: EACCES: not allowed, mkdir '/x'
gyp ERR! stack at async mkdir (node:internal/fs/promises:10:5)
gyp ERR! not ok
`,
    "gyp ERR! stack Error: EACCES: not allowed, mkdir '/x'",
  ],
  'make without a rule': [
    `make: Entering directory '/x/build'
make: *** No rule to make target '../native/a.cc', needed by 'a.o'.  Stop.
make: Leaving directory '/x/build'
`,
    "make: *** No rule to make target '../native/a.cc', needed by 'a.o'.  Stop.",
  ],
  'what has never been seen': ['one\ntwo\n\nthree\n', 'one'],
};

describe('what a failed build is said to have failed by', () => {
  for (const [name, [text, line]] of Object.entries(said)) {
    it(`is told by ${name}`, () => {
      const complaints = complaintsAmong(text.split('\n'));
      assert.equal(complaints[0], line.trim());
      assert.ok(complaints.length <= 12);
      for (const complaint of complaints)
        assert.doesNotMatch(complaint, /^\s+at |stack at |Configuring incomplete/);
    });
  }

  it('is the machine, or it is not', () => {
    const blamed = Object.keys(said).filter((name) =>
      blamesMachine(complaintsAmong(said[name][0].split('\n'))),
    );
    assert.deepEqual(blamed, ['a full disk', 'no memory']);
    assert.equal(blamesMachine([]), false);
  });
});

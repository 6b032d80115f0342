# heed's addon, for node-gyp: machines without CMake. Sources and flags are those of native/sources.json.
{
  "variables": {
    # Those that there are to be kernels for, on x64 besides the baseline.
    "instruction_sets%": "<!(node -p \"Object.keys(require('./native/sources.json').kernels.instructionSets).join(',')\")",
    "flags": ["<!@(node -p \"require('./native/sources.json').flags.join(' ')\")"],
    "kernel_sources": ["<!@(node -p \"require('./native/sources.json').kernels.sources.join(' ')\")"],
    "kernel_flags": ["<!@(node -p \"require('./native/sources.json').kernels.flags.join(' ')\")"]
  },
  "target_defaults": {
    "include_dirs": ["native"],
    # Where node-gyp was told to take a whole Node's settings, some of them are for Node's own code only.
    "cflags_cc!": ["-std=gnu++17", "-std=gnu++20"],
    # In the order of CMake's, so that a compiler cache finds what CMake has compiled. Files have 64-bit offsets anyway.
    "cflags!": ["-fPIC"],
    "defines!": ["_LARGEFILE_SOURCE", "_FILE_OFFSET_BITS=64"],
    "cflags_cc": ["-fPIC", "<@(flags)"],
    "configurations": { "Release": { "cflags_cc": ["-std=c++20"] } },
    "xcode_settings": {
      "CLANG_CXX_LANGUAGE_STANDARD": "c++20",
      "GCC_ENABLE_CPP_EXCEPTIONS": "YES",
      "GCC_ENABLE_CPP_RTTI": "YES",
      "MACOSX_DEPLOYMENT_TARGET": "13.3",
      "OTHER_CPLUSPLUSFLAGS": ["<@(flags)"]
    }
  },
  # Flags belong to a target, not to a file: so each instruction set is a library.
  "targets": [
    {
      "target_name": "heed_kernels_baseline",
      "type": "static_library",
      "sources": ["<@(kernel_sources)"],
      "defines": ["HEED_ISA=baseline"],
      "cflags_cc": ["<@(kernel_flags)"],
      "xcode_settings": { "OTHER_CPLUSPLUSFLAGS": ["<@(kernel_flags)"] },
      "conditions": [
        [
          "target_arch=='arm64' and OS=='linux'",
          {
            "cflags_cc": [
              "<!@(node -p \"require('./native/sources.json').kernels.gccFlags.arm64.join(' ')\")"
            ]
          }
        ]
      ]
    },
    {
      "target_name": "heed",
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti"],
      "sources": [
        "<!@(node -p \"const all = require('./native/sources.json'); [all.core, all.cpu, all.wire, all.runtime, all.withoutCuda, all.addon].flat().join(' ')\")"
      ],
      "include_dirs": [
        "<!(node -p \"require('node-addon-api').include_dir\")",
        "<!(node -p \"require('node-api-headers').include_dir\")"
      ],
      "defines": [
        "HEED_HAVE_BASELINE",
        "<!@(node -p \"require('./native/sources.json').addonDefinitions.join(' ')\")",
        "HEED_VERSION=\"<!(node -p \"JSON.parse(fs.readFileSync(fs.realpathSync('native') + '/../package.json')).version\")\""
      ],
      "dependencies": ["heed_kernels_baseline"],
      "conditions": [
        [
          "target_arch=='x64' and 'avx2' in instruction_sets",
          { "defines": ["HEED_HAVE_AVX2"], "dependencies": ["heed_kernels_avx2"] }
        ],
        [
          "target_arch=='x64' and 'avx512' in instruction_sets",
          { "defines": ["HEED_HAVE_AVX512"], "dependencies": ["heed_kernels_avx512"] }
        ],
        # These share kernels with those they extend.
        [
          "target_arch=='x64' and 'avxvnni' in instruction_sets",
          { "defines": ["HEED_HAVE_AVXVNNI"], "dependencies": ["heed_kernels_avxvnni"] }
        ],
        [
          "target_arch=='x64' and 'avx512vnni' in instruction_sets",
          { "defines": ["HEED_HAVE_AVX512VNNI"], "dependencies": ["heed_kernels_avx512vnni"] }
        ],
        [
          "target_arch=='x64' and 'avx512bf16' in instruction_sets",
          { "defines": ["HEED_HAVE_AVX512BF16"], "dependencies": ["heed_kernels_avx512bf16"] }
        ],
        [
          "target_arch=='arm64' and 'dotprod' in instruction_sets",
          { "defines": ["HEED_HAVE_DOTPROD"], "dependencies": ["heed_kernels_dotprod"] }
        ],
        [
          "OS=='linux'",
          {
            "ldflags": [
              # From where make runs: a whole path would break at its first space.
              "-Wl,--version-script=../native/addon/exports.map",
              "-static-libstdc++",
              "-static-libgcc"
            ]
          }
        ]
      ]
    }
  ],
  "conditions": [
    [
      "target_arch=='x64' and 'avx2' in instruction_sets",
      {
        "targets": [
          {
            "target_name": "heed_kernels_avx2",
            "type": "static_library",
            "sources": ["<@(kernel_sources)"],
            "defines": ["HEED_ISA=avx2"],
            "cflags_cc": [
              "<@(kernel_flags)",
              "<!@(node -p \"require('./native/sources.json').kernels.instructionSets.avx2.join(' ')\")"
            ]
          }
        ]
      }
    ],
    [
      "target_arch=='x64' and 'avx512' in instruction_sets",
      {
        "targets": [
          {
            "target_name": "heed_kernels_avx512",
            "type": "static_library",
            "sources": ["<@(kernel_sources)"],
            "defines": ["HEED_ISA=avx512"],
            "cflags_cc": [
              "<@(kernel_flags)",
              "<!@(node -p \"require('./native/sources.json').kernels.instructionSets.avx512.join(' ')\")"
            ]
          }
        ]
      }
    ],
    [
      "target_arch=='x64' and 'avxvnni' in instruction_sets",
      {
        "targets": [
          {
            "target_name": "heed_kernels_avxvnni",
            "type": "static_library",
            "sources": [
              "<!@(node -p \"require('./native/sources.json').kernels.ownSources.avxvnni.join(' ')\")"
            ],
            "defines": ["HEED_ISA=avxvnni"],
            "cflags_cc": [
              "<@(kernel_flags)",
              "<!@(node -p \"require('./native/sources.json').kernels.instructionSets.avxvnni.join(' ')\")"
            ]
          }
        ]
      }
    ],
    [
      "target_arch=='x64' and 'avx512vnni' in instruction_sets",
      {
        "targets": [
          {
            "target_name": "heed_kernels_avx512vnni",
            "type": "static_library",
            "sources": [
              "<!@(node -p \"require('./native/sources.json').kernels.ownSources.avx512vnni.join(' ')\")"
            ],
            "defines": ["HEED_ISA=avx512vnni"],
            "cflags_cc": [
              "<@(kernel_flags)",
              "<!@(node -p \"require('./native/sources.json').kernels.instructionSets.avx512vnni.join(' ')\")"
            ]
          }
        ]
      }
    ],
    [
      "target_arch=='x64' and 'avx512bf16' in instruction_sets",
      {
        "targets": [
          {
            "target_name": "heed_kernels_avx512bf16",
            "type": "static_library",
            "sources": [
              "<!@(node -p \"require('./native/sources.json').kernels.ownSources.avx512bf16.join(' ')\")"
            ],
            "defines": ["HEED_ISA=avx512bf16"],
            "cflags_cc": [
              "<@(kernel_flags)",
              "<!@(node -p \"require('./native/sources.json').kernels.instructionSets.avx512bf16.join(' ')\")"
            ]
          }
        ]
      }
    ],
    [
      "target_arch=='arm64' and 'dotprod' in instruction_sets",
      {
        "targets": [
          {
            "target_name": "heed_kernels_dotprod",
            "type": "static_library",
            "sources": [
              "<!@(node -p \"require('./native/sources.json').kernels.ownSources.dotprod.join(' ')\")"
            ],
            "defines": ["HEED_ISA=dotprod"],
            "cflags_cc": [
              "<@(kernel_flags)",
              "<!@(node -p \"require('./native/sources.json').kernels.instructionSets.dotprod.join(' ')\")"
            ]
          }
        ]
      }
    ]
  ]
}

# node-gyp wants the headers of a whole Node, for the compiler settings in their common.gypi, and would download them.
# heed needs no more of them than Node-API, which comes from npm; these few settings take the place of the rest.
{
  "variables": {
    "configuring_node%": 0,
    "visibility%": "hidden"
  },
  "target_defaults": {
    "default_configuration": "Release",
    "configurations": {
      "Release": {
        "defines": ["NDEBUG"],
        "cflags": ["-O3"],
        "xcode_settings": { "GCC_OPTIMIZATION_LEVEL": "3" }
      },
      "Debug": {
        "cflags": ["-O0", "-g"],
        "xcode_settings": { "GCC_OPTIMIZATION_LEVEL": "0" }
      }
    },
    "conditions": [
      ["OS=='mac'", { "defines": ["_DARWIN_USE_64_BIT_INODE=1"] }, { "cflags": ["-pthread"], "ldflags": ["-pthread"] }]
    ]
  }
}

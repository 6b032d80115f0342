# node-gyp requires the headers of Node, for the compiler settings in their common.gypi, and would download them. heed needs
# only Node-API, which comes from npm; these few settings replace the rest.
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
      ["OS=='mac'", { "defines": ["_DARWIN_USE_64_BIT_INODE=1"] }, { "ldflags": ["-pthread"] }]
    ]
  }
}

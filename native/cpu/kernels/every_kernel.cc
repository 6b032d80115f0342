// All kernels of an instruction set as one unit. They share so many headers and templates that one unit
// compiles in two thirds of the time of many. A set that extends another one compiles only the files of its
// own (`ownSources` of native/sources.json).
#include "cpu/kernels/convert.cc"
#include "cpu/kernels/decode.cc"
#include "cpu/kernels/forward.cc"
#include "cpu/kernels/integer_projection.cc"
#include "cpu/kernels/kernels.cc"
#include "cpu/kernels/merge.cc"
#include "cpu/kernels/norm.cc"
#include "cpu/kernels/projection.cc"
#include "cpu/kernels/rows.cc"
#include "cpu/kernels/sample.cc"
#include "cpu/kernels/unfused.cc"

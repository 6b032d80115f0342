// Accesses of 1 … 16 bytes as one instruction. The memory space is explicit, so that it is checked and known
// to nvcc.
#pragma once

#include <cstdint>

#include "cuda/device/target.cuh"

#if HEED_EMULATED
#include "cuda/device/emulator.h"
#endif

namespace heed::cuda {

// Elements that are read or written at once, aligned to the size of the vector.
template <class T, int count>
struct alignas(sizeof(T) * count) Vector {
  static constexpr int size = count;
  T values[count];
  __device__ __forceinline__ T& operator[](int i) { return values[i]; }
  __device__ __forceinline__ const T& operator[](int i) const { return values[i]; }
};

namespace thread {

namespace detail {

#if HEED_EMULATED

// Copies values, so that the addresses of a kernel's registers do not escape: the compiler would otherwise
// assume that other code can write them.
template <class V>
__forceinline__ V emulated_load(emulator::Space space, const void* from) {
  V copy, value;
  emulator::load(space, &copy, from, sizeof copy);
  __builtin_memcpy(&value, &copy, sizeof value);
  return value;
}
template <class V>
__forceinline__ void emulated_store(emulator::Space space, void* to, const V& value) {
  V copy;
  __builtin_memcpy(&copy, &value, sizeof copy);
  emulator::store(space, to, &copy, sizeof copy);
}

#else

template <int bytes>
struct Word;
template <>
struct Word<1> {
  using type = uint8_t;
};
template <>
struct Word<2> {
  using type = uint16_t;
};
template <>
struct Word<4> {
  using type = uint32_t;
};
template <>
struct Word<8> {
  using type = uint2;
};
template <>
struct Word<16> {
  using type = uint4;
};

// One load and one store of that many bytes, whatever their contents.
template <class V>
__device__ __forceinline__ V word_load(const void* from) {
  const auto word = *static_cast<const typename Word<sizeof(V)>::type*>(from);
  V value;
  __builtin_memcpy(&value, &word, sizeof value);
  return value;
}
template <class V>
__device__ __forceinline__ void word_store(void* to, const V& value) {
  typename Word<sizeof(V)>::type word;
  __builtin_memcpy(&word, &value, sizeof word);
  *static_cast<decltype(word)*>(to) = word;
}

#endif

}  // namespace detail

// `from` must be aligned to the whole vector.
template <int count, class T>
__device__ __forceinline__ Vector<T, count> load_global(const T* from) {
#if HEED_EMULATED
  return detail::emulated_load<Vector<T, count>>(emulator::Space::global, from);
#else
  __builtin_assume(__isGlobal(from));
  return detail::word_load<Vector<T, count>>(from);
#endif
}

template <int count, class T>
__device__ __forceinline__ Vector<T, count> load_shared(const T* from) {
#if HEED_EMULATED
  return detail::emulated_load<Vector<T, count>>(emulator::Space::shared, from);
#else
  __builtin_assume(__isShared(from));
  return detail::word_load<Vector<T, count>>(from);
#endif
}

template <int count, class T>
__device__ __forceinline__ void store_global(T* to, const Vector<T, count>& value) {
#if HEED_EMULATED
  detail::emulated_store(emulator::Space::global, to, value);
#else
  __builtin_assume(__isGlobal(to));
  detail::word_store(to, value);
#endif
}

template <int count, class T>
__device__ __forceinline__ void store_shared(T* to, const Vector<T, count>& value) {
#if HEED_EMULATED
  detail::emulated_store(emulator::Space::shared, to, value);
#else
  __builtin_assume(__isShared(to));
  detail::word_store(to, value);
#endif
}

}  // namespace thread

}  // namespace heed::cuda

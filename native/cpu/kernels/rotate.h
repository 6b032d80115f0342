// Rotary position embedding: rotates pairs of elements of a head, each by its own angle.
#pragma once

#include "cpu/kernels/vector.h"

namespace heed::cpu::HEED_ISA {

// Lane 2i comes from the first vector, lane 2i + 1 from the second: from the lower or the upper half of each.
template <int first>
struct Zip {
  constexpr int operator()(int i) const { return first + i / 2 + (i % 2) * lanes; }
};

struct Turned {
  Vec x, y;
};
static inline Turned turn(Vec x, Vec y, Vec cos, Vec sin) {
  return {multiply_add(x, cos, -(y * sin)), multiply_add(x, sin, y * cos)};
}
static inline void turn(float& x, float& y, float cos, float sin) {
  const float turned = multiply_add(x, cos, -(y * sin));
  y = multiply_add(x, sin, y * cos);
  x = turned;
}

// Rotates pairs that are half the rotated elements apart.
static inline void rotate_halves(float* head, const float* cos, const float* sin, int64_t pairs) {
  int64_t i = 0;
  for (; i + lanes <= pairs; i += lanes) {
    const Turned turned = turn(load(head + i), load(head + pairs + i), load(cos + i), load(sin + i));
    store(head + i, turned.x);
    store(head + pairs + i, turned.y);
  }
  for (; i < pairs; ++i) turn(head[i], head[pairs + i], cos[i], sin[i]);
}

// Rotates pairs of neighbours.
static inline void rotate_neighbours(float* head, const float* cos, const float* sin, int64_t pairs) {
  int64_t i = 0;
  for (; i + lanes <= pairs; i += lanes) {
    const Vec first = load(head + 2 * i), second = load(head + 2 * i + lanes);
    const Turned turned = turn(shuffle(first, second, EvenLanes{}), shuffle(first, second, OddLanes{}),
                               load(cos + i), load(sin + i));
    store(head + 2 * i, shuffle(turned.x, turned.y, Zip<0>{}));
    store(head + 2 * i + lanes, shuffle(turned.x, turned.y, Zip<lanes / 2>{}));
  }
  for (; i < pairs; ++i) turn(head[2 * i], head[2 * i + 1], cos[i], sin[i]);
}

// Rotates a head of a row of a product.
static inline void rotate(const Rotation& rotation, int64_t row, float* head) {
  const int64_t pairs = rotation.width / 2;
  const float* cos = rotation.cos + row % rotation.rows * pairs;
  const float* sin = rotation.sin + row % rotation.rows * pairs;
  if (rotation.interleaved) {
    rotate_neighbours(head, cos, sin, pairs);
  } else {
    rotate_halves(head, cos, sin, pairs);
  }
}

}  // namespace heed::cpu::HEED_ISA

// Memory that JavaScript lent to a problem, and the proof that a view stays inside of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>

#include "addon/number_reader.h"
#include "core/problem.h"

namespace heed {

// A typed array, or a packed weight.
struct Memory {
  void* data = nullptr;
  size_t bytes = 0;
  const PackedWeight* packed = nullptr;
};

// Wide enough for sums of products of numbers below 2^53.
__extension__ using Wide = __int128;

struct Axis {
  int64_t length;
  int64_t stride;
};

// The buffers that came with the numbers, with the checks that each use of one needs.
class Memories {
 public:
  explicit Memories(std::span<const Memory> memories) : memories_(memories) {}

  // The next number, as an index of a buffer. At most one of `data` and `packed` of it is set.
  const Memory& read(NumberReader& numbers) const;
  // −1 stands for nothing.
  const Memory* read_optional(NumberReader& numbers) const;
  // A typed array of at least `elements`, all of which may be touched.
  void* read_contiguous(NumberReader& numbers, DType type, Wide elements) const;

 private:
  std::span<const Memory> memories_;
};

DType read_type(NumberReader& numbers);
DType read_floating_type(NumberReader& numbers);
// A floating type, or int8.
DType read_stored_type(NumberReader& numbers);

// Elements that fit into the memory. Throws where the memory is none that `type` can be stored in.
int64_t capacity(const Memory& memory, DType type);

// `offset` elements in, walking the axes, touching `width` elements at each place: all that has to be inside.
void require_inside(const Memory& memory, DType type, Wide offset, std::initializer_list<Axis> axes,
                    int64_t width);

// Types and strides of a view, not yet checked against any shape.
struct EncodedView {
  const Memory* memory = nullptr;
  DType type = DType::float32;
  int64_t batch_stride = 0;
  int64_t head_stride = 0;
  int64_t step_stride = 0;

  static EncodedView read(NumberReader& numbers, const Memories& memories);
  static EncodedView read_optional(NumberReader& numbers, const Memories& memories);
  // Of keys or values that may lie in a cache. Where they do, the memory is that of any of its pages.
  static EncodedView read_stored(NumberReader& numbers, const Memories& memories);

  template <class View>
  View as() const {
    return {memory->data, type, batch_stride, head_stride, step_stride};
  }
  template <class View>
  View paged(const Pages& pages) const {
    return {nullptr, type, 0, head_stride, step_stride, &pages};
  }

 private:
  void read_strides(NumberReader& numbers);
};

}  // namespace heed

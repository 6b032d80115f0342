// Conversions between element types: of new keys or values to a cache's type, and of tensors.
#include "cpu/kernels/kernels.h"
#include "cpu/kernels/quantise.h"
#include "cpu/kernels/stored_rows.h"

namespace heed::cpu::HEED_ISA {

template <class From, class To>
static inline void convert_row(const typename From::Element* from, int64_t width, typename To::Element* to) {
  int64_t d = 0;
  for (; d + lanes <= width; d += lanes) To::store(to + d, From::load(from + d));
  for (; d < width; ++d) to[d] = To::put(From::get(from[d]));
}

template <class From>
static inline void append_run(const AppendedRows& rows, int64_t first, const Run& run) {
  const int64_t stride = rows.to.step_stride;
  const auto from_row = [&](int64_t i) {
    return static_cast<const typename From::Element*>(rows.from.data) +
           offset_of(rows.from, rows.from_entry, rows.head, rows.from_step + first + i);
  };
  if (run.outliers.outliers) return quantise_keys<From>(rows, rows.to_step + first, run, from_row);
  for (int64_t i = 0; i < run.count; ++i) {
    if (is_scaled(rows.to.type)) {
      with_scaled_type(rows.to.type, [&](auto type) {
        using To = decltype(type);
        const auto all = [](int64_t) { return 1.0f; };
        run.scales[i] = quantise_row<From, To>(from_row(i), rows.width, all,
                                               static_cast<typename To::Element*>(run.rows) + i * stride);
      });
    } else if (rows.to.type == From::type) {
      __builtin_memcpy(static_cast<typename From::Element*>(run.rows) + i * stride, from_row(i),
                       static_cast<size_t>(rows.width) * sizeof(typename From::Element));
    } else {
      with_type(rows.to.type, [&](auto type) {
        using To = decltype(type);
        convert_row<From, To>(from_row(i), rows.width,
                              static_cast<typename To::Element*>(run.rows) + i * stride);
      });
    }
  }
}

void append_rows(const AppendedRows& rows) {
  const int64_t size = static_cast<int64_t>(size_of(rows.to.type));
  for (int64_t first = 0; first < rows.count;) {
    const Run run = run_of_pages(*rows.to.pages, size, rows.to.head_stride, rows.to.step_stride,
                                 rows.to_entry, rows.head, rows.to_step + first, rows.count - first);
    with_type(rows.from.type, [&](auto type) { append_run<decltype(type)>(rows, first, run); });
    first += run.count;
  }
}

void cast(const void* from, DType from_type, void* to, DType to_type, int64_t count) {
  with_type(from_type, [&](auto from_tag) {
    using From = decltype(from_tag);
    with_type(to_type, [&](auto to_tag) {
      using To = decltype(to_tag);
      convert_row<From, To>(static_cast<const typename From::Element*>(from), count,
                            static_cast<typename To::Element*>(to));
    });
  });
}

}  // namespace heed::cpu::HEED_ISA

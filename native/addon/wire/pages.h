// The encoded pages of a cache.
#pragma once

#include <memory>
#include <vector>

#include "addon/wire/reader.h"

namespace heed {

// Views of keys and values in pages, and the capacity that the pages must have.
struct PagedViews {
  const EncodedView& key;
  const EncodedView& value;
  int64_t heads = 0;
  int64_t width = 0;
  int64_t value_width = 0;
};

// Pages for `entries` batch entries, or null. Every page, with all its heads and steps, lies inside its
// buffer; steps_of(b) steps of entry b have a page.
class EncodedPages {
 public:
  static EncodedPages read(Reader& from, size_t entries);

  bool present() const { return present_; }
  // Throws unless every page has room for keys and values laid out as in `views`.
  std::shared_ptr<const PageTables> tables(const PagedViews& views) const;
  // The number of steps of a batch entry that have a page.
  Wide steps_of(size_t entry) const { return static_cast<Wide>(lists_[entry]->pages.size()) * steps_; }

 private:
  struct Slab {
    const Memory* keys;
    const Memory* values;
    const Memory* key_scales;
    const Memory* value_scales;
    const Memory* key_outliers;
  };
  void require_room(const EncodedView& view, int64_t page_stride, int64_t heads, int64_t width) const;
  void require_outliers(const Memory* memory, const PagedViews& views) const;
  // Where a page of so many elements lies in the memory of its slab. Throws unless all of it does.
  char* place(const Memory& memory, int64_t page, int64_t elements, DType type) const;

  bool present_ = false;
  int64_t steps_ = 1;
  int64_t pages_per_slab_ = 1;
  int64_t key_stride_ = 0, value_stride_ = 0;  // from page to page
  std::vector<Slab> slabs_;
  std::vector<const PageList*> lists_;  // owned by the reader
};

}  // namespace heed

#include "common/base/shared_text.h"

#include <limits>
#include <new>

#include "common/base/check.h"

namespace tocsin::base {

SharedText::Block* SharedText::allocate(std::size_t size) {
  if (size == 0) return nullptr;
  TC_CHECK(size <= std::numeric_limits<std::uint32_t>::max(), "a text of more than 4 GiB");
  void* memory = ::operator new(sizeof(Block) + size);
  return new (memory) Block{1, static_cast<std::uint32_t>(size)};
}

void SharedText::release(Block* block) {
  block->~Block();
  ::operator delete(block);
}

}  // namespace tocsin::base

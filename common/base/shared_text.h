// An immutable text whose copies share its bytes.
//
// The same labels stand in an alert, in its group, in the incident, in each message of it and in
// the records that are written: as strings each of these is an allocation and a copy. Eight bytes
// here, eight more beside the text.
#pragma once

#include <atomic>
#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace tocsin::base {

/// Bytes of any kind, at most 4 GiB. Thread: any; copies may be used and dropped in different ones.
class SharedText {
 public:
  SharedText() = default;
  // Not explicit: it is used where a string would be.
  SharedText(std::string_view text) : block_(allocate(text.size())) {
    if (block_) std::memcpy(bytes(block_), text.data(), text.size());
  }
  SharedText(const std::string& text) : SharedText(std::string_view(text)) {}
  SharedText(const char* text) : SharedText(std::string_view(text)) {}
  SharedText(const SharedText& other) noexcept : block_(other.block_) {
    if (block_) block_->owners.fetch_add(1, std::memory_order_relaxed);
  }
  SharedText(SharedText&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  SharedText& operator=(SharedText other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~SharedText() {
    // The last owner needs no atomic write: nobody else can copy from it.
    if (block_ && (block_->owners.load(std::memory_order_acquire) == 1 ||
                   block_->owners.fetch_sub(1, std::memory_order_acq_rel) == 1)) {
      release(block_);
    }
  }

  /// Makes a text of `size` bytes, which `write(char*)` fills.
  template <class Write>
  static SharedText written(std::size_t size, Write write) {
    SharedText text;
    text.block_ = allocate(size);
    if (text.block_) write(bytes(text.block_));
    return text;
  }

  std::string_view view() const {
    return block_ ? std::string_view(bytes(block_), block_->size) : std::string_view();
  }
  operator std::string_view() const { return view(); }
  bool empty() const { return !block_; }
  std::size_t size() const { return block_ ? block_->size : 0; }

  friend bool operator==(const SharedText& a, const SharedText& b) {
    return a.block_ == b.block_ || a.view() == b.view();
  }
  template <class Text>
  requires(std::convertible_to<const Text&, std::string_view> &&
           !std::same_as<Text, SharedText>) friend bool
  operator==(const SharedText& a, const Text& b) {
    return a.view() == std::string_view(b);
  }
  friend std::strong_ordering operator<=>(const SharedText& a, const SharedText& b) {
    return a.view() <=> b.view();
  }

 private:
  struct Block {  ///< The bytes follow it.
    std::atomic<std::uint32_t> owners;
    std::uint32_t size;
  };

  static Block* allocate(std::size_t size);  ///< Null if `size` is 0.
  static void release(Block* block);
  static char* bytes(Block* block) { return reinterpret_cast<char*>(block + 1); }

  Block* block_ = nullptr;
};

}  // namespace tocsin::base

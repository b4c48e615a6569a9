// Bits in bytes, the first in the lowest.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// The bits from `at` on, 57 at least. Reads eight bytes.
static inline uint64_t bits_load(const uint8_t *stream, size_t at) {
  uint64_t word;
  memcpy(&word, stream + (at >> 3), 8);
  return word >> (at & 7);
}

// Puts at most 56 bits at `at`, above those that its byte has already. Writes eight bytes.
static inline void bits_store(uint8_t *stream, size_t at, uint64_t bits) {
  bits = bits << (at & 7) | (stream[at >> 3] & ((1u << (at & 7)) - 1));
  memcpy(stream + (at >> 3), &bits, 8);
}

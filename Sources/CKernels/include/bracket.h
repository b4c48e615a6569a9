#ifndef BRACKET_H
#define BRACKET_H
#include <stddef.h>
#include <stdint.h>

typedef struct {
  uint64_t above;
  uint64_t frequent[4];
  uint32_t highest;
} ck_bracket_counts;

/// Of n values, at most 2^32: counts those whose magnitude bits are above high, and those of each of four frequent ones;
/// raises the highest bits seen; writes the bits of all others within low ... high to keys, in order, and returns their
/// number. low is not 0.
size_t ck_bracket(const float *values, size_t n, uint32_t low, uint32_t high, const uint32_t frequent[4],
                  uint32_t *keys, ck_bracket_counts *counts);
#endif

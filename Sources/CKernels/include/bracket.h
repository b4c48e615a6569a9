#ifndef BRACKET_H
#define BRACKET_H
#include <stddef.h>
#include <stdint.h>

/// Of n values: writes the magnitude bits of those within low ... high and their positions (plus `start`), in order, and
/// returns their count; adds those above high to `above`; raises `highest` to the largest magnitude bits.
size_t ck_bracket(const float *values, size_t n, uint32_t low, uint32_t high, uint32_t start, uint32_t *keys,
                  uint32_t *positions, uint64_t *above, uint32_t *highest);
#endif

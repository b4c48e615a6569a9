#include "bracket.h"

#include <stdbool.h>
#include <string.h>

#include "clones.h"

// Elements looked at together: those of which none is to be collected, nearly all, cost no more than the look.
enum { GROUP = 16 };
typedef uint32_t group __attribute__((ext_vector_type(16)));
typedef bool flags __attribute__((ext_vector_type(16)));

CLONES size_t ck_bracket(const float *values, size_t n, uint32_t low, uint32_t high, const uint32_t frequent[4],
                         uint32_t *keys, ck_bracket_counts *counts) {
  size_t found = 0;
  group over = 0, top = counts->highest, a = 0, b = 0, c = 0, d = 0;
  for (size_t i = 0; i < n; i += GROUP) {
    // Past the end there are zeros, which are never in a bracket.
    group bits = 0;
    if (n - i < GROUP)
      memcpy(&bits, values + i, 4 * (n - i));
    else
      memcpy(&bits, values + i, sizeof bits);
    bits &= 0x7FFFFFFFu;
    top = __builtin_elementwise_max(top, bits);
    over -= (group)(bits > high);
    group is_a = (group)(bits == frequent[0]), is_b = (group)(bits == frequent[1]);
    group is_c = (group)(bits == frequent[2]), is_d = (group)(bits == frequent[3]);
    a -= is_a, b -= is_b, c -= is_c, d -= is_d;
    flags others = __builtin_convertvector((group)(bits - low <= high - low) & ~(is_a | is_b | is_c | is_d), flags);
    uint16_t mask;
    memcpy(&mask, &others, sizeof mask);
    for (; mask; mask &= mask - 1) keys[found++] = bits[__builtin_ctz(mask)];
  }
  counts->above += __builtin_reduce_add(over);
  counts->highest = __builtin_reduce_max(top);
  counts->frequent[0] += __builtin_reduce_add(a), counts->frequent[1] += __builtin_reduce_add(b);
  counts->frequent[2] += __builtin_reduce_add(c), counts->frequent[3] += __builtin_reduce_add(d);
  return found;
}

#include "bracket.h"

#include <stdbool.h>
#include <string.h>

#include "clones.h"

// Elements looked at together: those of which none is in the bracket, nearly all, cost no more than the look.
enum { GROUP = 16 };
typedef uint32_t group __attribute__((ext_vector_type(16)));
typedef bool flags __attribute__((ext_vector_type(16)));

CLONES size_t ck_bracket(const float *values, size_t n, uint32_t low, uint32_t high, uint32_t start, uint32_t *keys,
                         uint32_t *positions, uint64_t *above, uint32_t *highest) {
  size_t found = 0;
  group over = 0, top = *highest;
  for (size_t i = 0; i < n; i += GROUP) {
    // Past the end there are zeros, which are never in a bracket.
    group bits = 0;
    memcpy(&bits, values + i, n - i < GROUP ? 4 * (n - i) : sizeof bits);
    bits &= 0x7FFFFFFFu;
    top = __builtin_elementwise_max(top, bits);
    over -= (group)(bits > high);
    flags inside = __builtin_convertvector(bits - low <= high - low, flags);
    uint16_t mask;
    memcpy(&mask, &inside, sizeof mask);
    for (; mask; mask &= mask - 1) {
      int j = __builtin_ctz(mask);
      keys[found] = bits[j];
      positions[found++] = start + (uint32_t)i + (uint32_t)j;
    }
  }
  *above += __builtin_reduce_add(over);
  *highest = __builtin_reduce_max(top);
  return found;
}

#include "bracket.h"
#include "clones.h"
#include <string.h>

// Elements looked at together: those of which none is in the bracket, nearly all, cost no more than the look.
enum { GROUP = 8 };

CLONES size_t ck_bracket(const float *values, size_t n, uint32_t low, uint32_t high, uint32_t start, uint32_t *keys,
                         uint32_t *positions, uint64_t *above, uint32_t *highest) {
  size_t found = 0;
  uint64_t over = 0;
  uint32_t top = *highest;
  uint32_t span = high - low;
  size_t i = 0;
  for (; i + GROUP <= n; i += GROUP) {
    uint32_t bits[GROUP], within = 0, beyond = 0;
    memcpy(bits, values + i, sizeof bits);
    for (int j = 0; j < GROUP; j++) {
      bits[j] &= 0x7FFFFFFFu;
      top = bits[j] > top ? bits[j] : top;
      within += bits[j] - low <= span;
      beyond += bits[j] > high;
    }
    over += beyond;
    if (within == 0) continue;
    for (int j = 0; j < GROUP; j++) {
      keys[found] = bits[j];
      positions[found] = start + (uint32_t)(i + (size_t)j);
      found += bits[j] - low <= span;
    }
  }
  for (; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, values + i, sizeof bits);
    bits &= 0x7FFFFFFFu;
    top = bits > top ? bits : top;
    over += bits > high;
    keys[found] = bits;
    positions[found] = start + (uint32_t)i;
    found += bits - low <= span;
  }
  *above += over;
  *highest = top;
  return found;
}

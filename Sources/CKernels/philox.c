#include "philox.h"

#include <string.h>

#include "clones.h"

// Eight counters side by side. Each number stands in the lower half of a lane of 64 bits, which is where the
// multiplication reads and what it leaves in the upper half is the high word; rubbish above a number does no harm.
typedef uint64_t lanes __attribute__((vector_size(64)));
enum { LANES = 8 };

#define ALL(value) ((lanes){0} + (uint64_t)(value))

CLONES void philox_fill(uint32_t *out, uint32_t low, uint32_t high, uint64_t first, size_t count) {
  const lanes lower = ALL(0xFFFFFFFFu);
  for (size_t start = 0; start < count; start += 2 * LANES) {
    lanes a[2], b[2], c[2], d[2];
    for (int v = 0; v < 2; v++) {
      lanes counter = ALL(first + start + (size_t)(LANES * v)) + (lanes){0, 1, 2, 3, 4, 5, 6, 7};
      a[v] = counter, b[v] = counter >> 32, c[v] = ALL(0), d[v] = ALL(0);
    }
    uint32_t k = low, l = high;
    for (int round = 0; round < 10; round++) {
      for (int v = 0; v < 2; v++) {
        lanes x = (a[v] & lower) * ALL(0xD2511F53u), y = (c[v] & lower) * ALL(0xCD9E8D57u);
        a[v] = (y >> 32) ^ b[v] ^ ALL(k);
        b[v] = y;
        c[v] = (x >> 32) ^ d[v] ^ ALL(l);
        d[v] = x;
      }
      k += 0x9E3779B9u;
      l += 0xBB67AE85u;
    }
    uint64_t words[4 * LANES];
    for (int v = 0; v < 2; v++) {
      lanes even = (a[v] & lower) | b[v] << 32, odd = (c[v] & lower) | d[v] << 32;
      lanes one = __builtin_shufflevector(even, odd, 0, 8, 1, 9, 2, 10, 3, 11);
      lanes two = __builtin_shufflevector(even, odd, 4, 12, 5, 13, 6, 14, 7, 15);
      memcpy(words + 2 * LANES * v, &one, sizeof one);
      memcpy(words + 2 * LANES * v + LANES, &two, sizeof two);
    }
    size_t whole = count - start < 2 * LANES ? count - start : 2 * LANES;
    memcpy(out + 4 * start, words, 16 * whole);
  }
}

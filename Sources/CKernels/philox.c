#include "philox.h"

#include "clones.h"

// Sixteen counters side by side, so that each step of a round is one vector operation.
enum { LANES = 16 };

CLONES void philox_fill(uint32_t *out, uint32_t low, uint32_t high, uint64_t first, size_t count) {
  for (size_t start = 0; start < count; start += LANES) {
    uint32_t a[LANES], b[LANES], c[LANES], d[LANES];
    for (size_t i = 0; i < LANES; i++) {
      uint64_t counter = first + start + i;
      a[i] = (uint32_t)counter;
      b[i] = (uint32_t)(counter >> 32);
      c[i] = d[i] = 0;
    }
    uint32_t k = low, l = high;
    for (int round = 0; round < 10; round++) {
      for (size_t i = 0; i < LANES; i++) {
        uint64_t x = (uint64_t)a[i] * 0xD2511F53u, y = (uint64_t)c[i] * 0xCD9E8D57u;
        a[i] = (uint32_t)(y >> 32) ^ b[i] ^ k;
        b[i] = (uint32_t)y;
        c[i] = (uint32_t)(x >> 32) ^ d[i] ^ l;
        d[i] = (uint32_t)x;
      }
      k += 0x9E3779B9u;
      l += 0xBB67AE85u;
    }
    size_t whole = count - start < LANES ? count - start : LANES;
    for (size_t i = 0; i < whole; i++) {
      uint32_t *four = out + 4 * (start + i);
      four[0] = a[i];
      four[1] = b[i];
      four[2] = c[i];
      four[3] = d[i];
    }
  }
}

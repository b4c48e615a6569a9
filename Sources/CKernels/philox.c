#include "philox.h"

#include <string.h>

#include "clones.h"

// Eight counters side by side. Each number stands in the lower half of a lane of 64 bits, which is where the
// multiplication reads and what it leaves in the upper half is the high word; rubbish above a number does no harm.
typedef uint64_t lanes __attribute__((vector_size(64)));
enum { LANES = 8 };

#define ALL(value) ((lanes){0} + (uint64_t)(value))

// The four words of each of eight counters as two numbers of 64 bits.
typedef struct {
  lanes first, second;
} words;

// The words of one or two times eight counters, whose third words are given.
static inline __attribute__((always_inline)) void ten_rounds(words *out, int vectors, const lanes *counters,
                                                             const uint32_t *thirds, uint32_t k, uint32_t l) {
  const lanes lower = ALL(0xFFFFFFFFu);
  lanes a[2], b[2], c[2], d[2];
  for (int v = 0; v < vectors; v++) a[v] = counters[v], b[v] = counters[v] >> 32, c[v] = ALL(thirds[v]), d[v] = ALL(0);
  for (int round = 0; round < 10; round++) {
    for (int v = 0; v < vectors; v++) {
      lanes x = (a[v] & lower) * ALL(0xD2511F53u), y = (c[v] & lower) * ALL(0xCD9E8D57u);
      a[v] = (y >> 32) ^ b[v] ^ ALL(k);
      b[v] = y;
      c[v] = (x >> 32) ^ d[v] ^ ALL(l);
      d[v] = x;
    }
    k += 0x9E3779B9u;
    l += 0xBB67AE85u;
  }
  for (int v = 0; v < vectors; v++) {
    out[v].first = (a[v] & lower) | b[v] << 32;
    out[v].second = (c[v] & lower) | d[v] << 32;
  }
}

#define COUNTERS_FROM(START) (ALL(START) + (lanes){0, 1, 2, 3, 4, 5, 6, 7})

// The words of so many of eight counters, one counter after another.
static inline __attribute__((always_inline)) void store(void *out, const words *in, size_t counters) {
  lanes both[2] = {__builtin_shufflevector(in->first, in->second, 0, 8, 1, 9, 2, 10, 3, 11),
                   __builtin_shufflevector(in->first, in->second, 4, 12, 5, 13, 6, 14, 7, 15)};
  memcpy(out, both, counters < LANES ? 16 * counters : sizeof both);
}

CLONES void philox_fill(uint32_t *out, uint32_t low, uint32_t high, uint64_t first, size_t count) {
  for (size_t start = 0; start < count; start += 2 * LANES) {
    lanes counters[2] = {COUNTERS_FROM(first + start), COUNTERS_FROM(first + start + LANES)};
    words found[2];
    ten_rounds(found, 2, counters, (uint32_t[2]){0, 0}, low, high);
    size_t left = count - start;
    store(out + 4 * start, found, left);
    if (left > LANES) store(out + 4 * (start + LANES), found + 1, left - LANES);
  }
}

CLONES void philox_below(void *out, uint32_t low, uint32_t high, uint64_t first, size_t count, uint32_t limit) {
  for (size_t start = 0; start < count; start += 2 * LANES) {
    lanes counters[2] = {COUNTERS_FROM(first + start), COUNTERS_FROM(first + start + LANES)};
    words highest[2];
    ten_rounds(highest, 2, counters, (uint32_t[2]){0, 0}, low, high);
    for (size_t group = 0; group < 2 && start + LANES * group < count; group++) {
      // Those that equal the limit so far, and those that have turned out to be below it.
      words open = {ALL(-1), ALL(-1)}, below = {ALL(0), ALL(0)}, found[2] = {highest[group], highest[group]};
      lanes both[2] = {counters[group], counters[group]}, any = ALL(1);
      uint32_t rest = limit;
      for (uint32_t place = 0; rest && __builtin_reduce_or(any);) {
        int places = place ? 2 : 1;
        if (place) ten_rounds(found, 2, both, (uint32_t[2]){place, place + 1}, low, high);
        for (int v = 0; v < places; v++, rest <<= 1) {
          lanes wanted = ALL(0) - (rest >> 31);
          below.first |= open.first & ~found[v].first & wanted;
          below.second |= open.second & ~found[v].second & wanted;
          open.first &= ~(found[v].first ^ wanted);
          open.second &= ~(found[v].second ^ wanted);
        }
        any = open.first | open.second;
        place += places;
      }
      store((char *)out + 16 * (start + LANES * group), &below, count - start - LANES * group);
    }
  }
}

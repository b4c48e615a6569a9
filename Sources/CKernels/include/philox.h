// Random words from a key and a counter: Philox4x32-10 of Salmon et al., SC 2011.
#pragma once
#include <stddef.h>
#include <stdint.h>

// The four words of each of `count` counters from `first` on, one counter after another.
void philox_fill(uint32_t *out, uint32_t low, uint32_t high, uint64_t first, size_t count);

// A bit for each of 128 numbers a counter, for `count` counters from `first` on, sixteen bytes each: 1 where a random
// number of 32 bits is below the limit. Its bits, the most significant first, are the same bit of the words of that
// counter with 0, 1, 2 ... as third word, of which no more are drawn than it takes to tell.
void philox_below(void *out, uint32_t low, uint32_t high, uint64_t first, size_t count, uint32_t limit);

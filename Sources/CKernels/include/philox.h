// Random words from a key and a counter: Philox4x32-10 of Salmon et al., SC 2011.
#pragma once
#include <stddef.h>
#include <stdint.h>

// The four words of each of `count` counters from `first` on, one counter after another.
void philox_fill(uint32_t *out, uint32_t low, uint32_t high, uint64_t first, size_t count);

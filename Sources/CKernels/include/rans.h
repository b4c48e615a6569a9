// Entropy coding of small symbols with fractional bits: range asymmetric numeral systems (Duda, arXiv 1311.2540), of
// which 32 or 64 (`lanes`) run side by side and share one stream of words (Giesen, "Interleaved entropy coders", arXiv
// 1402.3392).
//
// Symbol i belongs to state i mod lanes and is coded by the table that its context names. A state is a number of 32
// bits, 2^16 or more between symbols; frequencies of a table add up to S, 4096 for 32 lanes and 2048 for 64. Decoding a
// symbol takes the state x to f floor(x / S) + x mod S - c, where f is the symbol's frequency and c the sum of those
// before it; where that is below 2^16, the next word of 16 bits comes in below. Every path gives the same bytes.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { CK_RANS_LANES_MOST = 64 };

// What the frequencies of a table add up to.
static inline size_t ck_rans_scale(size_t lanes) { return lanes == 64 ? 2048 : 4096; }

// Fills a table for decoding, as many slots as frequencies add up to, from the frequencies of `symbols` symbols: of
// each slot the symbol, its frequency less one in 12 bits, and the slot's place among the symbol's, from the lowest bit on.
// 0 where they do not add up. Tables of several contexts lie one after another.
int ck_rans_slots_make(uint32_t *slots, const uint16_t *frequencies, size_t symbols, size_t lanes);

// Codes n symbols by codes[context * stride + symbol], the symbol's frequency (above 0) and in the upper half the sum
// of those before it; without contexts all are of context 0. Writes the words before `end`, and the states. Returns the
// number of words, or -1 where there is no room for so many. The path is one of those that the processor has.
ptrdiff_t ck_rans_encode(int path, const uint8_t *symbols, const uint8_t *contexts, size_t n, const uint32_t *codes,
                         size_t stride, uint16_t *end, size_t room, uint32_t *states, size_t lanes);

// Decodes n symbols, the next of a sequence of which a multiple of `lanes` came before, from `count` words, of which
// `used` are. 0 where the words run out: what was written is then rubbish. Contexts must name tables. The path is one
// of those that the processor has.
int ck_rans_decode(int path, uint8_t *symbols, const uint8_t *contexts, size_t n, const uint32_t *tables,
                   const void *words, size_t count, size_t *used, uint32_t *states, size_t lanes);

// Whether the states are those after the last symbol.
int ck_rans_is_whole(const uint32_t *states, size_t lanes);

// The paths that this processor has: 1 the plain one alone, 2 AVX2 too, 3 AVX-512 too.
int ck_rans_paths(void);

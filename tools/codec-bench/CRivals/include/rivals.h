// What other programs do to tensors before and instead of zstd, written anew from their descriptions, to measure them.
#pragma once
#include <stddef.h>
#include <stdint.h>

// BitX (arXiv 2505.06252): x XOR base; of 16-bit elements first the bits 14 ... 7, then the sign and the bits 6 ... 0.
// Of 32-bit elements, which it does not take, in the same spirit: the bits 30 ... 23, sign and 22 ... 16, 15 ... 8,
// 7 ... 0. `width` is 2 or 4; planes lie one after another, n bytes each.
void rival_bitx_split(const void *x, const void *base, uint8_t *planes, size_t n, int width);
void rival_bitx_join(const uint8_t *planes, const void *base, void *x, size_t n, int width);

// FM-Delta (NeurIPS 2024): the difference of integers in the order of the floats' values; its sign and octave through a
// range coder (Martin 1979, carryless) with a quasi-static model (Schindler: 16 bits, new frequencies after at most
// 1024 symbols), then the bits below the octave as they are. `width` is 2 or 4. Bytes written, or 0 where they do not
// fit `room`.
size_t rival_fmdelta_encode(const void *x, const void *base, size_t n, int width, uint8_t *out, size_t room);
// Whether `n` elements could be read.
int rival_fmdelta_decode(const uint8_t *coded, size_t count, const void *base, void *x, size_t n, int width);

// Changes of numbers against a base as small tokens, raw bits and a context for each: the arithmetic of the change
// codec (Codecs.docc/BlockCodecs.md). Elements are of 1, 2 or 4 bytes; `mantissa` is the number of a float's mantissa
// bits, 0 for integers. Buffers lie at any address and do not overlap.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum {
  CK_CHANGE_GROUP = 128,
  CK_CHANGE_CONTEXTS = 41,
  CK_CHANGE_TOKENS = 128,
  // No change.
  CK_CHANGE_NONE = 32,
  // Tokens from here on have more bits in the stream of escapes.
  CK_CHANGE_ESCAPE = 64,
};
// The scale of a group in which nothing changed.
#define CK_CHANGE_EQUAL INT16_MIN
// Scales from half of this on are this and the mean change in representable values, in half octaves.
#define CK_CHANGE_RELATIVE 0x4000

// About the mean change of each group of 128 elements, in half octaves of the smallest unit in the last place.
void ck_change_scales(const void *x, const void *base, size_t n, int width, int mantissa, int16_t *scales);

// Context and number of raw bits of each element, which its base and its group's scale decide.
void ck_change_contexts(const void *base, const int16_t *scales, size_t n, int width, int mantissa, uint8_t *contexts,
                        uint8_t *bits);

// Tokens and raw bits (as wide as an element). Escapes are marked CK_CHANGE_ESCAPE.
void ck_change_split(const void *x, const void *base, const int16_t *scales, const uint8_t *contexts,
                     const uint8_t *bits, size_t n, int width, int mantissa, uint8_t *tokens, void *raw);
void ck_change_join(const void *base, const int16_t *scales, const uint8_t *contexts, const uint8_t *bits,
                    const uint8_t *tokens, const void *raw, size_t n, int width, int mantissa, void *out);
// The bits of escapes, from bit `at` of a stream on; put gives the tokens their final form. Return the bit after the
// last: SIZE_MAX where a stream of `most` or `end` bits is too short or a token is none. Eight bytes after the stream
// must be writable or readable.
size_t ck_change_escape_put(const void *x, const void *base, const uint8_t *contexts, const uint8_t *bits, size_t n,
                            int width, int mantissa, uint8_t *tokens, uint8_t *stream, size_t at, size_t most);
size_t ck_change_escape_take(const void *base, const uint8_t *contexts, const uint8_t *bits, const uint8_t *tokens,
                             const void *raw, size_t n, int width, int mantissa, const uint8_t *stream, size_t at,
                             size_t end, void *out);

// Adds to counts[context * CK_CHANGE_TOKENS + token].
void ck_change_count(const uint8_t *contexts, const uint8_t *tokens, size_t n, uint32_t *counts);

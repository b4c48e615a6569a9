// Bits that are stored as they are, as many for each of a sequence of numbers as is known of it beforehand.
//
// Of 32 numbers after another first the lowest bit of those that have one, then the next of those that have two, and so
// on, each in the lowest free bit of the stream. Every path gives the same bytes.
#pragma once
#include <stddef.h>
#include <stdint.h>

// Appends to the stream from bit `at` on; of its last byte the bits from `at` on are overwritten, and so are the eight
// bytes after the new end. `raw` holds numbers of 2 or 4 bytes (`width`), bits[i] counts are below their size, and
// nothing lies above them. Returns the new end.
size_t ck_raw_put(int path, const uint8_t *bits, const void *raw, size_t n, int width, uint8_t *stream, size_t at);

// Reads them again. Eight bytes after those of the bits taken must be readable. Returns the bit after the last.
size_t ck_raw_take(int path, const uint8_t *bits, size_t n, int width, const uint8_t *stream, size_t at, void *raw);

// The sum of all counts.
size_t ck_raw_sum(const uint8_t *bits, size_t n);

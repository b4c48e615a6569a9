// Elements of 1, 2, 4 and 8 bytes that became zero, such as weights that were pruned away, and those that did not.
//
// Element i is zeroed where it is not the base's and is zero: all its bits, or with `is_signed` all but the uppermost,
// which is the base's (what a product of the base with 0 leaves). Its bit in a mask is bit i mod 8 of byte i / 8.
#pragma once
#include <stddef.h>
#include <stdint.h>

// How many elements are zeroed, for is_signed 0 and 1.
void ck_pruned_count(const void *x, const void *base, size_t n, int width, size_t counts[2]);

// Fills the mask, (n + 7) / 8 bytes, and `rest` with the elements, those of the base where they are zeroed.
void ck_pruned_split(const void *x, const void *base, size_t n, int width, int is_signed, uint8_t *mask, void *rest);

// Zeroes the elements of x that the mask tells.
void ck_pruned_join(const uint8_t *mask, const void *base, size_t n, int width, int is_signed, void *x);

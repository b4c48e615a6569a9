// Looks for NaN and infinity among stored numbers: they alone have an exponent of ones, so the largest magnitude tells.
#pragma once
#include <stddef.h>
#include <stdint.h>

// The largest of n words without their sign bits; 0 for none. `in` may lie at any address.
uint16_t ck_highest16(const void *in, size_t n);
uint32_t ck_highest32(const void *in, size_t n);
uint64_t ck_highest64(const void *in, size_t n);

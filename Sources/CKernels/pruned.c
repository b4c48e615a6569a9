#include "pruned.h"
#include "clones.h"

#define KERNELS(B)                                                                                                   \
  CLONES static void count_##B(const uint##B##_t *restrict x, const uint##B##_t *restrict b, size_t n,               \
                               size_t counts[2]) {                                                                   \
    const uint##B##_t sign = (uint##B##_t)((uint##B##_t)1 << (B - 1));                                               \
    size_t zeros = 0, products = 0;                                                                                  \
    for (size_t i = 0; i < n; i++) {                                                                                 \
      zeros += x[i] == 0 && b[i] != 0;                                                                               \
      products += x[i] == (b[i] & sign) && x[i] != b[i];                                                             \
    }                                                                                                                \
    counts[0] = zeros, counts[1] = products;                                                                         \
  }                                                                                                                  \
  CLONES static void split_##B(const uint##B##_t *restrict x, const uint##B##_t *restrict b, size_t n,               \
                               uint##B##_t kept, uint8_t *restrict mask, uint##B##_t *restrict rest) {               \
    for (size_t i = 0; i < n; i++) rest[i] = x[i] == (b[i] & kept) ? b[i] : x[i];                                    \
    for (size_t at = 0; at < n; at += 8) {                                                                           \
      unsigned byte = 0;                                                                                             \
      for (size_t k = 0; k < 8 && at + k < n; k++) byte |= (unsigned)(x[at + k] != rest[at + k]) << k;               \
      mask[at / 8] = (uint8_t)byte;                                                                                  \
    }                                                                                                                \
  }                                                                                                                  \
  CLONES static void join_##B(const uint8_t *restrict mask, const uint##B##_t *restrict b, size_t n,                 \
                              uint##B##_t kept, uint##B##_t *restrict x) {                                           \
    for (size_t i = 0; i < n; i++) x[i] = mask[i / 8] >> (i % 8) & 1 ? (uint##B##_t)(b[i] & kept) : x[i];            \
  }
KERNELS(8)
KERNELS(16)
KERNELS(32)
KERNELS(64)

#define KEPT(B) (uint##B##_t)(is_signed ? (uint##B##_t)1 << (B - 1) : 0)

void ck_pruned_count(const void *x, const void *base, size_t n, int width, size_t counts[2]) {
  switch (width) {
  case 1: count_8(x, base, n, counts); break;
  case 2: count_16(x, base, n, counts); break;
  case 4: count_32(x, base, n, counts); break;
  case 8: count_64(x, base, n, counts); break;
  }
}

void ck_pruned_split(const void *x, const void *base, size_t n, int width, int is_signed, uint8_t *mask, void *rest) {
  switch (width) {
  case 1: split_8(x, base, n, KEPT(8), mask, rest); break;
  case 2: split_16(x, base, n, KEPT(16), mask, rest); break;
  case 4: split_32(x, base, n, KEPT(32), mask, rest); break;
  case 8: split_64(x, base, n, KEPT(64), mask, rest); break;
  }
}

void ck_pruned_join(const uint8_t *mask, const void *base, size_t n, int width, int is_signed, void *x) {
  switch (width) {
  case 1: join_8(mask, base, n, KEPT(8), x); break;
  case 2: join_16(mask, base, n, KEPT(16), x); break;
  case 4: join_32(mask, base, n, KEPT(32), x); break;
  case 8: join_64(mask, base, n, KEPT(64), x); break;
  }
}

#include "clones.h"
#include "rivals.h"

CLONES static void split16(const uint16_t *restrict x, const uint16_t *restrict b, uint8_t *restrict p, size_t n) {
  for (size_t i = 0; i < n; i++) {
    uint16_t z = x[i] ^ b[i];
    p[i] = (uint8_t)(z >> 7);
    p[n + i] = (uint8_t)((z >> 8 & 0x80) | (z & 0x7F));
  }
}

CLONES static void join16(const uint8_t *restrict p, const uint16_t *restrict b, uint16_t *restrict x, size_t n) {
  const uint8_t *restrict q = p + n;
  for (size_t i = 0; i < n; i++) x[i] = b[i] ^ (uint16_t)((q[i] & 0x80) << 8 | p[i] << 7 | (q[i] & 0x7F));
}

CLONES static void split32(const uint32_t *restrict x, const uint32_t *restrict b, uint8_t *restrict p, size_t n) {
  for (size_t i = 0; i < n; i++) {
    uint32_t z = x[i] ^ b[i];
    p[i] = (uint8_t)(z >> 23);
    p[n + i] = (uint8_t)((z >> 24 & 0x80) | (z >> 16 & 0x7F));
    p[2 * n + i] = (uint8_t)(z >> 8);
    p[3 * n + i] = (uint8_t)z;
  }
}

CLONES static void join32(const uint8_t *restrict p, const uint32_t *restrict b, uint32_t *restrict x, size_t n) {
  const uint8_t *restrict q = p + n, *restrict r = q + n, *restrict s = r + n;
  for (size_t i = 0; i < n; i++)
    x[i] = b[i] ^ ((uint32_t)(q[i] & 0x80) << 24 | (uint32_t)p[i] << 23 | (uint32_t)(q[i] & 0x7F) << 16 |
                   (uint32_t)r[i] << 8 | s[i]);
}

void rival_bitx_split(const void *x, const void *base, uint8_t *planes, size_t n, int width) {
  if (width == 2) split16(x, base, planes, n);
  else split32(x, base, planes, n);
}

void rival_bitx_join(const uint8_t *planes, const void *base, void *x, size_t n, int width) {
  if (width == 2) join16(planes, base, x, n);
  else join32(planes, base, x, n);
}

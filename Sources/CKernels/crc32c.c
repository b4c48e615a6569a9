#include "crc32c.h"
#include <string.h>

static uint32_t table[8][256];

__attribute__((constructor)) static void fill_table(void) {
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t c = i;
    for (int k = 0; k < 8; k++) c = (c & 1) ? (c >> 1) ^ 0x82F63B78u : c >> 1;
    table[0][i] = c;
  }
  for (uint32_t i = 0; i < 256; i++)
    for (int t = 1; t < 8; t++) table[t][i] = (table[t - 1][i] >> 8) ^ table[0][table[t - 1][i] & 255];
}

uint32_t ck_crc32c_portable(uint32_t crc, const void *bytes, size_t n) {
  const uint8_t *p = bytes;
  uint32_t c = ~crc;
  for (; n >= 8; n -= 8, p += 8) {
    uint32_t a = c ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
    c = table[7][a & 255] ^ table[6][a >> 8 & 255] ^ table[5][a >> 16 & 255] ^ table[4][a >> 24] ^ table[3][p[4]] ^
        table[2][p[5]] ^ table[1][p[6]] ^ table[0][p[7]];
  }
  for (; n > 0; n--, p++) c = (c >> 8) ^ table[0][(c ^ *p) & 255];
  return ~c;
}

#if defined(__x86_64__)
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t hardware(uint32_t crc, const uint8_t *p, size_t n) {
  uint64_t c = ~crc;
  for (; n >= 8; n -= 8, p += 8) {
    uint64_t word;
    memcpy(&word, p, 8);
    c = _mm_crc32_u64(c, word);
  }
  for (; n > 0; n--, p++) c = _mm_crc32_u8((uint32_t)c, *p);
  return ~(uint32_t)c;
}

// Polynomials modulo the CRC's, lowest power in the highest bit.
static uint32_t times(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (; a; a <<= 1, b = (b & 1) ? (b >> 1) ^ 0x82F63B78u : b >> 1)
    if (a >> 31) product ^= b;
  return product;
}

// x to the power 8n: what n more bytes do to a CRC.
static uint32_t shift(size_t n) {
  uint32_t power = 1u << 31, square = 1u << 23;
  for (; n; n >>= 1, square = times(square, square))
    if (n & 1) power = times(power, square);
  return power;
}

// An instruction takes one cycle to start and three to end, so long stretches go in three parts side by side.
__attribute__((target("sse4.2"))) static uint32_t three(uint32_t crc, const uint8_t *p, size_t n) {
  size_t part = n / 24;
  uint64_t a = ~crc, b = 0, c = 0, x, y, z;
  for (size_t i = 0; i < part; i++) {
    memcpy(&x, p + 8 * i, 8), memcpy(&y, p + 8 * (part + i), 8), memcpy(&z, p + 8 * (2 * part + i), 8);
    a = _mm_crc32_u64(a, x), b = _mm_crc32_u64(b, y), c = _mm_crc32_u64(c, z);
  }
  uint32_t by = shift(8 * part);
  uint32_t joined = times(by, times(by, (uint32_t)a) ^ (uint32_t)b) ^ (uint32_t)c;
  return hardware(~joined, p + 24 * part, n - 24 * part);
}

uint32_t ck_crc32c(uint32_t crc, const void *bytes, size_t n) {
  if (!__builtin_cpu_supports("sse4.2")) return ck_crc32c_portable(crc, bytes, n);
  return n < 4096 ? hardware(crc, bytes, n) : three(crc, bytes, n);
}
#else
uint32_t ck_crc32c(uint32_t crc, const void *bytes, size_t n) { return ck_crc32c_portable(crc, bytes, n); }
#endif

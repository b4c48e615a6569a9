#include "sha256.h"
#include <string.h>

ck_sha256 ck_sha256_begin(void) {
  return (ck_sha256){.state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab,
                               0x5be0cd19}};
}

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

static const uint32_t K[64] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

#define SHA __attribute__((target("sha,sse4.1,ssse3")))

static int available;

__attribute__((constructor)) static void ask(void) {
  unsigned a, b, c, d;
  available = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1) && __builtin_cpu_supports("sse4.1") &&
              __builtin_cpu_supports("ssse3");
}

int ck_sha256_available(void) { return available; }

// One chain: the state in the order that the instructions want, and four words of the schedule at a time.
typedef struct {
  __m128i abef, cdgh, w[4];
} chain;

SHA static inline chain load(const ck_sha256 *hash) {
  __m128i low = _mm_loadu_si128((const __m128i *)hash->state), high = _mm_loadu_si128((const __m128i *)hash->state + 1);
  low = _mm_shuffle_epi32(low, 0xB1), high = _mm_shuffle_epi32(high, 0x1B);
  return (chain){.abef = _mm_alignr_epi8(low, high, 8), .cdgh = _mm_blend_epi16(high, low, 0xF0)};
}

SHA static inline void store(ck_sha256 *hash, const chain *c) {
  __m128i low = _mm_shuffle_epi32(c->abef, 0x1B), high = _mm_shuffle_epi32(c->cdgh, 0xB1);
  _mm_storeu_si128((__m128i *)hash->state, _mm_blend_epi16(low, high, 0xF0));
  _mm_storeu_si128((__m128i *)hash->state + 1, _mm_alignr_epi8(high, low, 8));
}

// Four rounds, number i of 16. The calls below give i as a constant, so the conditions cost nothing.
SHA static inline __attribute__((always_inline)) void four_rounds(chain *c, const uint8_t *block, int i) {
  const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  __m128i *w = c->w;
  if (i < 4) w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)block + i), swap);
  __m128i k = _mm_add_epi32(w[i & 3], _mm_load_si128((const __m128i *)K + i));
  c->cdgh = _mm_sha256rnds2_epu32(c->cdgh, c->abef, k);
  if (i >= 3 && i < 15) {
    __m128i next = _mm_add_epi32(w[(i + 1) & 3], _mm_alignr_epi8(w[i & 3], w[(i + 3) & 3], 4));
    w[(i + 1) & 3] = _mm_sha256msg2_epu32(next, w[i & 3]);
  }
  c->abef = _mm_sha256rnds2_epu32(c->abef, c->cdgh, _mm_shuffle_epi32(k, 0x0E));
  if (i >= 1 && i < 13) w[(i + 3) & 3] = _mm_sha256msg1_epu32(w[(i + 3) & 3], w[i & 3]);
}

#define ALL_ROUNDS(STEP)                                                                                             \
  STEP(0) STEP(1) STEP(2) STEP(3) STEP(4) STEP(5) STEP(6) STEP(7)                                                    \
  STEP(8) STEP(9) STEP(10) STEP(11) STEP(12) STEP(13) STEP(14) STEP(15)

SHA static void compress(ck_sha256 *hash, const uint8_t *p, size_t blocks) {
  chain c = load(hash);
  for (; blocks > 0; blocks--, p += 64) {
    __m128i abef = c.abef, cdgh = c.cdgh;
#define ONE(i) four_rounds(&c, p, i);
    ALL_ROUNDS(ONE)
    c.abef = _mm_add_epi32(c.abef, abef), c.cdgh = _mm_add_epi32(c.cdgh, cdgh);
  }
  store(hash, &c);
}

SHA static void compress_two(ck_sha256 *a, const uint8_t *p, ck_sha256 *b, const uint8_t *q, size_t blocks) {
  chain c = load(a), d = load(b);
  for (; blocks > 0; blocks--, p += 64, q += 64) {
    __m128i c0 = c.abef, c1 = c.cdgh, d0 = d.abef, d1 = d.cdgh;
#define TWO(i) four_rounds(&c, p, i), four_rounds(&d, q, i);
    ALL_ROUNDS(TWO)
    c.abef = _mm_add_epi32(c.abef, c0), c.cdgh = _mm_add_epi32(c.cdgh, c1);
    d.abef = _mm_add_epi32(d.abef, d0), d.cdgh = _mm_add_epi32(d.cdgh, d1);
  }
  store(a, &c), store(b, &d);
}
#else
int ck_sha256_available(void) { return 0; }
static void compress(ck_sha256 *hash, const uint8_t *p, size_t blocks) {}
static void compress_two(ck_sha256 *a, const uint8_t *p, ck_sha256 *b, const uint8_t *q, size_t blocks) {}
#endif

void ck_sha256_update(ck_sha256 *hash, const void *bytes, size_t n) {
  const uint8_t *p = bytes;
  size_t held = hash->count % 64;
  hash->count += n;
  if (held > 0) {
    size_t take = n < 64 - held ? n : 64 - held;
    memcpy(hash->tail + held, p, take);
    if (held + take < 64) return;
    compress(hash, hash->tail, 1);
    p += take, n -= take;
  }
  compress(hash, p, n / 64);
  memcpy(hash->tail, p + n / 64 * 64, n % 64);
}

void ck_sha256_update_two(ck_sha256 *a, const void *a_bytes, ck_sha256 *b, const void *b_bytes, size_t n) {
  const uint8_t *p = a_bytes, *q = b_bytes;
  // What completes the block that each has begun; from there on whole blocks of both.
  size_t pa = (64 - a->count % 64) % 64, qb = (64 - b->count % 64) % 64, most = pa > qb ? pa : qb;
  size_t blocks = n > most ? (n - most) / 64 : 0;
  if (blocks == 0) pa = qb = n;
  ck_sha256_update(a, p, pa), ck_sha256_update(b, q, qb);
  if (blocks == 0) return;
  compress_two(a, p + pa, b, q + qb, blocks);
  a->count += blocks * 64, b->count += blocks * 64;
  ck_sha256_update(a, p + pa + blocks * 64, n - pa - blocks * 64);
  ck_sha256_update(b, q + qb + blocks * 64, n - qb - blocks * 64);
}

void ck_sha256_finish(const ck_sha256 *hash, uint8_t out[32]) {
  ck_sha256 last = *hash;
  uint8_t padding[72] = {0x80};
  size_t zeros = (119 - hash->count % 64) % 64;
  for (int i = 0; i < 8; i++) padding[1 + zeros + i] = (uint8_t)(hash->count * 8 >> (56 - 8 * i));
  ck_sha256_update(&last, padding, 9 + zeros);
  for (int i = 0; i < 32; i++) out[i] = (uint8_t)(last.state[i / 4] >> (24 - 8 * (i % 4)));
}

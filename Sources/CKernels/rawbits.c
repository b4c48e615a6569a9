#include "rawbits.h"
#include "bitstream.h"
#include "clones.h"

static inline uint32_t mask_of(const uint8_t *bits, size_t count) {
  uint32_t mask = 0;
  for (size_t i = 0; i < count; i++) mask |= (uint32_t)(bits[i] > 0) << i;
  return mask;
}

#define PLAIN(T)                                                                                                     \
  static size_t put_##T(const uint8_t *bits, const T *raw, size_t n, uint8_t *stream, size_t at) {                   \
    for (size_t i = 0; i < n; i += 32) {                                                                             \
      uint32_t mask = mask_of(bits + i, n - i < 32 ? n - i : 32);                                                    \
      for (int plane = 0; mask; plane++) {                                                                           \
        uint64_t word = 0;                                                                                           \
        uint32_t next = 0;                                                                                           \
        int count = 0;                                                                                               \
        for (uint32_t left = mask; left; left &= left - 1) {                                                         \
          int place = __builtin_ctz(left);                                                                           \
          word |= (uint64_t)(raw[i + place] >> plane & 1) << count++;                                                \
          next |= (uint32_t)(bits[i + place] > plane + 1) << place;                                                  \
        }                                                                                                            \
        bits_store(stream, at, word);                                                                                \
        at += (size_t)count;                                                                                         \
        mask = next;                                                                                                 \
      }                                                                                                              \
    }                                                                                                                \
    return at;                                                                                                       \
  }                                                                                                                  \
  static size_t take_##T(const uint8_t *bits, size_t n, const uint8_t *stream, size_t at, T *raw) {                  \
    for (size_t i = 0; i < n; i += 32) {                                                                             \
      size_t count = n - i < 32 ? n - i : 32;                                                                        \
      uint32_t mask = mask_of(bits + i, count);                                                                      \
      for (size_t place = 0; place < count; place++) raw[i + place] = 0;                                             \
      for (int plane = 0; mask; plane++) {                                                                           \
        uint64_t word = bits_load(stream, at);                                                                       \
        uint32_t next = 0;                                                                                           \
        for (uint32_t left = mask; left; left &= left - 1, word >>= 1, at++) {                                       \
          int place = __builtin_ctz(left);                                                                           \
          raw[i + place] |= (T)((T)(word & 1) << plane);                                                             \
          next |= (uint32_t)(bits[i + place] > plane + 1) << place;                                                  \
        }                                                                                                            \
        mask = next;                                                                                                 \
      }                                                                                                              \
    }                                                                                                                \
    return at;                                                                                                       \
  }
PLAIN(uint16_t)
PLAIN(uint32_t)

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,bmi2,popcnt")))
#define AVX2 __attribute__((target("avx2,bmi2,popcnt")))

// Whole groups of 32 numbers. Says in *done how many those are.
#define FAST(NAME, TARGET, T, VECTOR, ABOVE, ZERO, PUT, TAKE, STORE)                                                 \
  TARGET static size_t put_##NAME(const uint8_t *bits, const T *raw, size_t n, uint8_t *stream, size_t at,           \
                                  size_t *done) {                                                                    \
    size_t i = 0;                                                                                                    \
    for (; i + 32 <= n; i += 32) {                                                                                   \
      __m256i counts = _mm256_loadu_si256((const __m256i *)(bits + i));                                              \
      uint32_t mask = ABOVE(counts, 0);                                                                              \
      for (int plane = 0; mask; mask = ABOVE(counts, ++plane)) {                                                     \
        bits_store(stream, at, _pext_u32(PUT(raw + i, plane), mask));                                                \
        at += (size_t)__builtin_popcount(mask);                                                                      \
      }                                                                                                              \
    }                                                                                                                \
    *done = i;                                                                                                       \
    return at;                                                                                                       \
  }                                                                                                                  \
  TARGET static size_t take_##NAME(const uint8_t *bits, size_t n, const uint8_t *stream, size_t at, T *raw,          \
                                   size_t *done) {                                                                   \
    size_t i = 0;                                                                                                    \
    for (; i + 32 <= n; i += 32) {                                                                                   \
      __m256i counts = _mm256_loadu_si256((const __m256i *)(bits + i));                                              \
      uint32_t mask = ABOVE(counts, 0);                                                                              \
      VECTOR number = ZERO;                                                                                          \
      for (int plane = 0; mask; mask = ABOVE(counts, ++plane)) {                                                     \
        number = TAKE(number, _pdep_u32((uint32_t)bits_load(stream, at), mask), plane);                              \
        at += (size_t)__builtin_popcount(mask);                                                                      \
      }                                                                                                              \
      STORE(raw + i, number);                                                                                        \
    }                                                                                                                \
    *done = i;                                                                                                       \
    return at;                                                                                                       \
  }

#define INLINE static inline __attribute__((always_inline))
typedef struct { __m512i at[2]; } two512;
typedef struct { __m256i at[2]; } two256;
typedef struct { __m256i at[4]; } four256;

AVX512 INLINE uint32_t above_512(__m256i counts, int plane) {
  return _mm256_cmpgt_epu8_mask(counts, _mm256_set1_epi8((char)plane));
}
AVX512 INLINE uint32_t plane16_512(const uint16_t *raw, int plane) {
  return _mm512_test_epi16_mask(_mm512_loadu_si512(raw), _mm512_set1_epi16((short)(1 << plane)));
}
AVX512 INLINE __m512i with16_512(__m512i number, uint32_t bits, int plane) {
  return _mm512_mask_add_epi16(number, bits, number, _mm512_set1_epi16((short)(1 << plane)));
}
AVX512 INLINE void store16_512(uint16_t *raw, __m512i number) { _mm512_storeu_si512(raw, number); }
AVX512 INLINE uint32_t plane32_512(const uint32_t *raw, int plane) {
  __m512i bit = _mm512_set1_epi32(1 << plane);
  return (uint32_t)_mm512_test_epi32_mask(_mm512_loadu_si512(raw), bit) |
         (uint32_t)_mm512_test_epi32_mask(_mm512_loadu_si512(raw + 16), bit) << 16;
}
AVX512 INLINE two512 with32_512(two512 number, uint32_t bits, int plane) {
  __m512i bit = _mm512_set1_epi32(1 << plane);
  number.at[0] = _mm512_mask_add_epi32(number.at[0], (__mmask16)bits, number.at[0], bit);
  number.at[1] = _mm512_mask_add_epi32(number.at[1], (__mmask16)(bits >> 16), number.at[1], bit);
  return number;
}
AVX512 INLINE void store32_512(uint32_t *raw, two512 number) {
  _mm512_storeu_si512(raw, number.at[0]);
  _mm512_storeu_si512(raw + 16, number.at[1]);
}
#define ZERO_TWO512 {{_mm512_setzero_si512(), _mm512_setzero_si512()}}
FAST(16_avx512, AVX512, uint16_t, __m512i, above_512, _mm512_setzero_si512(), plane16_512, with16_512, store16_512)
FAST(32_avx512, AVX512, uint32_t, two512, above_512, ZERO_TWO512, plane32_512, with32_512, store32_512)

AVX2 INLINE uint32_t above_256(__m256i counts, int plane) {
  // Counts are below 128.
  return (uint32_t)_mm256_movemask_epi8(_mm256_cmpgt_epi8(counts, _mm256_set1_epi8((char)plane)));
}
AVX2 INLINE uint32_t plane16_256(const uint16_t *raw, int plane) {
  __m128i left = _mm_cvtsi32_si128(15 - plane);
  __m256i low = _mm256_srai_epi16(_mm256_sll_epi16(_mm256_loadu_si256((const __m256i *)raw), left), 15);
  __m256i high = _mm256_srai_epi16(_mm256_sll_epi16(_mm256_loadu_si256((const __m256i *)(raw + 16)), left), 15);
  return (uint32_t)_mm256_movemask_epi8(_mm256_permute4x64_epi64(_mm256_packs_epi16(low, high), 0xD8));
}
AVX2 INLINE two256 with16_256(two256 number, uint32_t bits, int plane) {
  const __m256i lane = _mm256_setr_epi16(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, -32768);
  __m256i bit = _mm256_set1_epi16((short)(1 << plane));
  for (int v = 0; v < 2; v++) {
    __m256i there = _mm256_and_si256(_mm256_set1_epi16((short)(bits >> 16 * v)), lane);
    number.at[v] = _mm256_or_si256(number.at[v], _mm256_and_si256(_mm256_cmpeq_epi16(there, lane), bit));
  }
  return number;
}
AVX2 INLINE void store16_256(uint16_t *raw, two256 number) {
  for (int v = 0; v < 2; v++) _mm256_storeu_si256((__m256i *)(raw + 16 * v), number.at[v]);
}
AVX2 INLINE uint32_t plane32_256(const uint32_t *raw, int plane) {
  __m128i left = _mm_cvtsi32_si128(31 - plane);
  uint32_t bits = 0;
  for (int v = 0; v < 4; v++) {
    __m256i top = _mm256_sll_epi32(_mm256_loadu_si256((const __m256i *)(raw + 8 * v)), left);
    bits |= (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(top)) << 8 * v;
  }
  return bits;
}
AVX2 INLINE four256 with32_256(four256 number, uint32_t bits, int plane) {
  const __m256i lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  __m256i bit = _mm256_set1_epi32(1 << plane);
  for (int v = 0; v < 4; v++) {
    __m256i there = _mm256_and_si256(_mm256_set1_epi32((int)(bits >> 8 * v)), lane);
    number.at[v] = _mm256_or_si256(number.at[v], _mm256_and_si256(_mm256_cmpeq_epi32(there, lane), bit));
  }
  return number;
}
AVX2 INLINE void store32_256(uint32_t *raw, four256 number) {
  for (int v = 0; v < 4; v++) _mm256_storeu_si256((__m256i *)(raw + 8 * v), number.at[v]);
}
#define ZERO_TWO256 {{_mm256_setzero_si256(), _mm256_setzero_si256()}}
#define ZERO_FOUR256                                                                                                 \
  {{_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256()}}
FAST(16_avx2, AVX2, uint16_t, two256, above_256, ZERO_TWO256, plane16_256, with16_256, store16_256)
FAST(32_avx2, AVX2, uint32_t, four256, above_256, ZERO_FOUR256, plane32_256, with32_256, store32_256)
#endif

size_t ck_raw_put(int path, const uint8_t *bits, const void *raw, size_t n, int width, uint8_t *stream, size_t at) {
  size_t done = 0;
#if defined(__x86_64__)
  if (path == 3) at = (width == 2 ? put_16_avx512(bits, raw, n, stream, at, &done)
                                  : put_32_avx512(bits, raw, n, stream, at, &done));
  if (path == 2) at = (width == 2 ? put_16_avx2(bits, raw, n, stream, at, &done)
                                  : put_32_avx2(bits, raw, n, stream, at, &done));
#endif
  return width == 2 ? put_uint16_t(bits + done, (const uint16_t *)raw + done, n - done, stream, at)
                    : put_uint32_t(bits + done, (const uint32_t *)raw + done, n - done, stream, at);
}

size_t ck_raw_take(int path, const uint8_t *bits, size_t n, int width, const uint8_t *stream, size_t at, void *raw) {
  size_t done = 0;
#if defined(__x86_64__)
  if (path == 3) at = (width == 2 ? take_16_avx512(bits, n, stream, at, raw, &done)
                                  : take_32_avx512(bits, n, stream, at, raw, &done));
  if (path == 2) at = (width == 2 ? take_16_avx2(bits, n, stream, at, raw, &done)
                                  : take_32_avx2(bits, n, stream, at, raw, &done));
#endif
  return width == 2 ? take_uint16_t(bits + done, n - done, stream, at, (uint16_t *)raw + done)
                    : take_uint32_t(bits + done, n - done, stream, at, (uint32_t *)raw + done);
}

CLONES size_t ck_raw_sum(const uint8_t *bits, size_t n) {
  size_t sum = 0;
  for (size_t i = 0; i < n; i++) sum += bits[i];
  return sum;
}

#include "rans.h"
#include "clones.h"

#include <string.h>

static const uint32_t LEAST = 1u << 16;

static inline int scale_bits(size_t lanes) { return lanes == 64 ? 11 : 12; }

typedef uint16_t __attribute__((aligned(1), may_alias)) word;

CLONES int ck_rans_slots_make(uint32_t *slots, const uint16_t *frequencies, size_t symbols, size_t lanes) {
  enum { AT_ONCE = 16 };
  uint32_t slot = 0, scale = 1u << scale_bits(lanes);
  for (size_t symbol = 0; symbol < symbols; symbol++) {
    uint32_t frequency = frequencies[symbol], all = (uint32_t)symbol | (frequency - 1) << 8, place = 0;
    if (frequency > scale - slot) return 0;
    // What is too much is the next symbol's, which comes later.
    for (; place < frequency && slot + place + AT_ONCE <= scale; place += AT_ONCE)
      for (uint32_t lane = 0; lane < AT_ONCE; lane++) slots[slot + place + lane] = all | (place + lane) << 20;
    for (; place < frequency; place++) slots[slot + place] = all | place << 20;
    slot += frequency;
  }
  return slot == scale;
}

// 2^44 and 2^43 / frequency, rounded up: times x, of that the upper part is x / frequency, for every x that there is.
static uint64_t reciprocals[2][4097];

__attribute__((constructor)) static void make_reciprocals(void) {
  for (uint64_t f = 1; f <= 4096; f++)
    for (int k = 0; k < 2; k++) reciprocals[k][f] = (((uint64_t)1 << (44 - k)) + f - 1) / f;
}

// The last symbols down to number `first`. Puts words before `to`, at most down to `least`; null where they run out.
static word *encode(const uint8_t *symbols, const uint8_t *contexts, size_t first, size_t n, const uint32_t *codes,
                    size_t stride, word *to, const word *least, uint32_t *states, size_t lanes) {
  const int scale = scale_bits(lanes);
  const uint64_t *reciprocal = reciprocals[12 - scale];
  for (size_t i = n; i-- > first;) {
    uint32_t code = codes[(contexts ? contexts[i] * stride : 0) + symbols[i]];
    uint32_t frequency = code & 0xFFFF, x = states[i & (lanes - 1)];
    // No branch: whether a word goes out is as good as random.
    uint32_t goes = x >= (uint64_t)frequency << (32 - scale);
    if (to > least)
      to[-1] = (uint16_t)x;
    else if (goes)
      return NULL;
    to -= goes;
    x >>= 16 * goes;
    uint32_t times = (uint32_t)(x * reciprocal[frequency] >> (32 + scale));
    states[i & (lanes - 1)] = (times << scale) + (x - times * frequency) + (code >> 16);
  }
  return to;
}

// One symbol after another from `i` on; says how many words are used then, SIZE_MAX where they run out.
static size_t decode(uint8_t *symbols, const uint8_t *contexts, size_t i, size_t n, const uint32_t *tables,
                     const word *words, size_t used, size_t count, uint32_t *states, size_t lanes) {
  const int scale = scale_bits(lanes);
  for (; i < n; i++) {
    uint32_t x = states[i & (lanes - 1)];
    uint32_t slot = tables[(size_t)(contexts ? contexts[i] : 0) << scale | (x & ((1u << scale) - 1))];
    symbols[i] = (uint8_t)slot;
    x = ((slot >> 8 & 0xFFF) + 1) * (x >> scale) + (slot >> 20);
    if (x < LEAST) {
      if (used == count) return SIZE_MAX;
      x = x << 16 | words[used++];
    }
    states[i & (lanes - 1)] = x;
  }
  return used;
}

#if defined(__x86_64__)
#include <immintrin.h>

// Whole rounds of all lanes while a round's words are sure to be there. Return the symbols done.
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,popcnt")))
#define AVX2 __attribute__((target("avx2,bmi2,popcnt")))
#define INLINE static inline __attribute__((always_inline))

AVX512 INLINE size_t decode_avx512(uint8_t *symbols, const uint8_t *contexts, size_t n, const uint32_t *tables,
                                   const word *words, size_t *used, size_t count, uint32_t *states,
                                   const size_t lanes) {
  const __m512i low = _mm512_set1_epi32((1 << scale_bits(lanes)) - 1), middle = _mm512_set1_epi32(0xFFF);
  const __m512i one = _mm512_set1_epi32(1);
  const __m512i least = _mm512_set1_epi32((int)LEAST);
  __m512i x[CK_RANS_LANES_MOST / 16];
  for (size_t v = 0; v < lanes / 16; v++) x[v] = _mm512_loadu_si512(states + 16 * v);
  size_t i = 0, at = *used;
  for (; i + lanes <= n && count - at >= lanes; i += lanes) {
    for (size_t v = 0; v < lanes / 16; v++) {
      __m512i place = _mm512_and_si512(x[v], low);
      if (contexts) {
        __m512i context = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(contexts + i + 16 * v)));
        place = _mm512_or_si512(place, _mm512_slli_epi32(context, scale_bits(lanes)));
      }
      __m512i slot = _mm512_i32gather_epi32(place, tables, 4);
      _mm_storeu_si128((__m128i *)(symbols + i + 16 * v), _mm512_cvtepi32_epi8(slot));
      __m512i frequency = _mm512_add_epi32(_mm512_and_si512(_mm512_srli_epi32(slot, 8), middle), one);
      __m512i rest = _mm512_srli_epi32(slot, 20);
      x[v] = _mm512_add_epi32(_mm512_mullo_epi32(frequency, _mm512_srli_epi32(x[v], scale_bits(lanes))), rest);
    }
    for (size_t v = 0; v < lanes / 16; v++) {
      __mmask16 small = _mm512_cmplt_epu32_mask(x[v], least);
      __m512i next = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(words + at)));
      next = _mm512_maskz_expand_epi32(small, next);
      x[v] = _mm512_mask_or_epi32(x[v], small, _mm512_slli_epi32(x[v], 16), next);
      at += (size_t)__builtin_popcount(small);
    }
  }
  for (size_t v = 0; v < lanes / 16; v++) _mm512_storeu_si512(states + 16 * v, x[v]);
  *used = at;
  return i;
}

// Whole rounds of all lanes from the last on, while there is room for as many words. Changes `to`; returns the symbols
// that are left.
AVX512 INLINE size_t encode_avx512(const uint8_t *symbols, const uint8_t *contexts, size_t n, const uint32_t *codes,
                                   size_t stride, word **to, const word *least, uint32_t *states,
                                   const size_t lanes) {
  const int scale = scale_bits(lanes);
  const __m512i row = _mm512_set1_epi32((int)stride), low = _mm512_set1_epi32(0xFFFF), zero = _mm512_setzero_si512();
  __m512i x[CK_RANS_LANES_MOST / 16];
  for (size_t v = 0; v < lanes / 16; v++) x[v] = _mm512_loadu_si512(states + 16 * v);
  word *end = *to;
  for (; n > 0 && end - least >= (ptrdiff_t)lanes; n -= lanes) {
    for (size_t v = lanes / 16; v-- > 0;) {
      size_t i = n - lanes + 16 * v;
      __m512i place = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(symbols + i)));
      if (contexts) {
        __m512i context = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(contexts + i)));
        place = _mm512_add_epi32(place, _mm512_mullo_epi32(context, row));
      }
      __m512i code = _mm512_i32gather_epi32(place, codes, 4);
      __m512i frequency = _mm512_and_si512(code, low);
      __mmask16 goes = _mm512_cmpge_epu32_mask(_mm512_srli_epi32(x[v], (unsigned)(32 - scale)), frequency);
      unsigned count = (unsigned)__builtin_popcount(goes);
      end -= count;
      __m256i out = _mm512_cvtepi32_epi16(_mm512_maskz_compress_epi32(goes, x[v]));
      _mm256_mask_storeu_epi16(end, (__mmask16)((1u << count) - 1), out);
      __m512i left = _mm512_mask_srli_epi32(x[v], goes, x[v], 16);
      // The quotient has at most 21 bits: that of floats is at most one too much or too little.
      __m512i times = _mm512_cvttps_epi32(_mm512_div_ps(_mm512_cvtepu32_ps(left), _mm512_cvtepi32_ps(frequency)));
      __m512i rest = _mm512_sub_epi32(left, _mm512_mullo_epi32(times, frequency));
      __mmask16 over = _mm512_cmplt_epi32_mask(rest, zero), under = _mm512_cmpge_epi32_mask(rest, frequency);
      __m512i one = _mm512_set1_epi32(1);
      times = _mm512_mask_sub_epi32(_mm512_mask_add_epi32(times, under, times, one), over, times, one);
      rest = _mm512_mask_add_epi32(_mm512_mask_sub_epi32(rest, under, rest, frequency), over, rest, frequency);
      x[v] = _mm512_add_epi32(_mm512_add_epi32(_mm512_slli_epi32(times, (unsigned)scale), rest),
                              _mm512_srli_epi32(code, 16));
    }
  }
  for (size_t v = 0; v < lanes / 16; v++) _mm512_storeu_si512(states + 16 * v, x[v]);
  *to = end;
  return n;
}

AVX2 INLINE size_t decode_avx2(uint8_t *symbols, const uint8_t *contexts, size_t n, const uint32_t *tables,
                               const word *words, size_t *used, size_t count, uint32_t *states, const size_t lanes) {
  const __m256i low = _mm256_set1_epi32((1 << scale_bits(lanes)) - 1), middle = _mm256_set1_epi32(0xFFF);
  const __m256i one = _mm256_set1_epi32(1);
  const __m256i bytes = _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0,
                                         4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1);
  __m256i x[CK_RANS_LANES_MOST / 8];
  for (size_t v = 0; v < lanes / 8; v++) x[v] = _mm256_loadu_si256((const __m256i *)(states + 8 * v));
  size_t i = 0, at = *used;
  for (; i + lanes <= n && count - at >= lanes; i += lanes) {
    for (size_t v = 0; v < lanes / 8; v++) {
      __m256i place = _mm256_and_si256(x[v], low);
      if (contexts) {
        __m256i context = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(contexts + i + 8 * v)));
        place = _mm256_or_si256(place, _mm256_slli_epi32(context, scale_bits(lanes)));
      }
      __m256i slot = _mm256_i32gather_epi32((const int *)tables, place, 4);
      __m256i packed = _mm256_shuffle_epi8(slot, bytes);
      __m128i both = _mm_or_si128(_mm256_castsi256_si128(packed), _mm256_extracti128_si256(packed, 1));
      _mm_storel_epi64((__m128i *)(symbols + i + 8 * v), both);
      __m256i frequency = _mm256_add_epi32(_mm256_and_si256(_mm256_srli_epi32(slot, 8), middle), one);
      __m256i rest = _mm256_srli_epi32(slot, 20);
      x[v] = _mm256_add_epi32(_mm256_mullo_epi32(frequency, _mm256_srli_epi32(x[v], scale_bits(lanes))), rest);
    }
    for (size_t v = 0; v < lanes / 8; v++) {
      __m256i small = _mm256_cmpeq_epi32(_mm256_srli_epi32(x[v], 16), _mm256_setzero_si256());
      unsigned mask = (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(small));
      // Of each lane that takes a word, which of the next words.
      uint64_t lanes = _pdep_u64(mask, 0x0101010101010101u) * 0xFF;
      __m256i turns = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)_pdep_u64(0x0706050403020100u, lanes)));
      __m256i next = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(words + at)));
      next = _mm256_permutevar8x32_epi32(next, turns);
      __m256i grown = _mm256_or_si256(_mm256_slli_epi32(x[v], 16), next);
      x[v] = _mm256_blendv_epi8(x[v], grown, small);
      at += (size_t)__builtin_popcount(mask);
    }
  }
  for (size_t v = 0; v < lanes / 8; v++) _mm256_storeu_si256((__m256i *)(states + 8 * v), x[v]);
  *used = at;
  return i;
}

#define LANES(N)                                                                                                     \
  AVX512 static size_t decode_avx512_##N(uint8_t *symbols, const uint8_t *contexts, size_t n,                        \
                                         const uint32_t *tables, const word *words, size_t *used, size_t count,      \
                                         uint32_t *states) {                                                         \
    return decode_avx512(symbols, contexts, n, tables, words, used, count, states, N);                               \
  }                                                                                                                  \
  AVX512 static size_t encode_avx512_##N(const uint8_t *symbols, const uint8_t *contexts, size_t n,                  \
                                         const uint32_t *codes, size_t stride, word **to, const word *least,         \
                                         uint32_t *states) {                                                         \
    return encode_avx512(symbols, contexts, n, codes, stride, to, least, states, N);                                 \
  }                                                                                                                  \
  AVX2 static size_t decode_avx2_##N(uint8_t *symbols, const uint8_t *contexts, size_t n,                            \
                                     const uint32_t *tables, const word *words, size_t *used, size_t count,          \
                                     uint32_t *states) {                                                             \
    return decode_avx2(symbols, contexts, n, tables, words, used, count, states, N);                                 \
  }
LANES(32)
LANES(64)

static int paths = 1;

__attribute__((constructor)) static void ask(void) {
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt")) {
    paths = 2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
      paths = 3;
  }
}
#else
static const int paths = 1;
#endif

int ck_rans_paths(void) { return paths; }

ptrdiff_t ck_rans_encode(int path, const uint8_t *symbols, const uint8_t *contexts, size_t n, const uint32_t *codes,
                         size_t stride, uint16_t *end, size_t room, uint32_t *states, size_t lanes) {
  word *to = end, *least = to - room;
  for (size_t lane = 0; lane < lanes; lane++) states[lane] = LEAST;
#if defined(__x86_64__)
  if (path == 3) {
    size_t whole = n & ~(lanes - 1);
    to = encode(symbols, contexts, whole, n, codes, stride, to, least, states, lanes);
    if (!to) return -1;
    n = (lanes == 32 ? encode_avx512_32 : encode_avx512_64)(symbols, contexts, whole, codes, stride, &to, least, states);
  }
#endif
  to = encode(symbols, contexts, 0, n, codes, stride, to, least, states, lanes);
  return to ? (word *)end - to : -1;
}

int ck_rans_decode(int path, uint8_t *symbols, const uint8_t *contexts, size_t n, const uint32_t *tables,
                   const void *words, size_t count, size_t *used, uint32_t *states, size_t lanes) {
  size_t done = 0, at = *used;
#if defined(__x86_64__)
  if (path == 3)
    done = (lanes == 32 ? decode_avx512_32 : decode_avx512_64)(symbols, contexts, n, tables, words, &at, count, states);
  if (path == 2)
    done = (lanes == 32 ? decode_avx2_32 : decode_avx2_64)(symbols, contexts, n, tables, words, &at, count, states);
#endif
  at = decode(symbols, contexts, done, n, tables, words, at, count, states, lanes);
  if (at == SIZE_MAX) return 0;
  *used = at;
  return 1;
}

int ck_rans_is_whole(const uint32_t *states, size_t lanes) {
  for (size_t lane = 0; lane < lanes; lane++)
    if (states[lane] != LEAST) return 0;
  return 1;
}

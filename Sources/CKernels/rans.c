#include "rans.h"

#include <string.h>

enum { LANES = CK_RANS_LANES, BITS = CK_RANS_SCALE_BITS, SCALE = CK_RANS_SCALE };
static const uint32_t LEAST = 1u << 16;

typedef uint16_t __attribute__((aligned(1), may_alias)) word;

int ck_rans_slots_make(ck_rans_slots *table, const uint16_t *frequencies, size_t symbols) {
  uint32_t slot = 0;
  for (size_t symbol = 0; symbol < symbols; symbol++) {
    uint32_t frequency = frequencies[symbol];
    if (frequency > SCALE - slot) return 0;
    for (uint32_t place = 0; place < frequency; place++)
      table->slots[slot++] = (uint32_t)symbol | (frequency - 1) << 8 | place << 20;
  }
  return slot == SCALE;
}

ptrdiff_t ck_rans_encode(const uint8_t *symbols, const uint8_t *contexts, size_t n, const uint32_t *codes,
                         size_t stride, uint16_t *end, size_t room, uint32_t states[LANES]) {
  word *to = end, *least = to - room;
  for (int lane = 0; lane < LANES; lane++) states[lane] = LEAST;
  for (size_t i = n; i-- > 0;) {
    uint32_t code = codes[(contexts ? contexts[i] * stride : 0) + symbols[i]];
    uint32_t frequency = code & 0xFFFF, x = states[i % LANES];
    if (x >= (uint64_t)frequency << (32 - BITS)) {
      if (to == least) return -1;
      *--to = (uint16_t)x;
      x >>= 16;
    }
    states[i % LANES] = (x / frequency << BITS) + x % frequency + (code >> 16);
  }
  return (word *)end - to;
}

// One symbol after another from `i` on; says how many words are used then, SIZE_MAX where they run out.
static size_t decode(uint8_t *symbols, const uint8_t *contexts, size_t i, size_t n, const ck_rans_slots *tables,
                     const word *words, size_t used, size_t count, uint32_t *states) {
  for (; i < n; i++) {
    uint32_t x = states[i % LANES];
    uint32_t slot = tables[contexts ? contexts[i] : 0].slots[x & (SCALE - 1)];
    symbols[i] = (uint8_t)slot;
    x = ((slot >> 8 & 0xFFF) + 1) * (x >> BITS) + (slot >> 20);
    if (x < LEAST) {
      if (used == count) return SIZE_MAX;
      x = x << 16 | words[used++];
    }
    states[i % LANES] = x;
  }
  return used;
}

#if defined(__x86_64__)
#include <immintrin.h>

// Whole groups of 32 symbols while a group's words are sure to be there. Return the symbols done.
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,popcnt")))
#define AVX2 __attribute__((target("avx2,bmi2,popcnt")))

AVX512 static size_t decode_avx512(uint8_t *symbols, const uint8_t *contexts, size_t n, const ck_rans_slots *tables,
                                   const word *words, size_t *used, size_t count, uint32_t *states) {
  const __m512i low = _mm512_set1_epi32(SCALE - 1), middle = _mm512_set1_epi32(0xFFF), one = _mm512_set1_epi32(1);
  const __m512i least = _mm512_set1_epi32((int)LEAST);
  __m512i x[2] = {_mm512_loadu_si512(states), _mm512_loadu_si512(states + 16)};
  size_t i = 0, at = *used;
  for (; i + LANES <= n && count - at >= LANES; i += LANES) {
    for (int v = 0; v < 2; v++) {
      __m512i place = _mm512_and_si512(x[v], low);
      if (contexts) {
        __m512i context = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(contexts + i + 16 * v)));
        place = _mm512_or_si512(place, _mm512_slli_epi32(context, BITS));
      }
      __m512i slot = _mm512_i32gather_epi32(place, tables, 4);
      _mm_storeu_si128((__m128i *)(symbols + i + 16 * v), _mm512_cvtepi32_epi8(slot));
      __m512i frequency = _mm512_add_epi32(_mm512_and_si512(_mm512_srli_epi32(slot, 8), middle), one);
      __m512i rest = _mm512_srli_epi32(slot, 20);
      x[v] = _mm512_add_epi32(_mm512_mullo_epi32(frequency, _mm512_srli_epi32(x[v], BITS)), rest);
    }
    for (int v = 0; v < 2; v++) {
      __mmask16 small = _mm512_cmplt_epu32_mask(x[v], least);
      __m512i next = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(words + at)));
      next = _mm512_maskz_expand_epi32(small, next);
      x[v] = _mm512_mask_or_epi32(x[v], small, _mm512_slli_epi32(x[v], 16), next);
      at += (size_t)__builtin_popcount(small);
    }
  }
  _mm512_storeu_si512(states, x[0]);
  _mm512_storeu_si512(states + 16, x[1]);
  *used = at;
  return i;
}

AVX2 static size_t decode_avx2(uint8_t *symbols, const uint8_t *contexts, size_t n, const ck_rans_slots *tables,
                               const word *words, size_t *used, size_t count, uint32_t *states) {
  const __m256i low = _mm256_set1_epi32(SCALE - 1), middle = _mm256_set1_epi32(0xFFF), one = _mm256_set1_epi32(1);
  const __m256i bytes = _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0,
                                         4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1);
  __m256i x[4];
  for (int v = 0; v < 4; v++) x[v] = _mm256_loadu_si256((const __m256i *)(states + 8 * v));
  size_t i = 0, at = *used;
  for (; i + LANES <= n && count - at >= LANES; i += LANES) {
    for (int v = 0; v < 4; v++) {
      __m256i place = _mm256_and_si256(x[v], low);
      if (contexts) {
        __m256i context = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(contexts + i + 8 * v)));
        place = _mm256_or_si256(place, _mm256_slli_epi32(context, BITS));
      }
      __m256i slot = _mm256_i32gather_epi32((const int *)tables, place, 4);
      __m256i packed = _mm256_shuffle_epi8(slot, bytes);
      __m128i both = _mm_or_si128(_mm256_castsi256_si128(packed), _mm256_extracti128_si256(packed, 1));
      _mm_storel_epi64((__m128i *)(symbols + i + 8 * v), both);
      __m256i frequency = _mm256_add_epi32(_mm256_and_si256(_mm256_srli_epi32(slot, 8), middle), one);
      __m256i rest = _mm256_srli_epi32(slot, 20);
      x[v] = _mm256_add_epi32(_mm256_mullo_epi32(frequency, _mm256_srli_epi32(x[v], BITS)), rest);
    }
    for (int v = 0; v < 4; v++) {
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
  for (int v = 0; v < 4; v++) _mm256_storeu_si256((__m256i *)(states + 8 * v), x[v]);
  *used = at;
  return i;
}

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

int ck_rans_decode(int path, uint8_t *symbols, const uint8_t *contexts, size_t n, const ck_rans_slots *tables,
                   const void *words, size_t count, uint32_t states[LANES]) {
  size_t done = 0, used = 0;
#if defined(__x86_64__)
  if (path == 3) done = decode_avx512(symbols, contexts, n, tables, words, &used, count, states);
  if (path == 2) done = decode_avx2(symbols, contexts, n, tables, words, &used, count, states);
#endif
  if (decode(symbols, contexts, done, n, tables, words, used, count, states) != count) return 0;
  for (int lane = 0; lane < LANES; lane++)
    if (states[lane] != LEAST) return 0;
  return 1;
}

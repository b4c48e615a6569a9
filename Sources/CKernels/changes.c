#include "changes.h"
#include "bitstream.h"
#include "clones.h"

#define ORDER(T, B, x) ((T)((x) ^ (T)((T)(0 - (T)((x) >> (B - 1))) | (T)((T)1 << (B - 1)))))
#define UNORDER(T, B, y) ((T)((y) ^ (T)((T)((T)((y) >> (B - 1)) - 1) | (T)((T)1 << (B - 1)))))

enum { GROUP = CK_CHANGE_GROUP, DIRECT = 27, MIDDLE = CK_CHANGE_NONE, BELOW = 12 };

// In a direct context the tokens are half octaves of the new magnitude from 2^-12 times the mean change on.
static int first(int scale, int mantissa) { return 2 * ((scale >> 1) + 1 - mantissa - BELOW); }

// Half octaves of three quarters of the root of a mean square, to the nearest: octaves of 0.75^2 * sqrt(2) times that.
static inline int16_t half_octaves(float square, int offset) {
  uint32_t bits;
  square *= 0.7954951288f;
  memcpy(&bits, &square, 4);
  return (int16_t)((int)(bits >> 23) - 127 + offset);
}

static inline float square(float x) { return x * x; }

// The difference in representable values, positive away from zero, and what a base becomes by it.
#define SIGN(T, B, ISFLOAT, b) ((ISFLOAT) ? (T)(0 - (T)((b) >> (B - 1))) : (T)0)
#define TURNED(T, B, ISFLOAT, b, d) ((T)(((d) ^ SIGN(T, B, ISFLOAT, b)) - SIGN(T, B, ISFLOAT, b)))
#define CHANGE(T, B, ISFLOAT, x, b)                                                                                  \
  TURNED(T, B, ISFLOAT, b, (ISFLOAT) ? (T)(ORDER(T, B, x) - ORDER(T, B, b)) : (T)((x) - (b)))
#define SHIFTED(T, B, b, d) ((T)(ORDER(T, B, b) + (d)))
#define CHANGED(T, B, ISFLOAT, b, d)                                                                                 \
  ((ISFLOAT) ? UNORDER(T, B, SHIFTED(T, B, b, TURNED(T, B, 1, b, d))) : (T)((b) + (d)))

// Where differences in representable values are alike and not changes (weight decay, scaling), `relative` is taken: it
// is clearly smaller than the mean level that the elements would have. Where few elements change by much, they are
// escapes among zeros: a level so low that nothing else has it, by how few they are. Costs are those of Laplace's
// distribution, and of the entropy of which elements change.
static int16_t scale_of(int16_t absolute, int16_t relative, float field, float changed) {
  float level = (float)absolute + 2 - 2 * field;
  int16_t scale = absolute;
  if ((float)relative + 1 <= level) {
    level = relative;
    scale = (int16_t)(CK_CHANGE_RELATIVE + (relative < -10 ? -10 : relative));
  }
  uint32_t bits;
  memcpy(&bits, &changed, 4);
  int rarity = 127 - (int)(bits >> 23);
  float dense = level / 2 + 2.4f, sparse = changed * ((float)rarity * 1.5f + level / 2 + 3.8f);
  if (level < 2 || rarity < 1 || sparse + 0.25f > dense) return scale;
  return (int16_t)(CK_CHANGE_RELATIVE - 11 + (rarity < 7 ? rarity : 7));
}

#define SCALES(NAME, T, S, B, mantissa, VALUE, OFFSET)                                                               \
  CLONES static void scales_##NAME(const T *x, const T *base, size_t n, int16_t *scales) {                           \
    for (size_t start = 0; start < n; start += GROUP) {                                                              \
      size_t count = n - start < GROUP ? n - start : GROUP;                                                          \
      float sums[16] = {0}, steps[16] = {0};                                                                         \
      T different = 0;                                                                                               \
      uint32_t fields = 0, changed = 0;                                                                              \
      for (size_t i = start; i < start + count; i++) different |= (T)(x[i] ^ base[i]);                               \
      if (different == 0) {                                                                                          \
        scales[start / GROUP] = CK_CHANGE_EQUAL;                                                                     \
        continue;                                                                                                    \
      }                                                                                                              \
      for (size_t i = start; i < start + count; i += 16) {                                                           \
        size_t more = start + count - i < 16 ? start + count - i : 16;                                               \
        for (size_t j = 0; j < more; j++) {                                                                          \
          T y = x[i + j], b = base[i + j];                                                                           \
          sums[j] += square(VALUE(T, mantissa, y, b));                                                               \
          if (mantissa > 0) steps[j] += square((float)(S)(T)(ORDER(T, B, y) - ORDER(T, B, b)));                      \
          if (mantissa > 0) fields += field_of(b & (T)~((T)1 << (B - 1)), mantissa);                                 \
          changed += y != b;                                                                                         \
        }                                                                                                            \
      }                                                                                                              \
      float sum = 0, step = 0;                                                                                       \
      for (int j = 0; j < 16; j++) sum += sums[j], step += steps[j];                                                 \
      int16_t absolute = half_octaves(sum / (float)count, OFFSET);                                                   \
      int16_t relative = mantissa > 0 ? half_octaves(step / (float)count, 0) : absolute;                             \
      float field = mantissa > 0 ? (float)fields / (float)count : 1;                                                 \
      scales[start / GROUP] = scale_of(absolute, relative, field, (float)changed / (float)count);                    \
    }                                                                                                                \
  }

// The exponent field of a magnitude; the smallest floats are spaced like those of field 1.
static inline uint32_t field_of(uint32_t magnitude, int mantissa) {
  uint32_t field = magnitude >> mantissa;
  return field > 1 ? field : 1;
}

static inline float as_float(uint32_t bits) {
  float value;
  memcpy(&value, &bits, 4);
  return value;
}
// A float of few exponent bits in units of its smallest.
static inline float small_float(uint32_t x, int width, int mantissa) {
  uint32_t field = (x & ((1u << (width - 1)) - 1)) >> mantissa, high = field > 0, low = x & ((1u << mantissa) - 1);
  float value = (float)(int32_t)(low | high << mantissa) * as_float((field - high + 127) << 23);
  return x >> (width - 1) ? -value : value;
}
// Of BF16 and F32 2^60 times the difference, so that squares of small ones are no zeros.
static inline float widened(uint32_t x, uint32_t b) { return (as_float(x) - as_float(b)) * 0x1p60f; }
#define DIFFERENCE_BF16(T, M, x, b) widened((uint32_t)(x) << 16, (uint32_t)(b) << 16)
#define DIFFERENCE_F32(T, M, x, b) widened(x, b)
#define DIFFERENCE_SMALL(T, M, x, b)                                                                                 \
  (small_float(x, 8 * sizeof(T), M) - small_float(b, 8 * sizeof(T), M))
#define DIFFERENCE_I8(T, M, x, b) (float)(int8_t)((x) - (b))
#define DIFFERENCE_I16(T, M, x, b) (float)(int16_t)((x) - (b))
#define DIFFERENCE_I32(T, M, x, b) (float)(int32_t)((x) - (b))
SCALES(bf16, uint16_t, int16_t, 16, 7, DIFFERENCE_BF16, 266 - 120)
SCALES(f16, uint16_t, int16_t, 16, 10, DIFFERENCE_SMALL, 0)
SCALES(e5m2, uint8_t, int8_t, 8, 2, DIFFERENCE_SMALL, 0)
SCALES(e4m3, uint8_t, int8_t, 8, 3, DIFFERENCE_SMALL, 0)
SCALES(f32, uint32_t, int32_t, 32, 23, DIFFERENCE_F32, 298 - 120)
SCALES(i8, uint8_t, int8_t, 8, 0, DIFFERENCE_I8, 0)
SCALES(i16, uint16_t, int16_t, 16, 0, DIFFERENCE_I16, 0)
SCALES(i32, uint32_t, int32_t, 32, 0, DIFFERENCE_I32, 0)

// How many tokens from the first on are no escapes, or a few fewer.
static size_t near_run(const uint8_t *tokens, size_t n) {
  size_t run = 0;
  for (uint64_t four[4]; run + 32 <= n; run += 32) {
    memcpy(four, tokens + run, 32);
    if ((four[0] | four[1] | four[2] | four[3]) & 0xC0C0C0C0C0C0C0C0u) break;
  }
  for (uint64_t eight; run + 8 <= n; run += 8) {
    memcpy(&eight, tokens + run, 8);
    if (eight & 0xC0C0C0C0C0C0C0C0u) break;
  }
  return run;
}

// Low bits of a change that are as good as random where so much is expected.
#define SHIFT(level, B) ((int16_t)((level) > 4 ? ((level) >> 1) - 2 < (B) ? ((level) >> 1) - 2 : (B)-1 : 0))
// Low bits of a new value that are; of integers there are none.
#define HIGH(mantissa) ((mantissa) > 0 ? (mantissa)-1 : 0)

// `level`: the mean change in units of the element's last place, in half octaves. `high` is the level from which on the
// new value is coded and not the difference: the change is as large as the base.
#define KERNELS(NAME, T, S, B, R, mantissa)                                                                          \
  CLONES static void contexts_##NAME(const T *restrict base, const int16_t *restrict scales, size_t n,               \
                                     uint8_t *restrict contexts, uint8_t *restrict bits) {                           \
    const int16_t high = mantissa > 0 ? 2 * mantissa - 1 : 0x7000;                                                   \
    for (size_t start = 0; start < n; start += GROUP) {                                                              \
      size_t count = n - start < GROUP ? n - start : GROUP;                                                          \
      if (scales[start / GROUP] == CK_CHANGE_EQUAL) {                                                                \
        memset(contexts + start, 0, count);                                                                          \
        memset(bits + start, 0, count);                                                                              \
        continue;                                                                                                    \
      }                                                                                                              \
      int16_t scale = scales[start / GROUP];                                                                         \
      if (scale >= CK_CHANGE_RELATIVE / 2) {                                                                         \
        int level = scale - CK_CHANGE_RELATIVE < high - 4 ? scale - CK_CHANGE_RELATIVE : high - 4;                   \
        memset(contexts + start, level < 6 ? (level < -10 ? 1 : level + 11) : 19 + (level & 1), count);              \
        memset(bits + start, SHIFT(level, B), count);                                                                \
        continue;                                                                                                    \
      }                                                                                                              \
      scale = (int16_t)(scale + 2);                                                                                  \
      for (size_t i = start; i < start + count; i++) {                                                               \
        uint16_t field = (uint16_t)((T)(base[i] & (T)~((T)1 << (B - 1))) >> mantissa);                               \
        field = mantissa > 0 && field > 1 ? field : 1;                                                               \
        int16_t level = (int16_t)(scale - (mantissa > 0 ? (int16_t)(2 * field) : 0));                                \
        int16_t past = (int16_t)(level - high), parity = level & 1;                                                  \
        level = level < -10 ? -10 : level;                                                                           \
        int16_t far = past > 10 ? (int16_t)(9 + ((past - 9) & 1)) : past;                                            \
        int16_t half = mantissa > 0 ? (int16_t)(base[i] >> (mantissa > 0 ? mantissa - 1 : 0) & 1) : 0;               \
        int16_t near = (int16_t)(DIRECT + 2 * past + half);                                                          \
        int16_t low = level < 8 ? (int16_t)(level + 11) : (int16_t)(17 + parity);                                    \
        int16_t context = past >= 3 ? (int16_t)(DIRECT + 3 + far) : past >= -3 ? near : low;                         \
        contexts[i] = (uint8_t)context;                                                                              \
        bits[i] = (uint8_t)(past >= 0 ? (int16_t)HIGH(mantissa) : SHIFT(level, B));                                  \
      }                                                                                                              \
    }                                                                                                                \
  }                                                                                                                  \
  CLONES static void split_##NAME(const T *restrict x, const T *restrict base, const int16_t *restrict scales,       \
                                  const uint8_t *restrict contexts, const uint8_t *restrict bits, size_t n,          \
                                  uint8_t *restrict tokens, R *restrict raw) {                                       \
    for (size_t start = 0; start < n; start += GROUP) {                                                              \
      size_t count = n - start < GROUP ? n - start : GROUP;                                                          \
      S low = (S)first(scales[start / GROUP], mantissa);                                                             \
      for (size_t i = start; i < start + count; i++) {                                                               \
        T b = base[i], y = x[i], d = CHANGE(T, B, (mantissa > 0), y, b);                                             \
        S q = (S)((S)d >> bits[i]);                                                                                  \
        uint8_t near = q >= -MIDDLE && q < MIDDLE ? (uint8_t)(q + MIDDLE) : CK_CHANGE_ESCAPE;                        \
        T magnitude = (T)(y & (T)~((T)1 << (B - 1)));                                                                \
        S place = (S)((T)(magnitude >> HIGH(mantissa)) - (T)low);                                                    \
        uint8_t far = place >= 0 && place < 32 ? (uint8_t)(2 * place + ((y ^ b) >> (B - 1))) : CK_CHANGE_ESCAPE;     \
        int direct = (mantissa > 0) && contexts[i] >= DIRECT;                                                        \
        tokens[i] = direct ? far : near;                                                                             \
        raw[i] = (R)((direct ? magnitude : d) & (T)(((T)1 << bits[i]) - 1));                                         \
      }                                                                                                              \
    }                                                                                                                \
  }                                                                                                                  \
  CLONES static void join_##NAME(const T *restrict base, const int16_t *restrict scales,                             \
                                 const uint8_t *restrict contexts, const uint8_t *restrict bits,                     \
                                 const uint8_t *restrict tokens, const R *restrict raw, size_t n,                    \
                                 T *restrict out) {                                                                  \
    for (size_t start = 0; start < n; start += GROUP) {                                                              \
      size_t count = n - start < GROUP ? n - start : GROUP;                                                          \
      T low = (T)first(scales[start / GROUP], mantissa);                                                             \
      for (size_t i = start; i < start + count; i++) {                                                               \
        T b = base[i], token = tokens[i], d = (T)((uint32_t)(T)(token - MIDDLE) << bits[i] | raw[i]);                \
        T near = CHANGED(T, B, (mantissa > 0), b, d);                                                                \
        T magnitude = (T)((T)((T)((T)(token >> 1) + low) << HIGH(mantissa)) | raw[i]);                               \
        T far = (T)((magnitude & (T)~((T)1 << (B - 1))) |                                                            \
                    ((T)(b ^ (T)(token << (B - 1))) & (T)((T)1 << (B - 1))));                                        \
        out[i] = (mantissa > 0) && contexts[i] >= DIRECT ? far : near;                                               \
      }                                                                                                              \
    }                                                                                                                \
  }                                                                                                                  \
  static size_t escape_put_##NAME(const T *x, const T *base, const uint8_t *contexts, const uint8_t *bits, size_t n, \
                                  uint8_t *tokens, uint8_t *stream, size_t at, size_t most) {                        \
    for (size_t i = 0; i < n; i++) {                                                                                 \
      i += near_run(tokens + i, n - i);                                                                              \
      if (i >= n) break;                                                                                             \
      if (tokens[i] < CK_CHANGE_ESCAPE) continue;                                                                    \
      if (most - at < 64) return SIZE_MAX;                                                                           \
      T b = base[i], y = x[i];                                                                                       \
      if ((mantissa > 0) && contexts[i] >= DIRECT) {                                                                 \
        uint64_t place = (T)(y & (T)~((T)1 << (B - 1))) >> HIGH(mantissa);                                           \
        bits_store(stream, at, place << 1 | (T)(y ^ b) >> (B - 1));                                                  \
        at += (size_t)(B - mantissa + 1);                                                                            \
        continue;                                                                                                    \
      }                                                                                                              \
      int64_t q = (S)CHANGE(T, B, (mantissa > 0), y, b) >> bits[i];                                                  \
      uint32_t past = (uint32_t)(q < 0 ? -q - MIDDLE : q - MIDDLE + 1);                                              \
      int octave = 31 - __builtin_clz(past);                                                                         \
      tokens[i] = (uint8_t)(CK_CHANGE_ESCAPE + 2 * octave + (q < 0));                                                \
      bits_store(stream, at, past & ((1u << octave) - 1));                                                           \
      at += (size_t)octave;                                                                                          \
    }                                                                                                                \
    return at;                                                                                                       \
  }                                                                                                                  \
  static size_t escape_take_##NAME(const T *base, const uint8_t *contexts, const uint8_t *bits,                      \
                                   const uint8_t *tokens, const R *raw, size_t n,                                    \
                                   const uint8_t *stream, size_t at, size_t end, T *out) {                           \
    for (size_t i = 0; i < n; i++) {                                                                                 \
      i += near_run(tokens + i, n - i);                                                                              \
      if (i >= n) break;                                                                                             \
      if (tokens[i] < CK_CHANGE_ESCAPE) continue;                                                                    \
      int octave = tokens[i] - CK_CHANGE_ESCAPE, direct = (mantissa > 0) && contexts[i] >= DIRECT;                   \
      size_t width = (size_t)(direct ? B - mantissa + 1 : octave >> 1);                                              \
      if (octave >= (direct ? 1 : 2 * B) || end - at < width) return SIZE_MAX;                                       \
      T more = (T)(bits_load(stream, at) & (((uint64_t)1 << width) - 1)), b = base[i];                               \
      at += width;                                                                                                   \
      if (direct) {                                                                                                  \
        T magnitude = (T)((T)((T)(more >> 1) << HIGH(mantissa)) | raw[i]);                                           \
        out[i] = (T)(magnitude | ((T)(b ^ (T)(more << (B - 1))) & (T)((T)1 << (B - 1))));                            \
        continue;                                                                                                    \
      }                                                                                                              \
      T past = (T)((T)((T)1 << (octave >> 1)) | more);                                                               \
      T q = octave & 1 ? (T)(-past - MIDDLE) : (T)(past + MIDDLE - 1);                                               \
      out[i] = CHANGED(T, B, (mantissa > 0), b, (T)((uint32_t)q << bits[i] | raw[i]));                               \
    }                                                                                                                \
    return at;                                                                                                       \
  }

KERNELS(e5m2, uint8_t, int8_t, 8, uint16_t, 2)
KERNELS(e4m3, uint8_t, int8_t, 8, uint16_t, 3)
KERNELS(bf16, uint16_t, int16_t, 16, uint16_t, 7)
KERNELS(f16, uint16_t, int16_t, 16, uint16_t, 10)
KERNELS(f32, uint32_t, int32_t, 32, uint32_t, 23)
KERNELS(i8, uint8_t, int8_t, 8, uint16_t, 0)
KERNELS(i16, uint16_t, int16_t, 16, uint16_t, 0)
KERNELS(i32, uint32_t, int32_t, 32, uint32_t, 0)

#define DISPATCH(VERB, ...)                                                                                          \
  switch (width * 64 + mantissa) {                                                                                   \
  case 64: VERB##_i8(__VA_ARGS__); break;                                                                            \
  case 64 + 2: VERB##_e5m2(__VA_ARGS__); break;                                                                      \
  case 64 + 3: VERB##_e4m3(__VA_ARGS__); break;                                                                      \
  case 128: VERB##_i16(__VA_ARGS__); break;                                                                          \
  case 128 + 7: VERB##_bf16(__VA_ARGS__); break;                                                                     \
  case 128 + 10: VERB##_f16(__VA_ARGS__); break;                                                                     \
  case 256: VERB##_i32(__VA_ARGS__); break;                                                                          \
  case 256 + 23: VERB##_f32(__VA_ARGS__); break;                                                                     \
  }

void ck_change_scales(const void *x, const void *base, size_t n, int width, int mantissa, int16_t *scales) {
  DISPATCH(scales, x, base, n, scales)
}
void ck_change_contexts(const void *base, const int16_t *scales, size_t n, int width, int mantissa, uint8_t *contexts,
                        uint8_t *bits) {
  DISPATCH(contexts, base, scales, n, contexts, bits)
}
void ck_change_split(const void *x, const void *base, const int16_t *scales, const uint8_t *contexts,
                     const uint8_t *bits, size_t n, int width, int mantissa, uint8_t *tokens, void *raw) {
  DISPATCH(split, x, base, scales, contexts, bits, n, tokens, raw)
}
void ck_change_join(const void *base, const int16_t *scales, const uint8_t *contexts, const uint8_t *bits,
                    const uint8_t *tokens, const void *raw, size_t n, int width, int mantissa, void *out) {
  DISPATCH(join, base, scales, contexts, bits, tokens, raw, n, out)
}
size_t ck_change_escape_put(const void *x, const void *base, const uint8_t *contexts, const uint8_t *bits, size_t n,
                            int width, int mantissa, uint8_t *tokens, uint8_t *stream, size_t at, size_t most) {
  DISPATCH(return escape_put, x, base, contexts, bits, n, tokens, stream, at, most)
  return SIZE_MAX;
}
size_t ck_change_escape_take(const void *base, const uint8_t *contexts, const uint8_t *bits, const uint8_t *tokens,
                             const void *raw, size_t n, int width, int mantissa, const uint8_t *stream, size_t at,
                             size_t end, void *out) {
  DISPATCH(return escape_take, base, contexts, bits, tokens, raw, n, stream, at, end, out)
  return SIZE_MAX;
}

void ck_change_count(const uint8_t *contexts, const uint8_t *tokens, size_t n, uint32_t *counts) {
  for (size_t i = 0; i < n; i++) counts[(size_t)contexts[i] * CK_CHANGE_TOKENS + tokens[i]]++;
}

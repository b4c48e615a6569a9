#include "rivals.h"

#include <string.h>

enum { BITS = 16, PERIOD = 1024, MOST = 65, LOOKUP = 7 };

// Frequencies that sum to 2^16 and follow the symbols: every one adds `step`, and after a period all are halved.
typedef struct {
  uint32_t frequency[MOST], start[MOST + 1];
  uint8_t lookup[(1 << LOOKUP) + 1];
  uint32_t symbols, period, left, later, step;
} model;

static void renew(model *m) {
  if (m->later) {
    m->left = m->later;
    m->later = 0;
    m->step++;
    return;
  }
  if (m->period < PERIOD) m->period = m->period * 2 > PERIOD ? PERIOD : m->period * 2;
  uint32_t sum = 1u << BITS, missing = sum;
  for (uint32_t s = m->symbols; s-- > 0;) {
    sum -= m->frequency[s];
    m->start[s] = sum;
    m->frequency[s] = m->frequency[s] >> 1 | 1;
    missing -= m->frequency[s];
  }
  m->step = missing / m->period;
  m->later = missing % m->period;
  m->left = m->period - m->later;
  uint32_t s = 0;
  for (uint32_t slot = 0; slot < 1u << LOOKUP; slot++) {
    while (m->start[s + 1] <= slot << (BITS - LOOKUP)) s++;
    m->lookup[slot] = (uint8_t)s;
  }
}

static void begin(model *m, uint32_t symbols) {
  memset(m, 0, sizeof *m);
  m->symbols = symbols;
  m->period = symbols >> 4 | 2;
  m->start[symbols] = 1u << BITS;
  for (uint32_t s = 0; s < symbols; s++)
    m->frequency[s] = (1u << BITS) / symbols + (s < (1u << BITS) % symbols ? 1 : 0);
  renew(m);
}

static inline void count(model *m, uint32_t s) {
  if (m->left == 0) renew(m);
  m->left--;
  m->frequency[s] += m->step;
}

// Without carries: where the top byte is not settled and the range is small, the range is cut to end at it. Kernels work
// on a copy, which stays in registers.
typedef struct {
  uint32_t low, range, code;
  uint8_t *to, *end;
  const uint8_t *from, *last;
  int failed;
} coder;

static inline void put(coder *c) {
  if (c->to == c->end) c->failed = 1;
  else *c->to++ = (uint8_t)(c->low >> 24);
  c->low <<= 8;
}

static inline void get(coder *c) {
  c->code = c->code << 8 | (c->from < c->last ? *c->from : 0);
  c->from++;
  c->low <<= 8;
}

#define SETTLE(c, BYTE)                                                                                              \
  while (!((c->low ^ (c->low + c->range)) >> 24)) BYTE(c), c->range <<= 8;                                           \
  if (!(c->range >> 16)) BYTE(c), BYTE(c), c->range = -c->low;

static inline void encode_symbol(coder *c, model *m, uint32_t s) {
  c->range >>= BITS;
  c->low += c->range * m->start[s];
  c->range *= m->start[s + 1] - m->start[s];
  count(m, s);
  SETTLE(c, put)
}

static inline uint32_t decode_symbol(coder *c, model *m) {
  c->range >>= BITS;
  uint32_t place = (c->code - c->low) / c->range;
  if (place >> BITS) return c->failed = 1, 0;
  uint32_t s = m->lookup[place >> (BITS - LOOKUP)];
  while (m->start[s + 1] <= place) s++;
  c->low += c->range * m->start[s];
  c->range *= m->start[s + 1] - m->start[s];
  count(m, s);
  SETTLE(c, get)
  return s;
}

// At most 16 bits.
static inline void encode_some(coder *c, uint32_t bits, int n) {
  c->range >>= n;
  c->low += c->range * bits;
  SETTLE(c, put)
}

static inline uint32_t decode_some(coder *c, int n) {
  c->range >>= n;
  uint32_t bits = (c->code - c->low) / c->range;
  if (bits >> n) return c->failed = 1, 0;
  c->low += c->range * bits;
  SETTLE(c, get)
  return bits;
}

static inline void encode_bits(coder *c, uint32_t bits, int n) {
  if (n > 16) encode_some(c, bits & 0xFFFF, 16), bits >>= 16, n -= 16;
  encode_some(c, bits, n);
}

static inline uint32_t decode_bits(coder *c, int n) {
  if (n <= 16) return decode_some(c, n);
  uint32_t low = decode_some(c, 16);
  return low | decode_some(c, n - 16) << 16;
}

#define ORDER(T, B, x) ((T)((x) ^ (T)((T)(0 - (T)((x) >> (B - 1))) | (T)((T)1 << (B - 1)))))
#define UNORDER(T, B, y) ((T)((y) ^ (T)((T)((T)((y) >> (B - 1)) - 1) | (T)((T)1 << (B - 1)))))

#define KERNELS(B, T)                                                                                                \
  static void encode_##B(coder *outer, model *m, const T *x, const T *b, size_t n) {                                 \
    coder own = *outer, *c = &own;                                                                                   \
    for (size_t i = 0; i < n; i++) {                                                                                 \
      T to = ORDER(T, B, x[i]), from = ORDER(T, B, b[i]);                                                            \
      if (to == from) {                                                                                              \
        encode_symbol(c, m, B);                                                                                      \
        continue;                                                                                                    \
      }                                                                                                              \
      uint32_t d = to > from ? (T)(to - from) : (T)(from - to);                                                      \
      int k = 31 - __builtin_clz(d);                                                                                 \
      encode_symbol(c, m, (uint32_t)(to > from ? B + 1 + k : B - 1 - k));                                            \
      if (k) encode_bits(c, d - (1u << k), k);                                                                       \
    }                                                                                                                \
    *outer = own;                                                                                                    \
  }                                                                                                                  \
  static void decode_##B(coder *outer, model *m, const T *b, T *x, size_t n) {                                       \
    coder own = *outer, *c = &own;                                                                                   \
    for (size_t i = 0; i < n && !c->failed; i++) {                                                                   \
      int s = (int)decode_symbol(c, m) - B, k = (s < 0 ? -s : s) - 1;                                                \
      uint32_t d = s == 0 ? 0 : 1u << k;                                                                             \
      if (k > 0) d += decode_bits(c, k);                                                                             \
      T from = ORDER(T, B, b[i]), to = (T)(s < 0 ? from - d : from + d);                                             \
      x[i] = UNORDER(T, B, to);                                                                                      \
    }                                                                                                                \
    *outer = own;                                                                                                    \
  }

KERNELS(16, uint16_t)
KERNELS(32, uint32_t)

size_t rival_fmdelta_encode(const void *x, const void *base, size_t n, int width, uint8_t *out, size_t room) {
  model m;
  coder c = {.low = 0, .range = UINT32_MAX, .to = out, .end = out + room};
  begin(&m, (uint32_t)width * 16 + 1);
  if (width == 2) encode_16(&c, &m, x, base, n);
  else encode_32(&c, &m, x, base, n);
  for (int i = 0; i < 4; i++) put(&c);
  return c.failed ? 0 : (size_t)(c.to - out);
}

int rival_fmdelta_decode(const uint8_t *coded, size_t count, const void *base, void *x, size_t n, int width) {
  model m;
  coder c = {.low = 0, .range = UINT32_MAX, .from = coded, .last = coded + count};
  begin(&m, (uint32_t)width * 16 + 1);
  for (int i = 0; i < 4; i++) get(&c);
  c.low = 0;
  if (width == 2) decode_16(&c, &m, base, x, n);
  else decode_32(&c, &m, base, x, n);
  return !c.failed;
}

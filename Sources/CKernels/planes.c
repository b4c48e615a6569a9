#include "planes.h"
#include "clones.h"

#define ROTL(T, B, x) ((T)((T)((x) << 1) | (T)((x) >> (B - 1))))
#define ROTR(T, B, x) ((T)((T)((x) >> 1) | (T)((x) << (B - 1))))
// Sign-magnitude bits to integers in the order of the values, and back. -0 and +0 stay apart, so this is a bijection.
#define ORDER(T, B, x) ((T)((x) ^ (T)((T)(0 - (T)((x) >> (B - 1))) | (T)((T)1 << (B - 1)))))
#define UNORDER(T, B, y) ((T)((y) ^ (T)((T)((T)((y) >> (B - 1)) - 1) | (T)((T)1 << (B - 1)))))
#define FOLD(T, B, d) ((T)((T)((d) << 1) ^ (T)(0 - (T)((d) >> (B - 1)))))
#define UNFOLD(T, z) ((T)((T)((z) >> 1) ^ (T)(0 - (T)((z)&1))))
#define SAME(T, B, x) (x)

#define PUT_1(z) p[i] = (uint8_t)(z);
#define PUT_2(z) p[i] = (uint8_t)(z), p[n + i] = (uint8_t)((z) >> 8);
#define PUT_4(z) PUT_2(z) p[2 * n + i] = (uint8_t)((z) >> 16), p[3 * n + i] = (uint8_t)((z) >> 24);
#define PUT_8(z)                                                                                                     \
  PUT_4(z)                                                                                                           \
  p[4 * n + i] = (uint8_t)((z) >> 32), p[5 * n + i] = (uint8_t)((z) >> 40), p[6 * n + i] = (uint8_t)((z) >> 48),     \
           p[7 * n + i] = (uint8_t)((z) >> 56);
#define PLANES_1 const uint8_t *restrict p0 = p[0];
#define PLANES_2 PLANES_1 const uint8_t *restrict p1 = p[1];
#define PLANES_4 PLANES_2 const uint8_t *restrict p2 = p[2], *restrict p3 = p[3];
#define PLANES_8                                                                                                     \
  PLANES_4 const uint8_t *restrict p4 = p[4], *restrict p5 = p[5], *restrict p6 = p[6], *restrict p7 = p[7];
#define GET_1(T) ((T)p0[i])
#define GET_2(T) ((T)(p0[i] | (T)((T)p1[i] << 8)))
#define GET_4(T) ((T)(GET_2(T) | (T)((T)p2[i] << 16) | (T)((T)p3[i] << 24)))
#define GET_8(T) ((T)(GET_4(T) | (T)((T)p4[i] << 32) | (T)((T)p5[i] << 40) | (T)((T)p6[i] << 48) | (T)((T)p7[i] << 56)))

#define KERNELS(NAME, T, B, W, SOLO, UNSOLO, MAP, UNMAP)                                                             \
  CLONES static void split_##NAME(const T *restrict x, uint8_t *restrict p, size_t n) {                              \
    for (size_t i = 0; i < n; i++) {                                                                                 \
      T z = SOLO(T, B, x[i]);                                                                                        \
      PUT_##W(z)                                                                                                     \
    }                                                                                                                \
  }                                                                                                                  \
  CLONES static void join_##NAME(const uint8_t *const *p, T *restrict x, size_t n) {                                 \
    PLANES_##W                                                                                                       \
    for (size_t i = 0; i < n; i++) {                                                                                 \
      T z = GET_##W(T);                                                                                              \
      x[i] = UNSOLO(T, B, z);                                                                                        \
    }                                                                                                                \
  }                                                                                                                  \
  CLONES static void delta_split_##NAME(const T *restrict x, const T *restrict b, uint8_t *restrict p, size_t n) {   \
    for (size_t i = 0; i < n; i++) {                                                                                 \
      T d = (T)(MAP(T, B, x[i]) - MAP(T, B, b[i]));                                                                  \
      T z = FOLD(T, B, d);                                                                                           \
      PUT_##W(z)                                                                                                     \
    }                                                                                                                \
  }                                                                                                                  \
  CLONES static void delta_join_##NAME(const uint8_t *const *p, const T *restrict b, T *restrict x, size_t n) {      \
    PLANES_##W                                                                                                       \
    for (size_t i = 0; i < n; i++) {                                                                                 \
      T z = GET_##W(T);                                                                                              \
      T y = (T)(MAP(T, B, b[i]) + UNFOLD(T, z));                                                                     \
      x[i] = UNMAP(T, B, y);                                                                                         \
    }                                                                                                                \
  }

KERNELS(f8, uint8_t, 8, 1, ROTL, ROTR, ORDER, UNORDER)
KERNELS(f16, uint16_t, 16, 2, ROTL, ROTR, ORDER, UNORDER)
KERNELS(f32, uint32_t, 32, 4, ROTL, ROTR, ORDER, UNORDER)
KERNELS(f64, uint64_t, 64, 8, ROTL, ROTR, ORDER, UNORDER)
KERNELS(i8, uint8_t, 8, 1, SAME, SAME, SAME, SAME)
KERNELS(i16, uint16_t, 16, 2, SAME, SAME, SAME, SAME)
KERNELS(i32, uint32_t, 32, 4, SAME, SAME, SAME, SAME)
KERNELS(i64, uint64_t, 64, 8, SAME, SAME, SAME, SAME)

#define DISPATCH(VERB, ...)                                                                                          \
  switch (width * 2 + (is_float != 0)) {                                                                             \
  case 2: VERB##_i8(__VA_ARGS__); break;                                                                             \
  case 3: VERB##_f8(__VA_ARGS__); break;                                                                             \
  case 4: VERB##_i16(__VA_ARGS__); break;                                                                            \
  case 5: VERB##_f16(__VA_ARGS__); break;                                                                            \
  case 8: VERB##_i32(__VA_ARGS__); break;                                                                            \
  case 9: VERB##_f32(__VA_ARGS__); break;                                                                            \
  case 16: VERB##_i64(__VA_ARGS__); break;                                                                           \
  case 17: VERB##_f64(__VA_ARGS__); break;                                                                           \
  }

void ck_split(const void *x, uint8_t *planes, size_t n, int width, int is_float) { DISPATCH(split, x, planes, n) }
void ck_join(const uint8_t *const *planes, void *x, size_t n, int width, int is_float) { DISPATCH(join, planes, x, n) }
void ck_delta_split(const void *x, const void *base, uint8_t *planes, size_t n, int width, int is_float) {
  DISPATCH(delta_split, x, base, planes, n)
}
void ck_delta_join(const uint8_t *const *planes, const void *base, void *x, size_t n, int width, int is_float) {
  DISPATCH(delta_join, planes, base, x, n)
}

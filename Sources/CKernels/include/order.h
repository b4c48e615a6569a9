#ifndef CK_ORDER_H
#define CK_ORDER_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
/// Sorts pairs (key, index) by key alone with std::sort, whose order of equal keys is what torch's unstable sort gives
/// on the CPU; `order` receives the indices. Keys must not be NaN. n < 2^32.
void ck_order(const float *keys, uint32_t *order, size_t n, int descending);
/// The set of the k largest keys that torch.topk takes on the CPU: std::partial_sort where 64 k <= n, else
/// std::nth_element. `chosen` receives k indices in no useful order.
void ck_topk(const float *keys, uint32_t *chosen, size_t n, size_t k);
/// The key that would stand at `place` < n if all were sorted; they are left in another order.
uint32_t ck_nth(uint32_t *keys, size_t n, size_t place);
#ifdef __cplusplus
}
#endif
#endif

#include "order.h"
#include <algorithm>
#include <vector>

namespace {
struct Pair {
  float key;
  uint32_t index;
};
std::vector<Pair> pairs(const float *keys, size_t n) {
  std::vector<Pair> all(n);
  for (size_t i = 0; i < n; i++) all[i] = {keys[i], static_cast<uint32_t>(i)};
  return all;
}
const auto less = [](const Pair &a, const Pair &b) { return a.key < b.key; };
const auto greater = [](const Pair &a, const Pair &b) { return a.key > b.key; };
} // namespace

void ck_order(const float *keys, uint32_t *order, size_t n, int descending) {
  auto all = pairs(keys, n);
  if (descending)
    std::sort(all.begin(), all.end(), greater);
  else
    std::sort(all.begin(), all.end(), less);
  for (size_t i = 0; i < n; i++) order[i] = all[i].index;
}

void ck_topk(const float *keys, uint32_t *chosen, size_t n, size_t k) {
  if (k == 0) return;
  auto all = pairs(keys, n);
  if (k * 64 <= n)
    std::partial_sort(all.begin(), all.begin() + k, all.end(), greater);
  else
    std::nth_element(all.begin(), all.begin() + k - 1, all.end(), greater);
  for (size_t i = 0; i < k; i++) chosen[i] = all[i].index;
}

uint32_t ck_nth(uint32_t *keys, size_t n, size_t place) {
  std::nth_element(keys, keys + place, keys + n);
  return keys[place];
}

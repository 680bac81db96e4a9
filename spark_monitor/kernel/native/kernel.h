/* The numpy kernel's inner loops, each pass over a value once. The numpy kernel is the specification: counts, cells, extremes,
 * hashes, sketches and frequent values are the same to the last bit, sums of deviations to rounding.
 *
 * Rules: no allocation, no state, no input or output: every function works on the caller's arrays alone, so that threads may call
 * them side by side. Sizes and positions are int64. A function returns a count, or one of the negative codes below; what it
 * returns after an error has left its outputs unspecified, but has written within their sizes only.
 */
#ifndef SM_KERNEL_H
#define SM_KERNEL_H
#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef _WIN32
#define EXPORTED __declspec(dllexport)
#else
#define EXPORTED __attribute__((visibility("default")))
#endif

/* Compiled into each of its callers, with the vectors that the caller may use. */
#ifdef __GNUC__
#define INLINED static inline __attribute__((always_inline))
#else
#define INLINED static inline
#endif

enum { BAD_SIZE = -1, BAD_CODE = -2, BAD_CELL = -3 };
enum { LANES = 8, BLOCK = 1024, GROUP = 32, MOST_EDGES = 8192 };

INLINED uint64_t bits_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* splitmix64 of the bits; -0.0 and 0.0 are one value. */
INLINED uint64_t hash_of(double value) {
    uint64_t bits = bits_of(value + 0.0) + UINT64_C(0x9E3779B97F4A7C15);
    bits = (bits ^ (bits >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    bits = (bits ^ (bits >> 27)) * UINT64_C(0x94D049BB133111EB);
    return bits ^ (bits >> 31);
}

/* Eight values side by side, in whatever vectors the processor has; a comparison gives words of ones or zeros. */
typedef double eight __attribute__((vector_size(LANES * sizeof(double))));
typedef uint64_t eight_words __attribute__((vector_size(LANES * sizeof(uint64_t))));

/* Hashes a group of values and says whether any hash is not above `most`. */
typedef int (*hasher)(const double *values, uint64_t most, uint64_t *hashes);

/* The one for this processor. The hashes are the same everywhere. */
hasher best_hasher(void);

/* The same of the group's first `size` values. */
int hashes_of_some(hasher hash, const double *values, int64_t size, uint64_t most, uint64_t *hashes);

INLINED int is_finite(double value) { return value >= -DBL_MAX && value <= DBL_MAX; }

/* The first position in [low, high) whose value is not below `wanted`, looked for from `low` on in growing steps. */
static inline int64_t not_below(const double *values, int64_t low, int64_t high, double wanted) {
    int64_t step = 1;
    while (step < high - low && values[low + step - 1] < wanted) {
        low += step;
        step += step;
    }
    if (step < high - low) high = low + step;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (values[middle] < wanted) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* The first position in [low, high) whose value is above `wanted`. */
static inline int64_t above(const double *values, int64_t low, int64_t high, double wanted) {
    int64_t step = 1;
    while (step < high - low && values[low + step - 1] <= wanted) {
        low += step;
        step += step;
    }
    if (step < high - low) high = low + step;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (values[middle] <= wanted) low = middle + 1;
        else high = middle;
    }
    return low;
}

#endif

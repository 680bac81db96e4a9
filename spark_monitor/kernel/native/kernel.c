/* What is read off values in order, and hashes. */
#include "kernel.h"

#ifndef SM_SOURCE
#define SM_SOURCE 0u
#endif

enum { SAMPLED = 64, MEAN_OF_ALL = 1 << 15, FACTORS = 4 };
enum { NAN_COUNT, HIGH_COUNT, LOW_COUNT, FINITE_COUNT, HASH_COUNT, FREQUENT_COUNT, STEP, BITS, COUNTS };
enum { GUESS, DEVIATIONS, SQUARES, SUMS };

EXPORTED uint32_t sm_source(void);
EXPORTED int64_t sm_present(const double *values, const uint8_t *absent, int64_t size, double *into);
EXPORTED int64_t sm_sorted(const double *values, int64_t size, const double *edges, int64_t edge_count, uint64_t most, int64_t kept,
                           int64_t capacity, int64_t *cells, uint64_t *hashes, double *reals, int64_t *integers);
EXPORTED int64_t sm_short(double *values, const int64_t *bounds, int64_t windows, double *reals, int64_t *integers);
/* Which source this was compiled from. */
uint32_t sm_source(void) { return SM_SOURCE; }

/* The hashes of a group of values, and whether any is not above `most`: a loop that compilers make vectors of, compiled once for
 * every kind of processor and chosen where the library is entered. The hashes are the same everywhere. */
#define HASHES_OF_GROUP                                                            \
    uint64_t any = 0;                                                              \
    for (int64_t lane = 0; lane < GROUP; lane++) {                                 \
        hashes[lane] = hash_of(values[lane]);                                      \
        any |= (uint64_t)(hashes[lane] <= most);                                   \
    }                                                                              \
    return any != 0;

static int hashes_of_group(const double *values, uint64_t most, uint64_t *hashes) { HASHES_OF_GROUP }

#if defined(__x86_64__) && defined(__GNUC__)
__attribute__((target("avx2"))) static int hashes_by_avx2(const double *values, uint64_t most, uint64_t *hashes) { HASHES_OF_GROUP }

__attribute__((target("avx512f,avx512dq,avx512vl"))) static int hashes_by_avx512(const double *values, uint64_t most,
                                                                               uint64_t *hashes) {
    HASHES_OF_GROUP
}

hasher best_hasher(void) {
    if (__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) return hashes_by_avx512;
    return __builtin_cpu_supports("avx2") ? hashes_by_avx2 : hashes_of_group;
}
#else
hasher best_hasher(void) { return hashes_of_group; }
#endif

int hashes_of_some(hasher hash, const double *values, int64_t size, uint64_t most, uint64_t *hashes) {
    double padded[GROUP] = {0};
    if (size == GROUP) return hash(values, most, hashes);
    memcpy(padded, values, (size_t)size * sizeof *padded);
    hash(padded, most, hashes);
    return 1;
}

/* The values that are not null, in their order. */
int64_t sm_present(const double *values, const uint8_t *absent, int64_t size, double *into) {
    int64_t found = 0;
    if (size < 0) return BAD_SIZE;
    for (int64_t row = 0; row < size; row++) {
        into[found] = values[row];
        found += absent[row] == 0;
    }
    return found;
}

static void cells_of_sorted(const double *values, int64_t size, const double *edges, int64_t edge_count, int64_t *cells) {
    int64_t at = 0;
    memset(cells, 0, (size_t)(2 * edge_count + 1) * sizeof *cells);
    if (size < edge_count) {
        for (int64_t row = 0; row < size; row++) {
            at = not_below(edges, at, edge_count, values[row]);
            cells[2 * at + (at < edge_count && edges[at] == values[row])]++;
        }
        return;
    }
    for (int64_t edge = 0; edge < edge_count; edge++) {
        int64_t from = not_below(values, at, size, edges[edge]);
        cells[2 * edge] = from - at;
        at = from;
        if (from < size && values[from] == edges[edge]) {
            at = above(values, from, size, edges[edge]);
            cells[2 * edge + 1] = at - from;
        }
    }
    cells[2 * edge_count] = size - at;
}

/* Where the finite ones of values in increasing order begin, NaN last; counts them and the others. */
static int64_t finite_of_sorted(const double *values, int64_t size, int64_t *counts) {
    int64_t low = 0, high = size;
    while (high > 0 && values[high - 1] != values[high - 1]) high--;
    counts[NAN_COUNT] = size - high;
    while (high > 0 && values[high - 1] > DBL_MAX) high--;
    counts[HIGH_COUNT] = size - counts[NAN_COUNT] - high;
    while (low < high && values[low] < -DBL_MAX) low++;
    counts[LOW_COUNT] = low;
    counts[FINITE_COUNT] = high - low;
    return low;
}

static double mean_of(const double *values, int64_t size, int64_t step) {
    double lanes[LANES] = {0}, total = 0.0;
    int64_t row = 0, taken = (size + step - 1) / step, whole = taken - taken % LANES;
    for (int64_t done = 0; done < whole; done += LANES, row += LANES * step)
        for (int64_t lane = 0; lane < LANES; lane++) lanes[lane] += values[row + lane * step];
    for (; row < size; row += step) lanes[0] += values[row];
    for (int64_t lane = 0; lane < LANES; lane++) total += lanes[lane];
    return total / (double)taken;
}

/* The sums of deviations from a guess and of their squares, that of all bits, and how many different values there are. */
static int64_t summed(const double *values, int64_t size, double guess, double *sums, uint64_t *bits) {
    double deviations = 0.0, squares = 0.0;
    uint64_t total = 0;
    int64_t runs = size > 0;
    for (int64_t low = 0; low < size; low += BLOCK) {
        eight lanes = {0.0}, squared = {0.0};
        eight_words wrapping = {0};
        int64_t high = size - low < BLOCK ? size : low + BLOCK, row = low, changes = 0;
        for (; high - row >= LANES; row += LANES) {
            eight value;
            memcpy(&value, values + row, sizeof value);
            eight deviation = value - guess;
            lanes += deviation;
            squared += deviation * deviation;
            wrapping += (eight_words)(value + 0.0);
        }
        for (; row < high; row++) {
            double deviation = values[row] - guess;
            lanes[0] += deviation;
            squared[0] += deviation * deviation;
            wrapping[0] += bits_of(values[row] + 0.0);
        }
        for (row = low > 0 ? low : 1; row < high; row++) changes += values[row] != values[row - 1];
        runs += changes;
        for (int64_t lane = 0; lane < LANES; lane++) {
            deviations += lanes[lane];
            squares += squared[lane];
            total += wrapping[lane];
        }
    }
    sums[DEVIATIONS] = deviations;
    sums[SQUARES] = squares;
    *bits = total;
    return runs;
}

/* The hashes, none greater than `most`, of the first value of every run of equal ones. */
static int64_t hashes_of_runs(const double *values, int64_t size, uint64_t most, uint64_t *hashes) {
    hasher hash = best_hasher();
    uint64_t own[GROUP];
    int64_t found = 0;
    for (int64_t low = 0; low < size; low += GROUP) {
        int64_t count = size - low < GROUP ? size - low : GROUP;
        if (low > 0 && values[low - 1] == values[low + count - 1]) continue; /* no run begins here */
        if (!hashes_of_some(hash, values + low, count, most, own)) continue;
        for (int64_t lane = 0; lane < count; lane++) {
            int64_t row = low + lane;
            hashes[found] = own[lane];
            found += (own[lane] <= most) & (row == 0 || values[row] != values[row - 1]);
        }
    }
    return found;
}

/* Values that occur at least `step` times: any such run covers a multiple of `step`. */
static int64_t frequent_of(const double *values, int64_t size, int64_t step, double *frequent, int64_t *many) {
    int64_t found = 0, next = 0;
    for (int64_t row = 0; row < size; row += step) {
        if (row < next) continue; /* within the run that was counted last */
        int64_t first = not_below(values, next, row + 1, values[row]);
        next = above(values, row, size, values[row]);
        if (next - first < step) continue;
        frequent[found] = values[row] + 0.0;
        many[found++] = next - first;
    }
    return found;
}

/* Everything that is read off values in increasing order, NaN last: see `states.numeric.NumericState.of_sorted`.
 *
 * cells int64[2 edge_count + 1], hashes uint64[size] (at most those that are not greater than `most`; more than `kept` only where
 * no smaller one is missing), reals double[SUMS + capacity] (sums about a guess, then frequent values), integers int64[COUNTS + capacity]
 * (counts, the sum of all bits, then how often each frequent value occurs).
 */
int64_t sm_sorted(const double *values, int64_t size, const double *edges, int64_t edge_count, uint64_t most, int64_t kept,
                  int64_t capacity, int64_t *cells, uint64_t *hashes, double *reals, int64_t *integers) {
    int64_t *counts = integers, *many = integers + COUNTS;
    double *sums = reals, *frequent = reals + SUMS;
    uint64_t bits = 0;
    if (size < 0 || edge_count < 1 || edge_count > MOST_EDGES || kept < 1 || kept > INT32_MAX || capacity < 1) return BAD_SIZE;
    memset(counts, 0, COUNTS * sizeof *counts);
    values += finite_of_sorted(values, size, counts);
    size = counts[FINITE_COUNT];
    cells_of_sorted(values, size, edges, edge_count, cells);
    sums[GUESS] = sums[DEVIATIONS] = sums[SQUARES] = 0.0;
    if (size == 0) return 0;
    sums[GUESS] = mean_of(values, size, size > MEAN_OF_ALL ? SAMPLED : 1);
    int64_t runs = summed(values, size, sums[GUESS], sums, &bits);
    uint64_t fair = runs > FACTORS * kept ? UINT64_MAX / (uint64_t)runs * (uint64_t)(FACTORS * kept) : UINT64_MAX;
    int64_t found = hashes_of_runs(values, size, fair < most ? fair : most, hashes);
    if (fair < most && found <= kept) found = hashes_of_runs(values, size, most, hashes);
    memcpy(&counts[BITS], &bits, sizeof bits);
    counts[HASH_COUNT] = found;
    counts[STEP] = (size + capacity - 1) / capacity;
    counts[FREQUENT_COUNT] = frequent_of(values, size, counts[STEP], frequent, many);
    return 0;
}

/* Totals and sums of many short windows: the values of each stand between two bounds in increasing order, NaN last. Zeros get one
 * sign where they stand. reals double[SUMS windows], integers int64[4 windows]: NaN, infinities, finite values.
 */
int64_t sm_short(double *values, const int64_t *bounds, int64_t windows, double *reals, int64_t *integers) {
    if (windows < 0) return BAD_SIZE;
    for (int64_t window = 0; window < windows; window++, reals += SUMS, integers += FINITE_COUNT + 1) {
        int64_t low = bounds[window], high = bounds[window + 1];
        uint64_t bits = 0;
        if (low < 0 || high < low) return BAD_SIZE;
        low += finite_of_sorted(values + low, high - low, integers);
        high = low + integers[FINITE_COUNT];
        for (int64_t row = low; row < high; row++) values[row] += 0.0;
        reals[GUESS] = reals[DEVIATIONS] = reals[SQUARES] = 0.0;
        if (high == low) continue;
        reals[GUESS] = mean_of(values + low, high - low, 1);
        summed(values + low, high - low, reals[GUESS], reals, &bits);
    }
    return 0;
}

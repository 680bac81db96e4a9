/* Values in order, and the rows of slices. */
#include "kernel.h"

#ifndef SM_SOURCE
#define SM_SOURCE 0u
#endif

enum { SAMPLED = 64, MEAN_OF_ALL = 1 << 15, FACTORS = 4 };
enum { NAN_COUNT, HIGH_COUNT, LOW_COUNT, FINITE_COUNT, HASH_COUNT, FREQUENT_COUNT, STEP, BITS, COUNTS };
enum { GUESS, DEVIATIONS, SQUARES, SUMS };
enum { SUM, SUM_OF_SQUARES, LEAST, GREATEST, MOMENTS };
enum { BY_SEARCH, AFFINE, ORDERED };
enum { NULLS = 1, NANS, HIGH, LOW, TOTALS };

/* Cells of rows without a finite value; no grid has so many cells. */
#define SPECIAL 0xFFFCu
#define CELL_OF_NULL 0xFFFFu
#define CELL_OF_NAN 0xFFFEu
#define CELL_OF_HIGH 0xFFFDu
#define CELL_OF_LOW 0xFFFCu
/* Marks a key of the look-up table that several edges share. */
#define SHARED 0x8000u

EXPORTED uint32_t sm_source(void);
EXPORTED int64_t sm_present(const double *values, const uint8_t *absent, int64_t size, double *into);
EXPORTED int64_t sm_sorted(const double *values, int64_t size, const double *edges, int64_t edge_count, uint64_t most, int64_t kept,
                           int64_t capacity, int64_t *cells, uint64_t *hashes, double *reals, int64_t *integers);
EXPORTED int64_t sm_part(const double *values, const uint8_t *absent, int64_t size, const double *edges, int64_t edge_count,
                         int64_t kind, double low, double scale, int64_t shift, int64_t first, const uint16_t *below,
                         int64_t keys, uint64_t most, uint16_t *cells, int64_t *rows, uint64_t *hashes);
EXPORTED int64_t sm_key(const double *values, const uint16_t *cells, const int64_t *codes, int64_t size, double guess,
                        int64_t code_count, int64_t width, int64_t copies, uint32_t *table, int64_t *pairs, double *moments,
                        int64_t *totals);
EXPORTED int64_t sm_hashes_between(const double *values, const uint16_t *cells, const int64_t *codes, int64_t size,
                                   int64_t code_count, const uint64_t *lowest, const uint64_t *highest, int64_t *found,
                                   uint64_t *hashes);

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
        double lanes[LANES] = {0}, squared[LANES] = {0};
        uint64_t wrapping[LANES] = {0};
        int64_t high = size - low < BLOCK ? size : low + BLOCK, row = low, changes = 0;
        for (; high - row >= LANES; row += LANES)
            for (int64_t lane = 0; lane < LANES; lane++) {
                double deviation = values[row + lane] - guess;
                lanes[lane] += deviation;
                squared[lane] += deviation * deviation;
                wrapping[lane] += bits_of(values[row + lane] + 0.0);
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
    int64_t low = 0, high = size, *counts = integers, *many = integers + COUNTS;
    double *sums = reals, *frequent = reals + SUMS;
    uint64_t bits = 0;
    if (size < 0 || edge_count < 1 || edge_count > MOST_EDGES || kept < 1 || kept > INT32_MAX || capacity < 1) return BAD_SIZE;
    memset(counts, 0, COUNTS * sizeof *counts);
    while (high > 0 && values[high - 1] != values[high - 1]) high--;
    counts[NAN_COUNT] = size - high;
    while (high > 0 && values[high - 1] > DBL_MAX) high--;
    counts[HIGH_COUNT] = size - counts[NAN_COUNT] - high;
    while (low < high && values[low] < -DBL_MAX) low++;
    counts[LOW_COUNT] = low;
    values += low;
    size = high - low;
    counts[FINITE_COUNT] = size;
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

/* A grid's edges, and its look-up table: for each of `keys` keys how many edges have a lesser one, SHARED added where several edges
 * share it. A grid of the kind BY_SEARCH has no table. */
struct grid {
    const double *edges;
    int64_t edge_count;
    int64_t kind;
    double low, scale;
    int64_t shift, first;
    const uint16_t *below;
    int64_t keys;
};

static inline int32_t affine_key(double value, const struct grid *grid) {
    double steps = (value - grid->low) * grid->scale, last = (double)(grid->keys - 1);
    steps = steps > 0.0 ? steps : 0.0;
    return (int32_t)(steps < last ? steps : last);
}

/* The leading bits of the value as float32 (beyond its range an infinity), in numeric order. */
static inline int32_t ordered_key(double value, const struct grid *grid) {
    float single = (float)value;
    int32_t bits;
    memcpy(&bits, &single, sizeof bits);
    int64_t key = bits < 0 ? INT64_C(-2147483648) - bits : bits;
    /* Moved up by 2^31, a multiple of every 2^shift, so that no negative number is shifted. */
    key = ((key + (INT64_C(1) << 31)) >> grid->shift) - (INT64_C(1) << 31 >> grid->shift) - grid->first;
    return (int32_t)(key < 0 ? 0 : key < grid->keys ? key : grid->keys - 1);
}

/* The cells of finite values: guessed from the table, corrected by comparing with the edges. */
static inline void cells_of_finite(const double *values, int64_t size, const struct grid *grid, int64_t kind, uint16_t *cells) {
    const double *edges = grid->edges;
    int64_t last = grid->edge_count - 1;
    int32_t ranks[GROUP];
    if (kind == BY_SEARCH)
        for (int64_t lane = 0; lane < size; lane++) ranks[lane] = SHARED;
    if (kind == AFFINE)
        for (int64_t lane = 0; lane < size; lane++) ranks[lane] = affine_key(values[lane], grid);
    if (kind == ORDERED)
        for (int64_t lane = 0; lane < size; lane++) ranks[lane] = ordered_key(values[lane], grid);
    if (kind != BY_SEARCH)
        for (int64_t lane = 0; lane < size; lane++) ranks[lane] = grid->below[ranks[lane]];
    for (int64_t lane = 0; lane < size; lane++) {
        double value = values[lane];
        int64_t rank = ranks[lane];
        if (rank & (int64_t)SHARED) rank = above(edges, rank & (int64_t)(SHARED - 1), last + 1, value);
        else rank += (rank <= last) & (value >= edges[rank < last ? rank : last]);
        cells[lane] = (uint16_t)(2 * rank - ((rank > 0) & (value == edges[rank > 0 ? rank - 1 : 0])));
    }
}

/* The same where some are null or not finite, whose cells are SPECIAL ones. */
static void cells_of_some(const double *values, const uint8_t *absent, int64_t size, const struct grid *grid, uint16_t *cells) {
    for (int64_t lane = 0; lane < size; lane++) {
        double value = values[lane];
        if (absent && absent[lane]) cells[lane] = CELL_OF_NULL;
        else if (value != value) cells[lane] = CELL_OF_NAN;
        else if (!is_finite(value)) cells[lane] = value > 0.0 ? CELL_OF_HIGH : CELL_OF_LOW;
        else cells_of_finite(values + lane, 1, grid, grid->kind, cells + lane);
    }
}

static int all_finite(const double *values, const uint8_t *absent, int64_t size) {
    int others = 0;
    for (int64_t lane = 0; lane < size; lane++) others |= !is_finite(values[lane]);
    for (int64_t lane = 0; absent && lane < size; lane++) others |= absent[lane];
    return others == 0;
}

/* The cell of every row, and the row and hash of every finite value that is no edge and whose hash is not above `most`.
 *
 * cells uint16[size], rows int64[size], hashes uint64[size].
 */
int64_t sm_part(const double *values, const uint8_t *absent, int64_t size, const double *edges, int64_t edge_count, int64_t kind,
                double low, double scale, int64_t shift, int64_t first, const uint16_t *below, int64_t keys, uint64_t most,
                uint16_t *cells, int64_t *rows, uint64_t *hashes) {
    if (size < 0 || edge_count < 1 || edge_count > MOST_EDGES || shift < 0 || shift > 31) return BAD_SIZE;
    if (kind != BY_SEARCH && kind != AFFINE && kind != ORDERED) return BAD_SIZE;
    if (kind != BY_SEARCH && (keys < 1 || keys > 1 << 24)) return BAD_SIZE;
    for (int64_t key = 0; kind != BY_SEARCH && key < keys; key++)
        if ((below[key] & (SHARED - 1)) > edge_count) return BAD_CELL;
    const struct grid grid = {edges, edge_count, kind, low, scale, shift, first, below, keys};
    hasher hash = best_hasher();
    uint64_t own[GROUP];
    int64_t found = 0;
    for (int64_t from = 0; from < size; from += GROUP) {
        int64_t count = size - from < GROUP ? size - from : GROUP;
        int any = hashes_of_some(hash, values + from, count, most, own);
        if (!all_finite(values + from, absent ? absent + from : NULL, count))
            cells_of_some(values + from, absent ? absent + from : NULL, count, &grid, cells + from);
        else if (kind == AFFINE) cells_of_finite(values + from, count, &grid, AFFINE, cells + from);
        else if (kind == ORDERED) cells_of_finite(values + from, count, &grid, ORDERED, cells + from);
        else cells_of_finite(values + from, count, &grid, BY_SEARCH, cells + from);
        for (int64_t lane = 0; any && lane < count; lane++) {
            rows[found] = from + lane;
            hashes[found] = own[lane];
            found += (own[lane] <= most) & (cells[from + lane] < SPECIAL) & ~cells[from + lane];
        }
    }
    return found;
}

/* Counts of one slice key: for every code (slice value) its moments about a guess and its extremes, its nulls, NaN and infinities,
 * and the cells of its finite values, in a table of `code_count` times `width` counters or, where that is NULL, as pairs
 * code * width + cell.
 *
 * moments double[copies * code_count][4] (`copies`, a power of two, spread rows of one code over several sums, so that one addition
 * need not wait for the other), totals int64[code_count][5] are added to; pairs int64[size].
 * Returns the number of finite values.
 */
int64_t sm_key(const double *values, const uint16_t *cells, const int64_t *codes, int64_t size, double guess, int64_t code_count,
               int64_t width, int64_t copies, uint32_t *table, int64_t *pairs, double *moments, int64_t *totals) {
    int64_t found = 0;
    if (size < 0 || code_count < 0 || width < 1 || width > 2 * MOST_EDGES + 1) return BAD_SIZE;
    if (copies < 1 || (copies & (copies - 1)) || code_count > INT64_C(1) << 40) return BAD_SIZE;
    for (int64_t place = 0; place < copies * code_count; place++) {
        double *own = moments + place * MOMENTS;
        own[SUM] = own[SUM_OF_SQUARES] = 0.0;
        own[LEAST] = (double)INFINITY;
        own[GREATEST] = -(double)INFINITY;
    }
    for (int64_t row = 0; row < size; row++) {
        int64_t code = codes[row], cell = cells[row];
        if (code < 0 || code >= code_count) return BAD_CODE;
        if (cell >= width) {
            if (cell < (int64_t)SPECIAL) return BAD_CELL;
            totals[code * TOTALS + NULLS + ((int64_t)CELL_OF_NULL - cell)]++;
            continue;
        }
        double value = values[row], deviation = value - guess;
        double *own = moments + ((row & (copies - 1)) * code_count + code) * MOMENTS;
        own[SUM] += deviation;
        own[SUM_OF_SQUARES] += deviation * deviation;
        own[LEAST] = value < own[LEAST] ? value : own[LEAST];
        own[GREATEST] = value > own[GREATEST] ? value : own[GREATEST];
        if (table) table[code * width + cell]++;
        else pairs[found] = code * width + cell;
        found++;
    }
    for (int64_t place = code_count; place < copies * code_count; place++) {
        double *own = moments + place % code_count * MOMENTS, *more = moments + place * MOMENTS;
        own[SUM] += more[SUM];
        own[SUM_OF_SQUARES] += more[SUM_OF_SQUARES];
        own[LEAST] = more[LEAST] < own[LEAST] ? more[LEAST] : own[LEAST];
        own[GREATEST] = more[GREATEST] > own[GREATEST] ? more[GREATEST] : own[GREATEST];
    }
    return found;
}

/* Codes and hashes of the finite values off the edges whose hash lies within their code's bounds, both included. */
int64_t sm_hashes_between(const double *values, const uint16_t *cells, const int64_t *codes, int64_t size, int64_t code_count,
                          const uint64_t *lowest, const uint64_t *highest, int64_t *found_codes, uint64_t *hashes) {
    int64_t found = 0;
    if (size < 0 || code_count < 0) return BAD_SIZE;
    for (int64_t row = 0; row < size; row++) {
        int64_t code = codes[row];
        if (code < 0 || code >= code_count) return BAD_CODE;
        if (lowest[code] > highest[code] || cells[row] >= SPECIAL || (cells[row] & 1)) continue;
        uint64_t hash = hash_of(values[row]);
        if (hash < lowest[code] || hash > highest[code]) continue;
        found_codes[found] = code;
        hashes[found++] = hash;
    }
    return found;
}

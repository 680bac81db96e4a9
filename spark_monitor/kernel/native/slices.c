/* The rows of slices: the cell of every value, and what is counted by the values of each slice key. */
#include "kernel.h"

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
/* The exponent of NaN and the infinities. */
#define INFINITE UINT64_C(0x7FF0000000000000)

EXPORTED int64_t sm_part(const double *values, const uint8_t *absent, int64_t size, const double *edges, int64_t edge_count,
                         int64_t kind, double low, double scale, int64_t shift, int64_t first, const uint16_t *below,
                         int64_t keys, uint64_t most, uint16_t *cells, int64_t *rows, uint64_t *hashes);
EXPORTED int64_t sm_key(const double *values, const uint16_t *cells, const uint32_t *codes, int64_t size, double guess,
                        int64_t code_count, int64_t width, int64_t copies, uint32_t *table, int64_t *pairs, double *moments,
                        int64_t *totals);
EXPORTED int64_t sm_hashes_between(const double *values, const uint16_t *cells, const uint32_t *codes, int64_t size,
                                   int64_t code_count, const uint64_t *lowest, const uint64_t *highest, int64_t *found,
                                   uint64_t *hashes);

/* A grid's edges between -Inf and +Inf, and its look-up table: for each of `keys` keys how many edges have a lesser one, SHARED added where several edges
 * share it. A grid of the kind BY_SEARCH has no table. */
struct grid {
    const double *edges;
    int64_t edge_count;
    int64_t kind;
    double low, scale, last; /* affine keys */
    int32_t shift, first, greatest; /* ordered keys: the leading bits of the first and of the last */
    const uint16_t *below;
};

INLINED int32_t affine_key(double value, const struct grid *grid) {
    double steps = (value - grid->low) * grid->scale;
    steps = steps > 0.0 ? steps : 0.0;
    return (int32_t)(steps < grid->last ? steps : grid->last);
}

/* The leading bits of the value as float32 (beyond its range an infinity), in numeric order. */
INLINED int32_t ordered_key(double value, const struct grid *grid) {
    float single = (float)value;
    int32_t bits;
    memcpy(&bits, &single, sizeof bits);
    bits = bits < 0 ? INT32_MIN - bits : bits;
    bits >>= grid->shift; /* before the bounds: keys may lie where no value has its bits */
    bits = bits > grid->first ? bits : grid->first;
    bits = bits < grid->greatest ? bits : grid->greatest;
    return bits - grid->first;
}

/* The cells of a block of finite values: guessed from the table, corrected by comparing with the edges. Every step is a loop that
 * compilers make vectors of; `kind` is known where this is compiled. */
INLINED void cells_of_finite(const double *values, int64_t size, const struct grid *grid, int64_t kind, uint16_t *cells) {
    int32_t ranks[BLOCK], shared = 0;
    if (kind == BY_SEARCH)
        for (int64_t row = 0; row < size; row++) ranks[row] = SHARED;
    if (kind == AFFINE)
        for (int64_t row = 0; row < size; row++) ranks[row] = affine_key(values[row], grid);
    if (kind == ORDERED)
        for (int64_t row = 0; row < size; row++) ranks[row] = ordered_key(values[row], grid);
    if (kind != BY_SEARCH)
        for (int64_t row = 0; row < size; row++) ranks[row] = grid->below[ranks[row]];
    for (int64_t row = 0; row < size; row++) shared |= ranks[row];
    if (shared & (int32_t)SHARED)
        for (int64_t row = 0; row < size; row++) {
            if (!(ranks[row] & (int32_t)SHARED)) continue;
            int64_t rank = ranks[row] & (int32_t)(SHARED - 1);
            ranks[row] = (int32_t)(above(grid->edges, rank, grid->edge_count + 1, values[row]) - 1);
        }
    for (int64_t row = 0; row < size; row++) {
        double value = values[row];
        int32_t rank = ranks[row];
        rank += value >= grid->edges[rank + 1];
        cells[row] = (uint16_t)(2 * rank - (value == grid->edges[rank]));
    }
}

INLINED int all_finite(const double *values, const uint8_t *absent, int64_t size) {
    int64_t others = 0;
    for (int64_t row = 0; row < size; row++) others |= (bits_of(values[row]) & INFINITE) == INFINITE;
    for (int64_t row = 0; absent && row < size; row++) others |= absent[row];
    return others == 0;
}

/* Finds the cells of a block, where all are there and finite; else does nothing and returns 0. */
typedef int (*cell_finder)(const double *values, const uint8_t *absent, int64_t size, const struct grid *grid, uint16_t *cells);

#define CELLS_OF_BLOCK                                                                                                      \
    (const double *values, const uint8_t *absent, int64_t size, const struct grid *grid, uint16_t *cells) {                 \
        if (!all_finite(values, absent, size)) return 0;                                                                    \
        if (grid->kind == AFFINE) cells_of_finite(values, size, grid, AFFINE, cells);                                       \
        else if (grid->kind == ORDERED) cells_of_finite(values, size, grid, ORDERED, cells);                                \
        else cells_of_finite(values, size, grid, BY_SEARCH, cells);                                                         \
        return 1;                                                                                                           \
    }

static int cells_of_block CELLS_OF_BLOCK

#if defined(__x86_64__) && defined(__GNUC__)
__attribute__((target("avx2"))) static int cells_of_block_by_avx2 CELLS_OF_BLOCK

__attribute__((target("avx512f,avx512dq,avx512vl,avx512bw"))) static int cells_of_block_by_avx512 CELLS_OF_BLOCK

static cell_finder best_cell_finder(void) {
    if (__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw"))
        return cells_of_block_by_avx512;
    return __builtin_cpu_supports("avx2") ? cells_of_block_by_avx2 : cells_of_block;
}
#else
static cell_finder best_cell_finder(void) { return cells_of_block; }
#endif

static uint16_t special_cell(double value) {
    if (value != value) return CELL_OF_NAN;
    return value > 0.0 ? CELL_OF_HIGH : CELL_OF_LOW;
}

/* The same of a block in which some are null or not finite, whose cells are SPECIAL ones. */
static void cells_of_some(cell_finder find, const double *values, const uint8_t *absent, int64_t size, const struct grid *grid,
                          uint16_t *cells) {
    double finite[BLOCK] = {0.0};
    for (int64_t row = 0; row < size; row++) finite[row] = is_finite(values[row]) ? values[row] : 0.0;
    find(finite, NULL, size, grid, cells);
    for (int64_t row = 0; row < size; row++)
        if (!is_finite(values[row])) cells[row] = special_cell(values[row]);
    for (int64_t row = 0; absent && row < size; row++) cells[row] = absent[row] ? CELL_OF_NULL : cells[row];
}

/* The rows and hashes of a block's values that are finite and no edge and have a hash not above `most`. */
static int64_t hashes_off_edges(hasher hash, const double *values, const uint16_t *cells, int64_t first, int64_t size, uint64_t most,
                                int64_t *rows, uint64_t *hashes) {
    uint64_t own[GROUP];
    int64_t found = 0;
    for (int64_t low = 0; low < size; low += GROUP) {
        int64_t count = size - low < GROUP ? size - low : GROUP;
        if (!hashes_of_some(hash, values + low, count, most, own)) continue;
        for (int64_t lane = 0; lane < count; lane++) {
            rows[found] = first + low + lane;
            hashes[found] = own[lane];
            found += (own[lane] <= most) & (cells[low + lane] < SPECIAL) & ~cells[low + lane];
        }
    }
    return found;
}

/* The cell of every row, and the row and hash of every finite value that is no edge and whose hash is not above `most`.
 *
 * edges double[1 + edge_count + 1] between -Inf and +Inf; cells uint16[size], rows int64[size], hashes uint64[size].
 */
int64_t sm_part(const double *values, const uint8_t *absent, int64_t size, const double *edges, int64_t edge_count, int64_t kind,
                double low, double scale, int64_t shift, int64_t first, const uint16_t *below, int64_t keys, uint64_t most,
                uint16_t *cells, int64_t *rows, uint64_t *hashes) {
    if (size < 0 || edge_count < 1 || edge_count > MOST_EDGES || shift < 0 || shift > 31) return BAD_SIZE;
    if (!(edges[0] < -DBL_MAX) || !(edges[edge_count + 1] > DBL_MAX)) return BAD_SIZE;
    if (kind != BY_SEARCH && kind != AFFINE && kind != ORDERED) return BAD_SIZE;
    if (keys < 1 || keys > 1 << 24 || first < INT32_MIN || first > INT32_MAX - keys) return BAD_SIZE;
    for (int64_t key = 0; kind != BY_SEARCH && key < keys; key++)
        if ((below[key] & (SHARED - 1)) > edge_count) return BAD_CELL;
    const struct grid grid = {edges, edge_count, kind, low, scale, (double)(keys - 1), (int32_t)shift, (int32_t)first,
                              (int32_t)(first + keys - 1), below};
    hasher hash = best_hasher();
    cell_finder find = best_cell_finder();
    int64_t found = 0;
    for (int64_t from = 0; from < size; from += BLOCK) {
        int64_t count = size - from < BLOCK ? size - from : BLOCK;
        const double *own = values + from;
        const uint8_t *missing = absent ? absent + from : NULL;
        if (!find(own, missing, count, &grid, cells + from)) cells_of_some(find, own, missing, count, &grid, cells + from);
        found += hashes_off_edges(hash, own, cells + from, from, count, most, rows + found, hashes + found);
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
int64_t sm_key(const double *values, const uint16_t *cells, const uint32_t *codes, int64_t size, double guess, int64_t code_count,
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
        if (code >= code_count) return BAD_CODE;
        if (cell >= width) {
            if (cell < (int64_t)SPECIAL) return BAD_CELL;
            totals[code * TOTALS + NULLS + ((int64_t)CELL_OF_NULL - cell)]++;
            continue;
        }
        double value = values[row], deviation = value - guess;
        double *own = moments + ((row & (copies - 1)) * code_count + code) * MOMENTS;
        own[SUM] += deviation;
        own[SUM_OF_SQUARES] += deviation * deviation;
        if (value < own[LEAST]) own[LEAST] = value;
        if (value > own[GREATEST]) own[GREATEST] = value;
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
int64_t sm_hashes_between(const double *values, const uint16_t *cells, const uint32_t *codes, int64_t size, int64_t code_count,
                          const uint64_t *lowest, const uint64_t *highest, int64_t *found_codes, uint64_t *hashes) {
    int64_t found = 0;
    if (size < 0 || code_count < 0) return BAD_SIZE;
    for (int64_t row = 0; row < size; row++) {
        int64_t code = codes[row];
        if (code >= code_count) return BAD_CODE;
        if (lowest[code] > highest[code] || cells[row] >= SPECIAL || (cells[row] & 1)) continue;
        uint64_t hash = hash_of(values[row]);
        if (hash < lowest[code] || hash > highest[code]) continue;
        found_codes[found] = code;
        hashes[found++] = hash;
    }
    return found;
}

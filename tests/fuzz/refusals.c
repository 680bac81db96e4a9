/* One number of a call is out of its range: the call is refused and nothing is written beyond an array. */
#include "fuzz.h"

enum { ROWS = 4, FEW_EDGES = 2, KEYS = 1 << 16 };

static int64_t draw_negative(struct input *in) { return draw_chance(in, 2) ? -1 - draw_byte(in) : (int64_t)(draw_bits(in) | UINT64_C(1) << 63); }

/* Below `least` or above `most`, as far away as an int64 goes. */
static int64_t draw_outside(struct input *in, int64_t least, int64_t most) {
    int64_t far = draw_byte(in), beyond = (int64_t)(draw_bits(in) >> 1);
    if (draw_chance(in, 2)) return draw_chance(in, 2) ? least - 1 - far : beyond < least ? beyond - INT64_MAX : INT64_MIN + far;
    return draw_chance(in, 2) ? most + 1 + far : beyond > most ? beyond : INT64_MAX - far;
}

static const double values[ROWS] = {-1.0, 0.5, 2.0, 3.0}, edges[FEW_EDGES + 2] = {-(double)INFINITY, 0.0, 2.0, (double)INFINITY};

static int64_t refused_window(struct input *in) {
    double reals[12], into[ROWS], some[ROWS];
    int64_t integers[32], cells[2 * FEW_EDGES + 1], bounds[3] = {0, 2, ROWS}, size = ROWS, edge_count = FEW_EDGES, kept = 1, capacity = 1;
    uint64_t hashes[ROWS];
    const uint8_t absent[ROWS] = {0};
    memcpy(some, values, sizeof some);
    switch (draw_byte(in) % 9) {
    case 8: return sm_counted(values, absent, draw_negative(in), into, integers);
    case 0: return sm_present(values, absent, draw_negative(in), into);
    case 1: return sm_finite(values, absent, draw_negative(in), into, integers);
    case 2: return sm_short(some, bounds, draw_negative(in), reals, integers);
    case 3:
        bounds[draw_byte(in) % 3] = draw_negative(in);
        return sm_short(some, bounds, 2, reals, integers);
    case 4: size = draw_negative(in); break;
    case 5: edge_count = draw_outside(in, 1, MOST_EDGES); break;
    case 6: kept = draw_outside(in, 1, INT32_MAX); break;
    default: capacity = draw_chance(in, 2) ? 0 : draw_negative(in); break;
    }
    return sm_sorted(values, size, edges + 1, edge_count, UINT64_MAX, kept, capacity, cells, hashes, reals, integers);
}

static int64_t refused_part(struct input *in) {
    int64_t kind = 1 + draw_byte(in) % 2, keys = 2, shift = 30, first = 0, edge_count = FEW_EDGES, size = ROWS, rows[ROWS];
    uint16_t below[2] = {0, 1}, cells[ROWS];
    uint64_t hashes[ROWS];
    double bounded[FEW_EDGES + 2];
    static const double finite[] = {0.0, -DBL_MAX, DBL_MAX, (double)NAN};
    memcpy(bounded, edges, sizeof bounded);
    switch (draw_byte(in) % 8) {
    case 0: size = draw_negative(in); break;
    case 1: edge_count = draw_outside(in, 1, MOST_EDGES); break;
    case 2: kind = draw_outside(in, 0, 2); break;
    case 3: shift = draw_outside(in, 0, 31); break;
    case 4: keys = draw_outside(in, 1, 1 << 24); break;
    case 5: below[draw_byte(in) % 2] = (uint16_t)(FEW_EDGES + 1 + draw_below(in, 0x7FFC)) | (draw_byte(in) & 1 ? 0x8000 : 0); break;
    case 6: bounded[draw_byte(in) % 2 ? 0 : FEW_EDGES + 1] = finite[draw_byte(in) % 4]; break;
    default:
        kind = 2;
        first = draw_outside(in, INT32_MIN, INT32_MAX - keys);
    }
    return sm_part(values, NULL, size, bounded, edge_count, kind, 0.0, 1.0, shift, first, below, keys, UINT64_MAX, cells, rows, hashes);
}

static int64_t refused_key(struct input *in) {
    int64_t size = ROWS, code_count = 2, width = 5, copies = 2, totals[10] = {0}, pairs[ROWS], slices[ROWS];
    uint16_t cells[ROWS] = {0, 1, 4, NAN_CELL};
    uint32_t codes[ROWS] = {0, 1, 0, 1};
    uint64_t lowest[2] = {0}, highest[2] = {UINT64_MAX, UINT64_MAX}, hashes[ROWS];
    double moments[16];
    int between = draw_chance(in, 3);
    switch (draw_byte(in) % 6) {
    case 0: size = draw_negative(in); break;
    case 1: code_count = draw_negative(in); break;
    case 2: codes[draw_byte(in) % ROWS] = draw_chance(in, 2) ? 2 : UINT32_MAX - draw_byte(in); break;
    case 3: between = 0; width = draw_outside(in, 1, 2 * MOST_EDGES + 1); break;
    case 4: between = 0; cells[draw_byte(in) % ROWS] = (uint16_t)(5 + draw_below(in, LOW_CELL - 5)); break;
    default: between = 0; copies = draw_chance(in, 2) ? 3 : draw_chance(in, 2) ? 0 : draw_negative(in); break;
    }
    if (between) return sm_hashes_between(values, cells, codes, size, code_count, lowest, highest, slices, hashes);
    return sm_key(values, cells, codes, size, 0.0, code_count, width, copies, NULL, pairs, moments, totals);
}

static int64_t refused_ranks(struct input *in) {
    int64_t size = 512, marks = 1, capacity = 512, integers[3], cells[2 * FEW_EDGES + 1], many[512];
    int64_t edge_count = FEW_EDGES, level = 3, offset = 1, step = 1;
    double *column = memory(in, size, sizeof *column), reals[9] = {0}, bucketed[64], some[512];
    uint16_t *keys = memory(in, size, sizeof *keys);
    uint32_t *histogram = large_memory(0, KEYS * sizeof *histogram), *scratch = large_memory(1, 3 * KEYS * sizeof *scratch);
    uint64_t *hashes = memory(in, capacity, sizeof *hashes);
    memset(column, 0, 512 * sizeof *column);
    memset(keys, 0, 512 * sizeof *keys);
    memset(histogram, 0, KEYS * sizeof *histogram);
    if (draw_chance(in, 2)) {
        uint8_t which = draw_byte(in) % 3;
        if (which == 0) size = draw_outside(in, 512, UINT32_MAX);
        else *(which == 1 ? &marks : &capacity) = draw_chance(in, 2) ? 0 : draw_negative(in);
        return sm_scan(column, size, marks, 0, capacity, keys, histogram, hashes, reals, integers);
    }
    switch (draw_byte(in) % 5) {
    case 0: size = draw_outside(in, 1, UINT32_MAX); break;
    case 1: edge_count = draw_outside(in, 1, MOST_EDGES); break;
    case 2: level = draw_outside(in, 0, 31); break;
    case 3: offset = draw_outside(in, 0, 7); break;
    default: step = draw_chance(in, 2) ? 0 : draw_negative(in); break;
    }
    return sm_ranked(column, keys, histogram, size, edges + 1, edge_count, offset, level, step, reals, bucketed, scratch, cells, some,
                     some, some, many, integers);
}

void fuzz_refusals(struct input *in) {
    uint8_t which = draw_byte(in) % 4;
    int64_t result = which == 0 ? refused_window(in) : which == 1 ? refused_part(in) : which == 2 ? refused_key(in) : refused_ranks(in);
    REQUIRE(result < 0 && result >= BAD_CELL, "group %d was not refused: %lld", which, (long long)result);
    held[REFUSED]++;
}

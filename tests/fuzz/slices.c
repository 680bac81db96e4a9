/* sm_part, sm_key and sm_hashes_between on the same rows, held against their definitions. */
#include "fuzz.h"

enum { BY_SEARCH, AFFINE, ORDERED, SHARED = 0x8000 };
enum { SUM, SUM_OF_SQUARES, LEAST, GREATEST, MOMENTS };

struct table {
    int64_t kind, shift, first, keys;
    double low, scale;
    uint16_t *below;
};

struct rows {
    int64_t size, edge_count;
    double *values, *edges;
    uint8_t *absent;
    uint16_t *cells;
};

/* The key of a value as `states/grid.py` defines it. */
static int64_t key_of(double value, const struct table *table) {
    int64_t key;
    if (table->kind == AFFINE) {
        double steps = (value - table->low) * table->scale;
        return !(steps > 0.0) ? 0 : steps < (double)(table->keys - 1) ? (int64_t)steps : table->keys - 1;
    }
    float single = (float)value;
    int32_t bits;
    memcpy(&bits, &single, sizeof bits);
    key = bits < 0 ? (int64_t)INT32_MIN - bits : bits;
    int64_t width = INT64_C(1) << table->shift, place = key >= 0 ? key / width : -((-key + width - 1) / width);
    place -= table->first;
    return place < 0 ? 0 : place < table->keys ? place : table->keys - 1;
}

static int64_t ordered_bits(double value) {
    const struct table whole = {ORDERED, 0, INT32_MIN, INT64_C(1) << 32, 0.0, 0.0, NULL};
    return key_of(value, &whole) + INT32_MIN;
}

/* A table as `states/grid.py` makes it, or with other numbers; the kernel only asks that keys never decrease with the value. */
static struct table draw_table(struct input *in, const double *edges, int64_t edge_count) {
    struct table table = {draw_byte(in) % 3, 0, 0, 1, 0.0, 0.0, NULL};
    double low = edges[1 + draw_below(in, edge_count)], high = edges[1 + draw_below(in, edge_count)], width = (high - low) * 1.25;
    table.keys = draw_chance(in, 8) ? 65537 : 1 + draw_below(in, 3000);
    if (table.kind == AFFINE && width > 0.0 && isfinite(width) && isfinite((double)(table.keys - 1) / width)) {
        table.low = low - width / 10;
        table.scale = (double)(table.keys - 1) / width;
    }
    if (table.kind == ORDERED) {
        table.shift = draw_byte(in) % 32;
        table.first = (ordered_bits(low) >> table.shift) - 1;
        if (table.first < INT32_MIN) table.first = INT32_MIN;
        if (table.first > INT32_MAX - table.keys) table.first = INT32_MAX - table.keys;
    }
    table.below = memory(in, table.kind == BY_SEARCH ? 1 : table.keys, sizeof *table.below);
    if (table.kind == BY_SEARCH) return table;
    for (int64_t key = 0, edge = 0; key < table.keys; key++) {
        int64_t first = edge;
        while (edge < edge_count && key_of(edges[edge + 1], &table) == key) edge++;
        table.below[key] = (uint16_t)(first + (edge - first > 1 ? SHARED : 0));
    }
    return table;
}

static void fuzz_part(struct input *in, struct rows *rows) {
    struct table table = draw_table(in, rows->edges, rows->edge_count);
    uint64_t most = draw_limit(in);
    int64_t *positions = memory(in, rows->size, sizeof *positions), at = 0;
    uint64_t *hashes = memory(in, rows->size, sizeof *hashes);
    int64_t found = sm_part(rows->values, rows->absent, rows->size, rows->edges, rows->edge_count, table.kind, table.low,
                            table.scale, table.shift, table.first, table.below, table.keys, most, rows->cells, positions, hashes);
    REQUIRE(found >= 0, "result %lld", (long long)found);
    for (int64_t row = 0; row < rows->size; row++) {
        double value = rows->values[row];
        int64_t cell;
        if (rows->absent && rows->absent[row]) cell = NULL_CELL;
        else if (isnan(value)) cell = NAN_CELL;
        else if (!finite_value(value)) cell = value > 0 ? HIGH_CELL : LOW_CELL;
        else cell = plain_cell(value, rows->edges + 1, rows->edge_count);
        REQUIRE(rows->cells[row] == cell, "row %lld: cell %lld of %a", (long long)row, (long long)rows->cells[row], value);
        if (cell >= LOW_CELL || cell % 2 || plain_hash(value) > most) continue;
        REQUIRE(at < found && positions[at] == row && hashes[at] == plain_hash(value), "hash of row %lld", (long long)row);
        at++;
    }
    REQUIRE(at == found, "%lld hashes", (long long)found);
    held[PART]++;
    release(table.below);
    release(positions);
    release(hashes);
}

static void check_moments(const struct rows *rows, const uint32_t *codes, int64_t code_count, double guess, const double *moments) {
    for (int64_t code = 0; code < code_count; code++) {
        struct plain_sums sums = {0};
        double least = (double)INFINITY, greatest = -(double)INFINITY;
        for (int64_t row = 0; row < rows->size; row++) {
            if (codes[row] != code || rows->cells[row] >= LOW_CELL) continue;
            add_plain(&sums, rows->values[row], guess);
            least = rows->values[row] < least ? rows->values[row] : least;
            greatest = rows->values[row] > greatest ? rows->values[row] : greatest;
        }
        const double *own = moments + code * MOMENTS;
        REQUIRE(own[LEAST] == least && own[GREATEST] == greatest, "extremes of %lld", (long long)code);
        REQUIRE(sums_agree(&sums, own[SUM], own[SUM_OF_SQUARES]), "sums of %lld: %g, %g", (long long)code, own[SUM],
                own[SUM_OF_SQUARES]);
    }
}

static void fuzz_key(struct input *in, const struct rows *rows, const uint32_t *codes, int64_t code_count) {
    int64_t width = 2 * rows->edge_count + 1, copies = INT64_C(1) << draw_byte(in) % 4, finite = 0, before = draw_byte(in) % 3;
    int by_table = code_count * width <= 1 << 16 && draw_chance(in, 2);
    double guess = draw_chance(in, 2) ? 0.0 : draw_finite(in, rows->edges + 1, rows->edge_count);
    double *moments = memory(in, copies * code_count * MOMENTS, sizeof *moments);
    int64_t *totals = memory(in, code_count * 5, sizeof *totals), *wanted = memory(in, code_count * 5, sizeof *wanted);
    uint32_t *table = by_table ? memory(in, code_count * width, sizeof *table) : NULL, *tallied = NULL;
    int64_t *pairs = by_table ? NULL : memory(in, rows->size, sizeof *pairs);
    for (int64_t place = 0; place < code_count * 5; place++) totals[place] = wanted[place] = before;
    if (by_table) {
        tallied = memory(in, code_count * width, sizeof *tallied);
        for (int64_t place = 0; place < code_count * width; place++) table[place] = tallied[place] = (uint32_t)before;
    }
    int64_t found = sm_key(rows->values, rows->cells, codes, rows->size, guess, code_count, width, copies, table, pairs, moments, totals);
    for (int64_t row = 0; row < rows->size; row++) {
        int64_t cell = rows->cells[row], code = codes[row];
        if (cell >= LOW_CELL) {
            wanted[code * 5 + (cell == NULL_CELL ? 1 : cell == NAN_CELL ? 2 : cell == HIGH_CELL ? 3 : 4)]++;
            continue;
        }
        if (by_table) tallied[code * width + cell]++;
        else REQUIRE(pairs[finite] == code * width + cell, "pair of row %lld", (long long)row);
        finite++;
    }
    REQUIRE(found == finite, "%lld finite", (long long)found);
    for (int64_t place = 0; place < code_count * 5; place++)
        REQUIRE(totals[place] == wanted[place], "total %lld of %lld", (long long)(place % 5), (long long)(place / 5));
    for (int64_t place = 0; by_table && place < code_count * width; place++)
        REQUIRE(table[place] == tallied[place], "cell %lld of %lld", (long long)(place % width), (long long)(place / width));
    check_moments(rows, codes, code_count, guess, moments);
    held[KEY]++;
}

static void fuzz_between(struct input *in, const struct rows *rows, const uint32_t *codes, int64_t code_count) {
    uint64_t *lowest = memory(in, code_count, sizeof *lowest), *highest = memory(in, code_count, sizeof *highest);
    uint64_t *hashes = memory(in, rows->size, sizeof *hashes);
    int64_t *slices = memory(in, rows->size, sizeof *slices), at = 0;
    for (int64_t code = 0; code < code_count; code++) {
        uint8_t kind = draw_byte(in) % 5;
        uint64_t hash = rows->size ? plain_hash(rows->values[draw_below(in, rows->size)]) : 0;
        lowest[code] = kind == 0 ? 1 : kind == 1 || kind == 4 ? hash : kind == 2 ? 0 : draw_bits(in);
        highest[code] = kind == 0 ? 0 : kind == 2 || kind == 4 ? hash : UINT64_MAX >> draw_byte(in) % 3;
    }
    int64_t found = sm_hashes_between(rows->values, rows->cells, codes, rows->size, code_count, lowest, highest, slices, hashes);
    REQUIRE(found >= 0, "result %lld", (long long)found);
    for (int64_t row = 0; row < rows->size; row++) {
        if (rows->cells[row] >= LOW_CELL || rows->cells[row] % 2) continue;
        uint64_t hash = plain_hash(rows->values[row]);
        if (hash < lowest[codes[row]] || hash > highest[codes[row]]) continue;
        REQUIRE(at < found && slices[at] == codes[row] && hashes[at] == hash, "hash of row %lld", (long long)row);
        at++;
    }
    REQUIRE(at == found, "%lld hashes", (long long)found);
    held[BETWEEN]++;
}

void fuzz_slices(struct input *in) {
    struct rows rows;
    rows.edges = draw_edges(in, &rows.edge_count);
    rows.size = draw_size(in, 3000);
    rows.values = draw_column(in, rows.size, rows.edges + 1, rows.edge_count, draw_chance(in, 3));
    rows.absent = draw_mask(in, rows.size);
    rows.cells = memory(in, rows.size, sizeof *rows.cells);
    fuzz_part(in, &rows);
    int64_t code_count = draw_chance(in, 4) ? 1 + draw_below(in, 100) : 1 + draw_byte(in) % 5;
    uint32_t *codes = memory(in, rows.size, sizeof *codes);
    uint8_t kind = draw_byte(in) % 4;
    for (int64_t row = 0; row < rows.size; row++)
        codes[row] = (uint32_t)(kind == 0 ? row * code_count / rows.size : kind == 1 ? row % code_count : draw_below(in, code_count));
    fuzz_key(in, &rows, codes, code_count);
    fuzz_between(in, &rows, codes, code_count);
}

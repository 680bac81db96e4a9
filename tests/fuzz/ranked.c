/* sm_scan and, on what it found, sm_ranked, held against a sort of all values. */
#include "fuzz.h"

enum { KEYS = 1 << 16, SAMPLE = 512, MOST_PART = 8, GROUP = 32 };
enum { SORT_INSTEAD, DONE, NOT_FINITE };
enum { GUESS, DEVIATIONS, SQUARES, LEAST, GREATEST, KEY_KIND, REALS = 9 };
enum { BITS, HASH_COUNT, FREQUENT_COUNT, INTEGERS };

struct scan {
    int64_t size;
    double *values, *ordered, *reals;
    uint16_t *keys;
    uint32_t *histogram;
    int64_t *integers;
};

/* Whether the kernel may say that values or sums are not finite. */
static int may_overflow(const struct scan *scan) {
    double least = scan->ordered[0], greatest = scan->ordered[scan->size - 1];
    for (int64_t row = 0; row < scan->size; row++)
        if (!finite_value(scan->values[row])) return 1;
    long double range = (long double)greatest - least;
    return range * range * scan->size >= DBL_MAX / 2;
}

static void check_keys(const struct scan *scan) {
    /* Of each key the extremes: keys never decrease with the value exactly where these follow each other. */
    static double low[KEYS], high[KEYS];
    static uint32_t counts[KEYS];
    double before = -(double)INFINITY;
    int32_t wrong = 0;
    memset(counts, 0, sizeof counts);
    for (int64_t row = 0; row < scan->size; row++) {
        uint16_t key = scan->keys[row];
        double value = scan->values[row];
        if (!counts[key] || value < low[key]) low[key] = value;
        if (!counts[key] || value > high[key]) high[key] = value;
        counts[key]++;
    }
    for (int64_t key = 0; key < KEYS; key++) {
        wrong |= counts[key] != scan->histogram[key];
        if (!counts[key]) continue;
        wrong |= low[key] <= before ? 2 : 0;
        before = high[key];
    }
    REQUIRE(!wrong, "keys or their counts are wrong: %d", wrong);
}

static void check_scan(const struct scan *scan, uint64_t most, const uint64_t *hashes) {
    struct plain_sums sums = {0};
    uint64_t bits = 0, found_bits;
    int64_t at = 0;
    REQUIRE(finite_value(scan->reals[GUESS]) && finite_value(scan->reals[SQUARES]), "sums are not finite");
    for (int64_t row = 0; row < scan->size; row++) {
        double value = scan->values[row];
        REQUIRE(finite_value(value), "row %lld is not finite", (long long)row);
        add_plain(&sums, value, scan->reals[GUESS]);
        bits += bits_of_value(value);
        if (plain_hash(value) > most) continue;
        REQUIRE(at < scan->integers[HASH_COUNT] && hashes[at] == plain_hash(value), "hash of row %lld", (long long)row);
        at++;
    }
    REQUIRE(at == scan->integers[HASH_COUNT], "%lld hashes", (long long)scan->integers[HASH_COUNT]);
    REQUIRE(sums_agree(&sums, scan->reals[DEVIATIONS], scan->reals[SQUARES]), "sums of %lld", (long long)scan->size);
    REQUIRE(scan->reals[LEAST] == scan->ordered[0] && scan->reals[GREATEST] == scan->ordered[scan->size - 1], "extremes");
    memcpy(&found_bits, &scan->integers[BITS], sizeof bits);
    REQUIRE(found_bits == bits, "bits of %lld", (long long)scan->size);
    check_keys(scan);
    held[SCAN]++;
}

static int same_rank(double found, double ordered) {
    double expected = ordered == 0.0 ? 0.0 : ordered;
    return memcmp(&found, &expected, sizeof found) == 0;
}

static void fuzz_second_pass(struct input *in, const struct scan *scan) {
    int64_t edge_count, size = scan->size, level = draw_byte(in) % 16, at = 0, result;
    int64_t offset = (int64_t)(draw_bits(in) % (UINT64_C(1) << level)), step = 1 + draw_below(in, size + 2);
    int64_t whole = size >> level << level, sampled_count = offset < whole ? (whole - offset - 1) / (1 << level) + 1 : 0;
    double *edges = draw_chance(in, 2) ? draw_edges(in, &edge_count) : NULL, *own = edges ? edges + 1 : scan->ordered + draw_below(in, size);
    if (!edges) edge_count = 1;
    int64_t *cells = memory(in, 2 * edge_count + 1, sizeof *cells), *expected = memory(in, 2 * edge_count + 1, sizeof *cells);
    double *sampled = memory(in, sampled_count, sizeof *sampled), *rest = memory(in, size - whole, sizeof *rest);
    double *frequent = memory(in, size / step, sizeof *frequent), *bucketed = memory(in, size / MOST_PART, sizeof *bucketed);
    int64_t *many = memory(in, size / step, sizeof *many);
    uint32_t *scratch = large_memory(1, 3 * KEYS * sizeof *scratch);
    result = sm_ranked(scan->values, scan->keys, scan->histogram, size, own, edge_count, offset, level, step, scan->reals, bucketed,
                       scratch, cells, sampled, rest, frequent, many, scan->integers);
    REQUIRE(result == DONE || result == SORT_INSTEAD, "result %lld", (long long)result);
    if (result != DONE) return;
    memset(expected, 0, (size_t)(2 * edge_count + 1) * sizeof *expected);
    for (int64_t row = 0; row < size; row++) expected[plain_cell(scan->ordered[row], own, edge_count)]++;
    for (int64_t cell = 0; cell < 2 * edge_count + 1; cell++)
        REQUIRE(cells[cell] == expected[cell], "cell %lld of %lld edges", (long long)cell, (long long)edge_count);
    for (int64_t place = 0; place < sampled_count; place++)
        REQUIRE(same_rank(sampled[place], scan->ordered[offset + (place << level)]), "sampled value %lld", (long long)place);
    for (int64_t place = 0; place < size - whole; place++)
        REQUIRE(same_rank(rest[place], scan->ordered[whole + place]), "value %lld of the rest", (long long)place);
    for (int64_t row = 0, until; row < size; row = until) {
        for (until = row; until < size && scan->ordered[until] == scan->ordered[row];) until++;
        if (until - row < step) continue;
        REQUIRE(at < scan->integers[FREQUENT_COUNT] && same_rank(frequent[at], scan->ordered[row]) && many[at] == until - row,
                "frequent value %g", scan->ordered[row]);
        at++;
    }
    REQUIRE(at == scan->integers[FREQUENT_COUNT], "%lld frequent values", (long long)scan->integers[FREQUENT_COUNT]);
    held[RANKED]++;
}

void fuzz_ranked(struct input *in) {
    int64_t drawn = draw_size(in, 40000), size = drawn < SAMPLE ? SAMPLE + drawn : drawn, capacity = draw_chance(in, 4) ? 1 + draw_below(in, 100) : size + GROUP;
    int64_t marks = draw_chance(in, 2) ? 1 : 1 + draw_below(in, 2000);
    struct scan scan = {size, draw_column(in, size, NULL, 0, !draw_chance(in, 6)), NULL, memory(in, REALS, sizeof(double)), NULL, NULL, NULL};
    uint64_t most = draw_limit(in), *hashes = memory(in, capacity, sizeof *hashes);
    scan.ordered = memory(in, size, sizeof *scan.ordered);
    scan.keys = memory(in, size, sizeof *scan.keys);
    scan.histogram = large_memory(0, KEYS * sizeof *scan.histogram);
    scan.integers = memory(in, INTEGERS, sizeof *scan.integers);
    memcpy(scan.ordered, scan.values, (size_t)size * sizeof *scan.ordered);
    sort_values(scan.ordered, size);
    int64_t result = sm_scan(scan.values, size, marks, most, capacity, scan.keys, scan.histogram, hashes, scan.reals, scan.integers);
    REQUIRE(result == DONE || result == SORT_INSTEAD || result == NOT_FINITE, "result %lld", (long long)result);
    REQUIRE(result != NOT_FINITE || may_overflow(&scan), "finite values of %lld rows are called infinite", (long long)size);
    if (result != DONE) return;
    check_scan(&scan, most, hashes);
    fuzz_second_pass(in, &scan);
}

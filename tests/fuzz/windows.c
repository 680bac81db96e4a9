/* sm_present, sm_finite, sm_counted, sm_sorted and sm_short held against their definitions. */
#include "fuzz.h"

enum { NAN_COUNT, HIGH_COUNT, LOW_COUNT, FINITE_COUNT, HASH_COUNT, FREQUENT_COUNT, STEP, BITS, COUNTS };
enum { GUESS, DEVIATIONS, SQUARES, SUMS };

static int same(double one, double other) { return memcmp(&one, &other, sizeof one) == 0; }

void fuzz_present(struct input *in) {
    int64_t size = draw_size(in, 3000), expected = 0;
    double *values = draw_column(in, size, NULL, 0, 0), *into = memory(in, size, sizeof *into);
    uint8_t *absent = draw_mask(in, size);
    if (!absent) memset(absent = memory(in, size, 1), 0, (size_t)size);
    int64_t found = sm_present(values, absent, size, into);
    for (int64_t row = 0; row < size; row++) {
        if (absent[row]) continue;
        REQUIRE(expected < found && same(into[expected], values[row]), "row %lld", (long long)row);
        expected++;
    }
    REQUIRE(found == expected, "%lld present", (long long)found);
    held[PRESENT]++;
}

void fuzz_finite(struct input *in) {
    int64_t size = draw_size(in, 3000), expected = 0, specials[3] = {-7, -7, -7}, counts[3] = {0};
    double *values = draw_column(in, size, NULL, 0, 0), *into = memory(in, size, sizeof *into);
    uint8_t *absent = draw_mask(in, size);
    int64_t found = sm_finite(values, absent, size, into, specials);
    for (int64_t row = 0; row < size; row++) {
        if (absent && absent[row]) continue;
        counts[0] += isnan(values[row]) != 0;
        counts[1] += values[row] == (double)INFINITY;
        counts[2] += values[row] == -(double)INFINITY;
        if (!finite_value(values[row])) continue;
        REQUIRE(expected < found && same(into[expected], values[row]), "row %lld", (long long)row);
        expected++;
    }
    REQUIRE(found == expected, "%lld finite", (long long)found);
    REQUIRE(!memcmp(specials, counts, sizeof counts), "NaN %lld", (long long)specials[0]);
    held[FINITE]++;
}

/* Every value of a column with few is listed once, with its rows; a column with too many says so. */
void fuzz_counted(struct input *in) {
    enum { MOST = 1024, STEPS = 64 };
    int64_t size = draw_size(in, 1500), different = 0, crowded = 0, *rows = memory(in, size, sizeof *rows), *many = memory(in, MOST, sizeof *many);
    double *values = draw_column(in, size, NULL, 0, 0), *each = memory(in, MOST, sizeof *each);
    uint8_t *absent = draw_mask(in, size);
    int64_t found = sm_counted(values, absent, size, each, many);
    for (int64_t row = 0; row < size; row++) {
        rows[row] = 0; /* of the value that stands here first */
        if (absent && absent[row]) continue;
        int64_t first = 0;
        while (first < row && ((absent && absent[first]) || !same(values[first], values[row]))) first++;
        rows[first]++;
        different += first == row;
    }
    crowded = different > STEPS && found == MOST + 1; /* many values on neighbouring places */
    REQUIRE(found == different || (different > MOST && found == MOST + 1) || crowded, "%lld of %lld", (long long)found, (long long)different);
    for (int64_t place = 0; found <= MOST && place < found; place++) {
        int64_t first = 0;
        while (first < size && !(rows[first] && same(values[first], each[place]))) first++;
        REQUIRE(first < size && rows[first] == many[place], "value %lld", (long long)place);
        rows[first] = 0;
    }
    held[COUNTED] += found <= MOST;
}

/* Whether the guess is the mean of all; a sum beyond a double has none. */
static void check_guess(const double *values, int64_t size, double guess) {
    long double total = 0.0L, magnitude = 0.0L;
    for (int64_t row = 0; row < size; row++) {
        total += values[row];
        magnitude += fabsl(values[row]);
    }
    if (magnitude > DBL_MAX / 2) return;
    long double allowed = (magnitude / size) * ((long double)size + 2) * DBL_EPSILON + 0x1p-1073L;
    REQUIRE(fabsl(guess - total / size) <= allowed, "mean of %lld: %g", (long long)size, guess);
}

static void check_sums(const double *values, int64_t size, const double *reals) {
    struct plain_sums sums = {0};
    if (!finite_value(reals[GUESS])) return;
    for (int64_t row = 0; row < size; row++) add_plain(&sums, values[row], reals[GUESS]);
    REQUIRE(sums_agree(&sums, reals[DEVIATIONS], reals[SQUARES]), "of %lld: %g, %g", (long long)size, reals[DEVIATIONS],
            reals[SQUARES]);
}

/* The hashes of different values, each once: all that are not above `most`, or more than `kept` and none missing below. */
static void check_hashes(const double *values, int64_t size, uint64_t most, int64_t kept, const uint64_t *hashes, int64_t found) {
    uint64_t greatest = 0;
    int64_t at = 0;
    for (int64_t place = 0; place < found; place++) greatest = hashes[place] > greatest ? hashes[place] : greatest;
    REQUIRE(greatest <= most, "a hash above %llx", (unsigned long long)most);
    uint64_t limit = found > kept ? greatest : most;
    for (int64_t row = 0; row < size; row++) {
        if (row && values[row] == values[row - 1]) continue;
        uint64_t hash = plain_hash(values[row]);
        if (hash > limit) continue;
        REQUIRE(at < found && hashes[at] == hash, "hash of row %lld", (long long)row);
        at++;
    }
    REQUIRE(at == found, "%lld hashes", (long long)found);
}

static void check_frequent(const double *values, int64_t size, int64_t step, const double *frequent, const int64_t *many,
                           int64_t found) {
    int64_t at = 0, until;
    for (int64_t row = 0; row < size; row = until) {
        for (until = row; until < size && values[until] == values[row];) until++;
        if (until - row < step) continue;
        REQUIRE(at < found && same(frequent[at], values[row] == 0.0 ? 0.0 : values[row]) && many[at] == until - row,
                "frequent value %g", values[row]);
        at++;
    }
    REQUIRE(at == found, "%lld frequent values", (long long)found);
}

void fuzz_sorted(struct input *in) {
    int64_t edge_count, size, low = 0, high = 0, nans = 0;
    double *edges = draw_edges(in, &edge_count);
    size = draw_size(in, 40000);
    double *values = draw_column(in, size, edges + 1, edge_count, 0);
    uint64_t most = draw_limit(in), bits = 0, all_bits;
    int64_t kept = draw_chance(in, 2) ? 1 + draw_below(in, 40) : 1024, capacity = 1 + draw_below(in, 260);
    int64_t *cells = memory(in, 2 * edge_count + 1, sizeof *cells), *expected = memory(in, 2 * edge_count + 1, sizeof *cells);
    int64_t *integers = memory(in, COUNTS + capacity, sizeof *integers);
    uint64_t *hashes = memory(in, size, sizeof *hashes);
    double *reals = memory(in, SUMS + capacity, sizeof *reals);
    sort_values(values, size);
    int64_t result = sm_sorted(values, size, edges + 1, edge_count, most, kept, capacity, cells, hashes, reals, integers);
    REQUIRE(result == 0, "result %lld", (long long)result);
    memset(expected, 0, (size_t)(2 * edge_count + 1) * sizeof *expected);
    for (int64_t row = 0; row < size; row++) {
        double value = values[row];
        nans += isnan(value) != 0;
        low += value == -(double)INFINITY;
        high += value == (double)INFINITY;
        if (!finite_value(value)) continue;
        expected[plain_cell(value, edges + 1, edge_count)]++;
        bits += bits_of_value(value);
    }
    int64_t finite = size - nans - low - high;
    REQUIRE(integers[NAN_COUNT] == nans && integers[HIGH_COUNT] == high && integers[LOW_COUNT] == low &&
                integers[FINITE_COUNT] == finite, "%lld finite of %lld", (long long)integers[FINITE_COUNT], (long long)size);
    for (int64_t cell = 0; cell < 2 * edge_count + 1; cell++)
        REQUIRE(cells[cell] == expected[cell], "cell %lld of %lld edges", (long long)cell, (long long)edge_count);
    held[SORTED]++;
    if (!finite) {
        REQUIRE(!integers[HASH_COUNT] && !integers[FREQUENT_COUNT], "nothing is finite");
        REQUIRE(reals[GUESS] == 0.0 && reals[DEVIATIONS] == 0.0 && reals[SQUARES] == 0.0, "nothing is finite");
        return;
    }
    values += low;
    memcpy(&all_bits, &integers[BITS], sizeof all_bits);
    REQUIRE(all_bits == bits, "bits of %lld", (long long)finite);
    if (finite <= 1 << 15) check_guess(values, finite, reals[GUESS]);
    check_sums(values, finite, reals);
    check_hashes(values, finite, most, kept, hashes, integers[HASH_COUNT]);
    REQUIRE(integers[STEP] >= 1 && integers[STEP] * capacity >= finite && (integers[STEP] - 1) * capacity < finite, "step");
    check_frequent(values, finite, integers[STEP], reals + SUMS, integers + COUNTS, integers[FREQUENT_COUNT]);
}

void fuzz_short(struct input *in) {
    int64_t windows = draw_chance(in, 8) ? 0 : 1 + draw_below(in, 40), size = 0;
    int64_t *bounds = memory(in, windows + 1, sizeof *bounds), *integers = memory(in, 4 * windows, sizeof *integers);
    uint8_t kind = draw_byte(in) % 4;
    bounds[0] = 0;
    for (int64_t window = 0; window < windows; window++)
        bounds[window + 1] = size += kind == 0 ? draw_byte(in) % 2 : kind == 1 ? 1022 + draw_byte(in) % 4 : draw_size(in, 200);
    double *values = draw_column(in, size, NULL, 0, 0), *reals = memory(in, SUMS * windows, sizeof *reals);
    double *before = memory(in, size, sizeof *before);
    for (int64_t window = 0; window < windows; window++)
        sort_values(values + bounds[window], bounds[window + 1] - bounds[window]);
    if (size) memcpy(before, values, (size_t)size * sizeof *before);
    int64_t result = sm_short(values, bounds, windows, reals, integers);
    REQUIRE(result == 0, "result %lld", (long long)result);
    for (int64_t row = 0; row < size; row++)
        REQUIRE(same(values[row], before[row] == 0.0 ? 0.0 : before[row]), "row %lld has changed", (long long)row);
    for (int64_t window = 0; window < windows; window++) {
        int64_t counts[4] = {0}, low = bounds[window];
        for (int64_t row = low; row < bounds[window + 1]; row++) {
            double value = values[row];
            counts[isnan(value) ? 0 : value == (double)INFINITY ? 1 : value == -(double)INFINITY ? 2 : 3]++;
        }
        REQUIRE(!memcmp(counts, integers + 4 * window, sizeof counts), "counts of window %lld", (long long)window);
        const double *own = reals + SUMS * window;
        if (!counts[3]) {
            REQUIRE(own[GUESS] == 0.0 && own[DEVIATIONS] == 0.0 && own[SQUARES] == 0.0, "window %lld", (long long)window);
            continue;
        }
        check_guess(values + low + counts[2], counts[3], own[GUESS]);
        check_sums(values + low + counts[2], counts[3], own);
    }
    held[SHORT]++;
}

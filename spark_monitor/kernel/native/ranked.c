/* What is read off a long segment's values in order, without bringing all of them into order.
 *
 * A monotone key of sixteen bits puts values into 65,536 buckets. The first pass, `sm_scan`, takes sums, extremes and the smallest
 * hashes and counts the values of every key. The counts tell where ranks fall, so the second, `sm_ranked`, brings only the values
 * of those keys together and sorts them that hold an edge of the grid, a rank that the sketch keeps, or so many values that one of
 * them may be frequent: a few in a hundred. What it then reads off is exactly what it would read off all values in order.
 *
 * Where that would not be faster (values that share keys, such as few different ones), both functions say so: SORT_INSTEAD.
 */
#include "kernel.h"

enum { KEYS = 1 << 16, SAMPLE = 512, NEIGHBOURS = 4, FEW = 24, MOST_PART = 8 };
enum { SORT_INSTEAD, DONE, NOT_FINITE };
enum { GUESS, DEVIATIONS, SQUARES, LEAST, GREATEST, KEY_KIND, KEY_LOW, KEY_HIGH, KEY_SCALE, REALS };
enum { BITS, HASH_COUNT, FREQUENT_COUNT, INTEGERS };

EXPORTED int64_t sm_finite(const double *values, const uint8_t *absent, int64_t size, double *into, int64_t *specials);
EXPORTED int64_t sm_scan(const double *values, int64_t size, int64_t marks, uint64_t most, int64_t capacity, uint16_t *keys,
                         uint32_t *histogram, uint64_t *hashes, double *reals, int64_t *integers);
EXPORTED int64_t sm_ranked(const double *values, const uint16_t *keys, const uint32_t *histogram, int64_t size, const double *edges,
                           int64_t edge_count, int64_t offset, int64_t level, int64_t step, const double *reals, double *bucketed,
                           uint32_t *scratch, int64_t *cells, double *sampled, double *rest, double *frequent, int64_t *many,
                           int64_t *integers);

/* Values in increasing order: a heap, where a quicksort would take too long. */
static void sift(double *values, int64_t at, int64_t size) {
    double moved = values[at];
    for (int64_t child; (child = 2 * at + 1) < size; at = child) {
        child += child + 1 < size && values[child + 1] > values[child];
        if (values[child] <= moved) break;
        values[at] = values[child];
    }
    values[at] = moved;
}

static void heap_sort(double *values, int64_t size) {
    for (int64_t at = size / 2 - 1; at >= 0; at--) sift(values, at, size);
    for (int64_t last = size - 1; last > 0; last--) {
        double greatest = values[0];
        values[0] = values[last];
        values[last] = greatest;
        sift(values, 0, last);
    }
}

static void insertion_sort(double *values, int64_t size) {
    for (int64_t row = 1; row < size; row++) {
        double value = values[row];
        int64_t at = row;
        for (; at > 0 && values[at - 1] > value; at--) values[at] = values[at - 1];
        values[at] = value;
    }
}

static double median_of_three(double first, double second, double third) {
    double low = first < second ? first : second, high = first < second ? second : first;
    return third < low ? low : third > high ? high : third;
}

/* Bring finite values into increasing order; a quicksort that gives up after `depth` divisions. */
static void sort(double *values, int64_t size, int64_t depth) {
    while (size > FEW) {
        if (depth-- == 0) {
            heap_sort(values, size);
            return;
        }
        double pivot = median_of_three(values[0], values[size / 2], values[size - 1]);
        int64_t low = 0, high = size - 1;
        while (low <= high) {
            while (values[low] < pivot) low++;
            while (values[high] > pivot) high--;
            if (low > high) break;
            double swapped = values[low];
            values[low++] = values[high];
            values[high--] = swapped;
        }
        /* The shorter part by a call, so that calls nest no deeper than the logarithm of the size. */
        if (high + 1 < size - low) {
            sort(values, high + 1, depth);
            values += low;
            size -= low;
        } else {
            sort(values + low, size - low, depth);
            size = high + 1;
        }
    }
    insertion_sort(values, size);
}

/* So many divisions a quicksort may take; few where its tests are to see the heap. */
#ifndef SM_DEPTH
#define SM_DEPTH 48
#endif
enum { DEPTH = SM_DEPTH };

/* Keys that never decrease with the value: equal steps from `low` on, or equal steps of the value as float32 read as an integer,
 * which is about its logarithm. What lies beyond the range that they divide has the first or the last key. */
struct key {
    int logarithmic;
    double low, high, scale;
};

INLINED int32_t ordered_bits(double value) {
    float single = (float)value;
    int32_t bits;
    memcpy(&bits, &single, sizeof bits);
    return bits < 0 ? INT32_MIN - bits : bits;
}

INLINED int32_t limited(double steps) {
    steps = steps > 0.0 ? steps : 0.0;
    return (int32_t)(steps < KEYS - 1 ? steps : KEYS - 1);
}

INLINED int32_t affine_key(double value, double low, double scale) { return limited((value - low) * scale); }

INLINED int32_t logarithmic_key(double value, int32_t first, int32_t last, double scale) {
    int32_t bits = ordered_bits(value);
    bits = bits > first ? bits : first;
    bits = bits < last ? bits : last;
    return limited((double)(bits - first) * scale);
}

static inline int32_t key_of(double value, const struct key *key) {
    if (key->logarithmic) return logarithmic_key(value, (int32_t)key->low, (int32_t)key->high, key->scale);
    return affine_key(value, key->low, key->scale);
}

/* About which part of all values shares its key with one of `marks` values, told from a sample in order. */
static double crowding(const double *sample, const struct key *key, int64_t marks) {
    double total = 0.0;
    if (!(key->scale > 0.0) || !is_finite(key->scale)) return 1.0;
    for (int64_t low = 0; low + NEIGHBOURS < SAMPLE; low++) {
        int32_t width = key_of(sample[low + NEIGHBOURS], key) - key_of(sample[low], key);
        double met = (double)marks * NEIGHBOURS / SAMPLE / (width > 1 ? width : 1);
        /* A value that the sample has twice is a frequent one: all that are equal to it share its key. */
        total += met < 1.0 && sample[low] < sample[low + 1] ? met : 1.0;
    }
    return total / (SAMPLE - NEIGHBOURS);
}

/* The better of two keys for a sample in order; returns how crowded it is. */
static double fitted_key(const double *sample, int64_t marks, struct key *key) {
    double low = sample[1], high = sample[SAMPLE - 2];
    struct key affine = {0, low, high, (KEYS - 1) / (high - low)};
    struct key logarithmic = {1, ordered_bits(low), ordered_bits(high), 0.0};
    double width = logarithmic.high - logarithmic.low;
    /* It must fit into an int32; and of values that float32 tells apart no better than there are keys, such as times of one month in
     * seconds since 1970, several would share a key though other keys stay free. */
    if (width >= KEYS - 1 && width < INT32_MAX) logarithmic.scale = (KEYS - 1) / width;
    double crowded = crowding(sample, &affine, marks), other = crowding(sample, &logarithmic, marks);
    *key = crowded <= other ? affine : logarithmic;
    return crowded <= other ? crowded : other;
}

struct sums {
    double deviations, squares, least, greatest;
    uint64_t bits;
};

#define CHOSEN(where, first, second) \
    ((eight)(((eight_words)(where) & (eight_words)(first)) | (~(eight_words)(where) & (eight_words)(second))))

/* Add a block's values: the lanes give the additions one order, whatever vectors a processor has. */
INLINED void add_sums(const double *values, int64_t size, double guess, struct sums *sums) {
    eight deviations = {0.0}, squares = {0.0}, least = values[0] + deviations, greatest = least;
    eight_words bits = {0};
    int64_t row = 0;
    for (; size - row >= LANES; row += LANES) {
        eight value;
        memcpy(&value, values + row, sizeof value);
        eight deviation = value - guess;
        deviations += deviation;
        squares += deviation * deviation;
        least = CHOSEN(value < least, value, least);
        greatest = CHOSEN(value > greatest, value, greatest);
        bits += (eight_words)(value + 0.0);
    }
    for (; row < size; row++) {
        double value = values[row], deviation = value - guess;
        deviations[0] += deviation;
        squares[0] += deviation * deviation;
        least[0] = value < least[0] ? value : least[0];
        greatest[0] = value > greatest[0] ? value : greatest[0];
        bits[0] += bits_of(value + 0.0);
    }
    for (int64_t lane = 0; lane < LANES; lane++) {
        sums->deviations += deviations[lane];
        sums->squares += squares[lane];
        sums->least = least[lane] < sums->least ? least[lane] : sums->least;
        sums->greatest = greatest[lane] > sums->greatest ? greatest[lane] : sums->greatest;
        sums->bits += bits[lane];
    }
}

INLINED void add_keys(const double *values, int64_t size, const struct key *key, uint16_t *keys) {
    if (key->logarithmic) {
        int32_t first = (int32_t)key->low, last = (int32_t)key->high;
        double scale = key->scale;
        for (int64_t row = 0; row < size; row++) keys[row] = (uint16_t)logarithmic_key(values[row], first, last, scale);
    } else {
        double low = key->low, scale = key->scale;
        for (int64_t row = 0; row < size; row++) keys[row] = (uint16_t)affine_key(values[row], low, scale);
    }
}

/* Sums and keys of a block: a loop that compilers make vectors of, as `best_hasher` is. */
typedef void (*block_reader)(const double *values, int64_t size, double guess, const struct key *key, struct sums *sums,
                             uint16_t *keys);

#define READ_BLOCK                                                                                                                 \
    (const double *values, int64_t size, double guess, const struct key *key, struct sums *sums, uint16_t *keys) {                 \
        add_sums(values, size, guess, sums);                                                                                       \
        if (is_finite(sums->squares)) add_keys(values, size, key, keys);                                                           \
    }

static void read_block READ_BLOCK

#if defined(__x86_64__) && defined(__GNUC__)
__attribute__((target("avx2"))) static void read_block_by_avx2 READ_BLOCK

__attribute__((target("avx512f,avx512dq,avx512vl,avx512bw"))) static void read_block_by_avx512 READ_BLOCK

static block_reader best_block_reader(void) {
    if (__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw"))
        return read_block_by_avx512;
    return __builtin_cpu_supports("avx2") ? read_block_by_avx2 : read_block;
}
#else
static block_reader best_block_reader(void) { return read_block; }
#endif

/* The hashes of a block that are not above `most`; negative where there are more than `room` of them. */
static int64_t add_hashes(hasher hash, const double *values, int64_t size, uint64_t most, uint64_t *hashes, int64_t room) {
    uint64_t own[GROUP];
    int64_t found = 0;
    for (int64_t low = 0; low < size; low += GROUP) {
        int64_t count = size - low < GROUP ? size - low : GROUP;
        if (!hashes_of_some(hash, values + low, count, most, own)) continue;
        if (room - found < GROUP) return -1;
        for (int64_t lane = 0; lane < count; lane++) {
            hashes[found] = own[lane];
            found += own[lane] <= most;
        }
    }
    return found;
}

/* The finite values that are not null, in their order; `specials` counts NaN, +Inf and -Inf. */
int64_t sm_finite(const double *values, const uint8_t *absent, int64_t size, double *into, int64_t *specials) {
    int64_t found = 0;
    if (size < 0) return BAD_SIZE;
    specials[0] = specials[1] = specials[2] = 0;
    for (int64_t row = 0; row < size; row++) {
        if (absent && absent[row]) continue;
        double value = values[row];
        into[found] = value;
        found += is_finite(value);
        if (!is_finite(value)) specials[value != value ? 0 : value > 0.0 ? 1 : 2]++;
    }
    return found;
}

/* The first pass: the key of every value and how many values have each, uint16[size] and uint32[KEYS]; sums about a guess,
 * extremes, and the hashes not above `most`, of equal values more than once.
 *
 * `marks` is about how many values `sm_ranked` will look for. NOT_FINITE: a value or the sum of squares is not, and nothing counts.
 */
int64_t sm_scan(const double *values, int64_t size, int64_t marks, uint64_t most, int64_t capacity, uint16_t *keys,
                uint32_t *histogram, uint64_t *hashes, double *reals, int64_t *integers) {
    double sample[SAMPLE], guess = 0.0;
    struct key key;
    if (size < SAMPLE || size > UINT32_MAX || marks < 1 || capacity < 1) return BAD_SIZE;
    for (int64_t place = 0; place < SAMPLE; place++) {
        sample[place] = values[place * (size / SAMPLE)];
        if (!is_finite(sample[place])) return NOT_FINITE;
        guess += sample[place] / SAMPLE;
    }
    sort(sample, SAMPLE, DEPTH);
    if (fitted_key(sample, marks, &key) * MOST_PART > 1.0) return SORT_INSTEAD;
    struct sums sums = {0.0, 0.0, values[0], values[0], 0};
    block_reader read = best_block_reader();
    hasher hash = best_hasher();
    int64_t hashed = 0;
    memset(histogram, 0, KEYS * sizeof *histogram);
    for (int64_t low = 0; low < size; low += BLOCK) {
        int64_t count = size - low < BLOCK ? size - low : BLOCK;
        read(values + low, count, guess, &key, &sums, keys + low);
        if (!is_finite(sums.squares)) return NOT_FINITE;
        for (int64_t row = low; row < low + count; row++) histogram[keys[row]]++;
        int64_t more = add_hashes(hash, values + low, count, most, hashes + hashed, capacity - hashed);
        if (more < 0) return SORT_INSTEAD;
        hashed += more;
    }
    const double found[REALS] = {guess,    sums.deviations, sums.squares, sums.least, sums.greatest, key.logarithmic,
                                 key.low, key.high,        key.scale};
    memcpy(reals, found, sizeof found);
    memcpy(&integers[BITS], &sums.bits, sizeof sums.bits);
    integers[HASH_COUNT] = hashed;
    return DONE;
}

/* What the first pass counted, and of every key how many values have a lesser one; the marked keys, and where in `bucketed` the
 * values of each begin. */
struct ranks {
    const uint32_t *histogram;
    uint32_t *below, *places, *marked;
    int64_t marked_count;
    double *bucketed;
};

/* Mark the keys of edges, of wanted ranks (every 2^level-th from `offset` on, then all from the last multiple of 2^level on) and
 * those of at least `step` values; returns how many values they hold. */
static int64_t mark(struct ranks *ranks, int64_t size, const double *edges, int64_t edge_count, const struct key *key,
                    int64_t offset, int64_t level, int64_t step) {
    int64_t whole = size >> level << level, rank = offset < whole ? offset : whole, until = 0, total = 0;
    memset(ranks->places, 0, KEYS * sizeof *ranks->places);
    for (int64_t edge = 0; edge < edge_count; edge++) ranks->places[key_of(edges[edge], key)] = 1;
    for (int64_t own = 0; own < KEYS; own++) {
        int64_t count = ranks->histogram[own];
        ranks->below[own] = (uint32_t)until;
        until += count;
        if (!(rank < until || count >= step || ranks->places[own])) continue;
        ranks->marked[ranks->marked_count++] = (uint32_t)own;
        ranks->places[own] = (uint32_t)total;
        total += count;
        /* The next wanted rank beyond this key's values. */
        if (rank < until && rank < whole) rank += ((until - 1 - rank) >> level << level) + (INT64_C(1) << level);
        if (rank >= whole) rank = until > whole ? until : whole;
    }
    return total;
}

/* Bring the values of marked keys together, each key's in order. */
static void fill(const struct ranks *ranks, const double *values, const uint16_t *keys, int64_t size) {
    uint64_t flags[KEYS / 64] = {0};
    uint32_t *places = ranks->places;
    int64_t rows[BLOCK];
    for (int64_t at = 0; at < ranks->marked_count; at++) flags[ranks->marked[at] / 64] |= UINT64_C(1) << ranks->marked[at] % 64;
    for (int64_t low = 0; low < size; low += BLOCK) {
        int64_t high = size - low < BLOCK ? size : low + BLOCK, found = 0;
        for (int64_t row = low; row < high; row++) {
            rows[found] = row;
            found += (int64_t)(flags[keys[row] / 64] >> keys[row] % 64 & 1);
        }
        for (int64_t at = 0; at < found; at++) ranks->bucketed[places[keys[rows[at]]]++] = values[rows[at]];
    }
    for (int64_t at = 0; at < ranks->marked_count; at++) {
        uint32_t key = ranks->marked[at], count = ranks->histogram[key];
        places[key] -= count;
        sort(ranks->bucketed + places[key], count, DEPTH);
    }
}

/* Counts below the edges and at them. */
static void cells_of_ranks(const struct ranks *ranks, int64_t size, const double *edges, int64_t edge_count, const struct key *key,
                           int64_t *cells) {
    int64_t at = 0;
    for (int64_t edge = 0; edge < edge_count; edge++) {
        int32_t own = key_of(edges[edge], key);
        const double *bucket = ranks->bucketed + ranks->places[own];
        int64_t count = ranks->histogram[own], first = ranks->below[own];
        int64_t from = not_below(bucket, 0, count, edges[edge]), until = above(bucket, from, count, edges[edge]);
        cells[2 * edge] = first + from - at;
        cells[2 * edge + 1] = until - from;
        at = first + until;
    }
    cells[2 * edge_count] = size - at;
}

/* The value of a rank, whose key is marked `*at`-th or later; moves `*at` there. */
static double value_at(const struct ranks *ranks, int64_t rank, int64_t *at) {
    uint32_t key = ranks->marked[*at];
    while (rank >= (int64_t)ranks->below[key] + ranks->histogram[key]) key = ranks->marked[++*at];
    return ranks->bucketed[ranks->places[key] + (rank - ranks->below[key])] + 0.0;
}

/* Values that occur at least `step` times, in increasing order. */
static int64_t frequent_of_ranks(const struct ranks *ranks, int64_t step, double *frequent, int64_t *many) {
    int64_t found = 0;
    for (int64_t at = 0; at < ranks->marked_count; at++) {
        int64_t count = ranks->histogram[ranks->marked[at]];
        if (count < step) continue;
        const double *bucket = ranks->bucketed + ranks->places[ranks->marked[at]];
        for (int64_t from = 0, until; from < count; from = until) {
            until = above(bucket, from, count, bucket[from]);
            if (until - from < step) continue;
            frequent[found] = bucket[from] + 0.0;
            many[found++] = until - from;
        }
    }
    return found;
}

/* The second pass, over what the first gave: the counts of the cells, int64[2 edge_count + 1]; of the values in order, every
 * 2^level-th from `offset` on below the greatest multiple of 2^level that is not above the size, and those from there on; and the
 * values that occur at least `step` times.
 *
 * bucketed double[size / MOST_PART], scratch uint32[3 * KEYS]; frequent, many [size / step].
 */
int64_t sm_ranked(const double *values, const uint16_t *keys, const uint32_t *histogram, int64_t size, const double *edges,
                  int64_t edge_count, int64_t offset, int64_t level, int64_t step, const double *reals, double *bucketed,
                  uint32_t *scratch, int64_t *cells, double *sampled, double *rest, double *frequent, int64_t *many,
                  int64_t *integers) {
    const struct key key = {reals[KEY_KIND] > 0.0, reals[KEY_LOW], reals[KEY_HIGH], reals[KEY_SCALE]};
    struct ranks ranks = {histogram, scratch, scratch + KEYS, scratch + 2 * KEYS, 0, bucketed};
    if (size < 1 || size > UINT32_MAX || edge_count < 1 || edge_count > MOST_EDGES || step < 1) return BAD_SIZE;
    if (level < 0 || level > 31 || offset < 0 || offset >= INT64_C(1) << level) return BAD_SIZE;
    if (mark(&ranks, size, edges, edge_count, &key, offset, level, step) > size / MOST_PART) return SORT_INSTEAD;
    fill(&ranks, values, keys, size);
    cells_of_ranks(&ranks, size, edges, edge_count, &key, cells);
    int64_t at = 0, whole = size >> level << level;
    for (int64_t rank = offset; rank < whole; rank += INT64_C(1) << level) *sampled++ = value_at(&ranks, rank, &at);
    for (int64_t rank = whole; rank < size; rank++) *rest++ = value_at(&ranks, rank, &at);
    integers[FREQUENT_COUNT] = frequent_of_ranks(&ranks, step, frequent, many);
    return DONE;
}

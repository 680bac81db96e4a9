/* Plain definitions of what the kernel computes, and memory of exact sizes. */
#include "fuzz.h"

#if !defined(__has_feature)
#define __has_feature(feature) 0
#endif

enum { MOST_ARRAYS = 64, UNEXPECTED = 0xA7 };
static struct {
    void *array, *whole;
} arrays[MOST_ARRAYS];
uint64_t held[HELD];

void *memory(struct input *in, int64_t count, size_t each) {
    size_t before = draw_chance(in, 4) ? each : 0, bytes = (size_t)count * each;
    for (int place = 0; place < MOST_ARRAYS; place++) {
        if (arrays[place].whole) continue;
        uint8_t *whole = malloc(before + bytes);
        if (!whole && before + bytes) abort();
        if (!whole) whole = malloc(1);
        arrays[place].whole = whole;
        arrays[place].array = whole + before;
#if !__has_feature(memory_sanitizer)
        memset(whole, UNEXPECTED, before + bytes);
#endif
        return whole + before;
    }
    abort();
}

void *large_memory(int place, size_t bytes) {
    static void *kept[2];
    if (!kept[place] && !(kept[place] = malloc(bytes))) abort();
    return kept[place];
}

void release(void *array) {
    for (int place = 0; place < MOST_ARRAYS; place++) {
        if (!arrays[place].whole || arrays[place].array != array) continue;
        free(arrays[place].whole);
        arrays[place].whole = NULL;
        return;
    }
    abort();
}

void release_all(void) {
    for (int place = 0; place < MOST_ARRAYS; place++) {
        free(arrays[place].whole);
        arrays[place].whole = NULL;
    }
}

static int follows(double one, double other) { return one > other || (isnan(one) && !isnan(other)); }

/* A merge of longer and longer parts. */
void sort_values(double *values, int64_t size) {
    static double merged[1 << 16];
    if (size > 1 << 16) abort();
    for (int64_t part = 1; part < size; part *= 2) {
        for (int64_t low = 0; low < size; low += 2 * part) {
            int64_t middle = low + part < size ? low + part : size, high = middle + part < size ? middle + part : size;
            int64_t left = low, right = middle, at = low;
            while (left < middle && right < high) merged[at++] = follows(values[left], values[right]) ? values[right++] : values[left++];
            while (left < middle) merged[at++] = values[left++];
            while (right < high) merged[at++] = values[right++];
        }
        memcpy(values, merged, (size_t)size * sizeof *values);
    }
}

int finite_value(double value) { return isfinite(value) != 0; }

uint64_t bits_of_value(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits == UINT64_C(1) << 63 ? 0 : bits;
}

uint64_t plain_hash(double value) {
    uint64_t word = bits_of_value(value);
    word += UINT64_C(11400714819323198485);
    word ^= word >> 30;
    word *= UINT64_C(13787848793156543929);
    word ^= word >> 27;
    word *= UINT64_C(10723151780598845931);
    word ^= word >> 31;
    return word;
}

int64_t plain_cell(double value, const double *edges, int64_t edge_count) {
    int64_t below = 0;
    if (edge_count > 256) { /* halve the range first: a walk over thousands of edges takes too long */
        int64_t high = edge_count;
        while (high - below > 8) {
            int64_t middle = (below + high) / 2;
            if (edges[middle] < value) below = middle;
            else high = middle;
        }
    }
    while (below < edge_count && edges[below] < value) below++;
    return below < edge_count && edges[below] == value ? 2 * below + 1 : 2 * below;
}

void add_plain(struct plain_sums *sums, double value, double guess) {
    long double deviation = (long double)value - guess;
    sums->deviations += deviation;
    sums->magnitude += fabsl(deviation);
    sums->squares += deviation * deviation;
    sums->rows++;
}

int sums_agree(const struct plain_sums *sums, double deviations, double squares) {
    long double least = 4 * (long double)sums->rows * 0x1p-1074L, part = 2 * ((long double)sums->rows + 2) * DBL_EPSILON;
    if (sums->magnitude < DBL_MAX / 2 && !(fabsl(deviations - sums->deviations) <= part * sums->magnitude + least)) return 0;
    if (sums->squares < DBL_MAX / 2 && !(fabsl(squares - sums->squares) <= part * sums->squares + least)) return 0;
    return sums->squares <= DBL_MAX * 1.01L || !finite_value(squares);
}

/* The different values of a segment that has few, each with how many rows have it: counting is faster than bringing all of them
 * into order, since the few that are counted stay in the processor's nearest memory. */
#include "kernel.h"

enum { PLACES = 1 << 12, PLACE_BITS = 12, MOST_VALUES = 1 << 10, MOST_STEPS = 64, COPIES = 4 };

EXPORTED int64_t sm_counted(const double *values, const uint8_t *absent, int64_t size, double *each, int64_t *many);

/* The values that are not null by their bits, each once and in no order, and how many rows have each: double[MOST_VALUES] and
 * int64[MOST_VALUES]. Returns how many there are; MOST_VALUES + 1 where there are more, or where so many fall on neighbouring
 * places of the table that counting would be slow, and nothing counts.
 */
int64_t sm_counted(const double *values, const uint8_t *absent, int64_t size, double *each, int64_t *many) {
    uint64_t bits[PLACES];
    uint8_t used[PLACES] = {0};
    /* Rows of one value follow each other, and each addition would wait for the one before: they take turns. */
    uint32_t counts[COPIES][PLACES];
    int64_t found = 0, listed = 0;
    if (size < 0 || size > UINT32_MAX) return BAD_SIZE;
    memset(counts, 0, sizeof counts);
    for (int64_t row = 0; row < size; row++) {
        if (absent && absent[row]) continue;
        uint64_t own = bits_of(values[row]), place = own * UINT64_C(0x9E3779B97F4A7C15) >> (64 - PLACE_BITS);
        for (int64_t steps = 0; !used[place] || bits[place] != own; place = (place + 1) % PLACES) {
            if (used[place] && ++steps <= MOST_STEPS) continue;
            if (used[place] || ++found > MOST_VALUES) return MOST_VALUES + 1;
            used[place] = 1;
            bits[place] = own;
            break;
        }
        counts[row % COPIES][place]++;
    }
    for (int64_t place = 0; place < PLACES; place++) {
        if (!used[place]) continue;
        memcpy(&each[listed], &bits[place], sizeof *each);
        many[listed] = 0;
        for (int64_t copy = 0; copy < COPIES; copy++) many[listed] += counts[copy][place];
        listed++;
    }
    return listed;
}

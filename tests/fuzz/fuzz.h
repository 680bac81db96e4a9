/* What the harnesses of the compiled kernel share: the fuzzer's bytes read as arguments that the kernel's contract allows, and
 * plain definitions of what the kernel computes, each written without looking at how it does so.
 */
#ifndef SM_FUZZ_H
#define SM_FUZZ_H
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BAD_SIZE = -1, BAD_CODE = -2, BAD_CELL = -3, MOST_EDGES = 8192 };
enum { NULL_CELL = 0xFFFF, NAN_CELL = 0xFFFE, HIGH_CELL = 0xFFFD, LOW_CELL = 0xFFFC };

/* The fuzzer's bytes; where they end a generator goes on, seeded by all of them, so that few bytes make long columns. */
struct input {
    const uint8_t *bytes;
    size_t left;
    uint64_t state;
};

uint8_t draw_byte(struct input *in);
uint64_t draw_bits(struct input *in);
int64_t draw_below(struct input *in, int64_t limit); /* 0 .. limit - 1 */
int draw_chance(struct input *in, int one_in);

/* About how many rows: few, around the sizes of the kernel's blocks, or any up to `most`. */
int64_t draw_size(struct input *in, int64_t most);
double draw_value(struct input *in, const double *edges, int64_t edge_count);
double draw_finite(struct input *in, const double *edges, int64_t edge_count);
double *draw_column(struct input *in, int64_t size, const double *edges, int64_t edge_count, int only_finite);
uint8_t *draw_mask(struct input *in, int64_t size); /* NULL now and then */

/* Edges, strictly increasing and finite, between -Inf and +Inf: [0] and [count + 1] are these. */
double *draw_edges(struct input *in, int64_t *count);
uint64_t draw_limit(struct input *in); /* of hashes */

/* Exactly so much memory, so that a sanitizer sees every step beyond; filled with bytes that nothing expects. Some arrays of
 * doubles and of integers are aligned as their elements are and no better. */
void *memory(struct input *in, int64_t count, size_t each);
void *large_memory(int place, size_t bytes); /* one of two arrays that are kept: making them anew takes long */
void release(void *array);
void release_all(void);

void sort_values(double *values, int64_t size); /* NaN last */
int finite_value(double value);
uint64_t bits_of_value(double value); /* zeros alike */
uint64_t plain_hash(double value);
int64_t plain_cell(double value, const double *edges, int64_t edge_count); /* edges alone, without the infinities */

/* Sums about a guess, in more digits, and whether what the kernel found is as near as rounding allows. */
struct plain_sums {
    long double deviations, squares, magnitude;
    int64_t rows;
};

void add_plain(struct plain_sums *sums, double value, double guess);
int sums_agree(const struct plain_sums *sums, double deviations, double squares);

/* So often a function gave a result that was held against the definitions. */
enum { PRESENT, FINITE, SORTED, SHORT, PART, KEY, BETWEEN, SCAN, RANKED, REFUSED, COUNTED, HELD };
extern uint64_t held[HELD];

#define REQUIRE(condition, ...)                                            \
    do {                                                                   \
        if (!(condition)) {                                                \
            fprintf(stderr, "WRONG NUMBER: %s: ", __func__);               \
            fprintf(stderr, __VA_ARGS__);                                  \
            fprintf(stderr, " (%s)\n", #condition);                        \
            abort();                                                       \
        }                                                                  \
    } while (0)

void fuzz_present(struct input *in);
void fuzz_finite(struct input *in);
void fuzz_sorted(struct input *in);
void fuzz_short(struct input *in);
void fuzz_slices(struct input *in);
void fuzz_ranked(struct input *in);
void fuzz_refusals(struct input *in);
void fuzz_counted(struct input *in);

/* The kernel's functions, declared here again as `library.py` calls them. */
int64_t sm_present(const double *, const uint8_t *, int64_t, double *);
int64_t sm_counted(const double *, const uint8_t *, int64_t, double *, int64_t *);
int64_t sm_sorted(const double *, int64_t, const double *, int64_t, uint64_t, int64_t, int64_t, int64_t *, uint64_t *, double *,
                  int64_t *);
int64_t sm_short(double *, const int64_t *, int64_t, double *, int64_t *);
int64_t sm_finite(const double *, const uint8_t *, int64_t, double *, int64_t *);
int64_t sm_scan(const double *, int64_t, int64_t, uint64_t, int64_t, uint16_t *, uint32_t *, uint64_t *, double *, int64_t *);
int64_t sm_ranked(const double *, const uint16_t *, const uint32_t *, int64_t, const double *, int64_t, int64_t, int64_t, int64_t,
                  const double *, double *, uint32_t *, int64_t *, double *, double *, double *, int64_t *, int64_t *);
int64_t sm_part(const double *, const uint8_t *, int64_t, const double *, int64_t, int64_t, double, double, int64_t, int64_t,
                const uint16_t *, int64_t, uint64_t, uint16_t *, int64_t *, uint64_t *);
int64_t sm_key(const double *, const uint16_t *, const uint32_t *, int64_t, double, int64_t, int64_t, int64_t, uint32_t *,
               int64_t *, double *, int64_t *);
int64_t sm_hashes_between(const double *, const uint16_t *, const uint32_t *, int64_t, int64_t, const uint64_t *,
                          const uint64_t *, int64_t *, uint64_t *);
#endif

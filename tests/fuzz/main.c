/* One input is one call, or the calls that follow each other on the same rows, of one of the kernel's functions. */
#include "fuzz.h"

static void (*const fuzzed[])(struct input *) = {fuzz_present, fuzz_finite, fuzz_sorted,  fuzz_short,
                                            fuzz_slices,  fuzz_ranked, fuzz_refusals, fuzz_counted};
enum { FUZZED = sizeof fuzzed / sizeof *fuzzed };
static uint8_t vectors;

int sm_processor_has(const char *feature, int really);
int LLVMFuzzerInitialize(int *count, char ***arguments);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int sm_processor_has(const char *feature, int really) {
    return really && vectors >= (strncmp(feature, "avx512", 6) == 0 ? 2 : 1);
}

static void report(void) {
    static const char *const names[HELD] = {"sm_present", "sm_finite", "sm_sorted", "sm_short", "sm_part",
                                            "sm_key", "sm_hashes_between", "sm_scan", "sm_ranked", "refusals",
                                            "sm_counted"};
    for (int place = 0; place < HELD; place++) fprintf(stderr, "held %s %llu\n", names[place], (unsigned long long)held[place]);
}

int LLVMFuzzerInitialize(int *count, char ***arguments) {
    (void)count;
    (void)arguments;
    return atexit(report);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct input in = {bytes, size, size};
    for (size_t place = 0; place < size; place++) in.state = (in.state ^ bytes[place]) * UINT64_C(0x100000001B3);
    uint8_t which = draw_byte(&in);
    vectors = which / FUZZED % 3;
    fuzzed[which % FUZZED](&in);
    release_all();
    return 0;
}

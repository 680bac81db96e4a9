/* The fuzzer's bytes as columns, masks and edges. */
#include "fuzz.h"

static uint64_t next_word(struct input *in) {
    uint64_t word = in->state += UINT64_C(0x9E3779B97F4A7C15);
    word = (word ^ word >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    word = (word ^ word >> 27) * UINT64_C(0x94D049BB133111EB);
    return word ^ word >> 31;
}

uint8_t draw_byte(struct input *in) {
    if (!in->left) return (uint8_t)(next_word(in) >> 40);
    in->left--;
    return *in->bytes++;
}

uint64_t draw_bits(struct input *in) {
    uint64_t bits = 0;
    if (!in->left) return next_word(in);
    for (int place = 0; place < 8; place++) bits = bits << 8 | draw_byte(in);
    return bits;
}

int64_t draw_below(struct input *in, int64_t limit) {
    if (limit <= 1) return 0;
    uint64_t number = draw_byte(in);
    if (limit > 256) number = number << 8 | draw_byte(in);
    if (limit > 65536) number = number << 16 ^ draw_bits(in) >> 20;
    return (int64_t)(number % (uint64_t)limit);
}

int draw_chance(struct input *in, int one_in) { return draw_byte(in) % one_in == 0; }

int64_t draw_size(struct input *in, int64_t most) {
    static const int64_t landmarks[] = {8, 16, 32, 64, 512, 1024, 1056, 2048, 3072, 4096};
    uint8_t kind = draw_byte(in);
    int64_t size;
    if (kind == 255) size = 32768;
    else if (kind < 120) size = draw_byte(in) % 24;
    else if (kind < 200) size = landmarks[draw_byte(in) % 10] + draw_byte(in) % 5 - 2;
    else size = draw_below(in, 4200);
    if (kind == 255) size += draw_byte(in) % 3 - 1;
    return size < most ? size : most;
}

static double of_bits(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static double neighbour(struct input *in, double value) {
    uint8_t way = draw_byte(in) % 3;
    return way == 0 ? value : nextafter(value, way == 1 ? (double)INFINITY : -(double)INFINITY);
}

double draw_value(struct input *in, const double *edges, int64_t edge_count) {
    static const double known[] = {0.0,          -0.0,          1.0,     -1.0,     0.1,     0.5,     1e9,     1e15,    1e45,   -1e45,
                                   DBL_MAX,      -DBL_MAX,      DBL_MIN, -DBL_MIN, FLT_MAX, FLT_MIN, 1e-300,  1e150,   -1e150, 1e200,
                                   1.3407807929942597e154, 0x1p53, -0x1p53, 0x1p63, -0x1p63, 0x1p64, 0x1p31, 0x1p-149, 86400.0};
    static const uint64_t special[] = {0x7FF8000000000000, 0xFFF8000000000000, 0x7FF0000000000001, 0xFFFFFFFFFFFFFFFF,
                                       0x7FF80000DEADBEEF, 0x7FF0000000000000, 0xFFF0000000000000};
    switch (draw_byte(in) % 12) {
    case 0: return of_bits(draw_bits(in));
    case 1: return of_bits(special[draw_byte(in) % 7]);
    case 2: case 3: return neighbour(in, known[draw_byte(in) % 29]);
    case 4: case 5: case 6: return edge_count ? neighbour(in, edges[draw_below(in, edge_count)]) : 0.0;
    case 7: return (draw_byte(in) - 128) * 5e-324;
    case 8: return 0x1p53 + (draw_byte(in) - 128);
    case 9: return (double)(int64_t)draw_bits(in);
    case 10: return (draw_byte(in) - 128) / 8.0;
    default: return (double)(int8_t)draw_byte(in);
    }
}

double draw_finite(struct input *in, const double *edges, int64_t edge_count) {
    double value = draw_value(in, edges, edge_count);
    return finite_value(value) ? value : of_bits(bits_of_value(value) & UINT64_C(0xBFFFFFFFFFFFFFFF));
}

static double uniform(struct input *in) { return (double)(next_word(in) >> 11) * 0x1p-53; }

static double bell(struct input *in) {
    double total = -6.0;
    for (int part = 0; part < 12; part++) total += uniform(in);
    return total;
}

double *draw_column(struct input *in, int64_t size, const double *edges, int64_t edge_count, int only_finite) {
    double *values = memory(in, size, sizeof *values), few[8], scale = 1.0, centre = 0.0;
    uint8_t kind = draw_byte(in) % 14, distinct = draw_byte(in) % 8;
    for (int place = 0; place < 8; place++) few[place] = kind < 3 ? draw_value(in, edges, edge_count) : 0.0;
    if (kind >= 8) scale = draw_chance(in, 2) ? 1.0 : draw_finite(in, edges, edge_count);
    if (kind >= 8) centre = draw_chance(in, 2) ? 0.0 : draw_finite(in, edges, edge_count);
    for (int64_t row = 0; row < size; row++) switch (kind) {
        case 0: values[row] = few[distinct]; break;
        case 1: values[row] = few[next_word(in) % (distinct + 1)]; break;
        case 2: values[row] = row % 7 < 5 ? few[0] : draw_value(in, edges, edge_count); break;
        case 3: values[row] = of_bits(next_word(in)); break;
        case 4: values[row] = of_bits((next_word(in) & UINT64_C(0x803FFFFFFFFFFFFF)) | (uint64_t)(0x3F0 + distinct) << 52); break;
        case 5: values[row] = (double)(next_word(in) % 100000) * 5e-324; break;
        case 6: values[row] = (next_word(in) & 1 ? 1 : -1) * ldexp(1.0 + uniform(in), (int)(next_word(in) % 2000) - 1000); break;
        case 7: values[row] = draw_value(in, edges, edge_count); break;
        case 8: values[row] = centre + scale * uniform(in); break;
        case 9: case 10: values[row] = centre + scale * bell(in); break;
        case 11: values[row] = centre + scale * (double)row; break;
        case 12: values[row] = centre - scale * (double)row; break;
        default: values[row] = centre + (double)(next_word(in) % 3000); break;
        }
    for (int64_t patches = draw_byte(in) % 6; patches > 0 && size; patches--)
        values[draw_below(in, size)] = draw_value(in, edges, edge_count);
    for (int64_t row = 0; only_finite && row < size; row++) values[row] = finite_value(values[row]) ? values[row] : 0.0;
    return values;
}

uint8_t *draw_mask(struct input *in, int64_t size) {
    uint8_t kind = draw_byte(in) % 5, seldom = draw_byte(in);
    if (kind == 0) return NULL;
    uint8_t *absent = memory(in, size, 1);
    for (int64_t row = 0; row < size; row++)
        absent[row] = kind == 1 ? 0 : kind == 2 ? 1 : kind == 3 ? next_word(in) % (seldom + 1u) == 0 : draw_byte(in) & 1;
    return absent;
}

double *draw_edges(struct input *in, int64_t *count) {
    uint8_t kind = draw_byte(in);
    int64_t wanted = kind < 128 ? 1 + kind % 9 : kind < 250 ? 1 + draw_byte(in) : kind < 254 ? 1087 : MOST_EDGES;
    double *drawn = memory(in, wanted, sizeof *drawn), step = fabs(draw_finite(in, NULL, 0)), low = draw_finite(in, NULL, 0);
    uint8_t shape = draw_byte(in) % 4;
    for (int64_t place = 0; place < wanted; place++) {
        double before = place ? drawn[place - 1] : low;
        if (shape == 0 || wanted < 4) drawn[place] = draw_finite(in, NULL, 0);
        else if (shape == 1) drawn[place] = low + step * (double)place;
        else if (shape == 2) drawn[place] = nextafter(before, (double)INFINITY);
        else drawn[place] = low + step * bell(in);
        if (!finite_value(drawn[place])) drawn[place] = (double)place;
        drawn[place] += 0.0;
    }
    sort_values(drawn, wanted);
    *count = 0;
    for (int64_t place = 0; place < wanted; place++)
        if (!*count || drawn[place] > drawn[*count - 1]) drawn[(*count)++] = drawn[place];
    double *edges = memory(in, *count + 2, sizeof *edges);
    memcpy(edges + 1, drawn, (size_t)*count * sizeof *edges);
    edges[0] = -(double)INFINITY;
    edges[*count + 1] = (double)INFINITY;
    release(drawn);
    return edges;
}

uint64_t draw_limit(struct input *in) {
    uint8_t kind = draw_byte(in) % 6;
    if (kind == 0) return UINT64_MAX;
    return kind == 1 ? 0 : kind == 2 ? draw_bits(in) : UINT64_MAX >> draw_byte(in) % 12;
}

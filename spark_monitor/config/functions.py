"""The functions that SQL of a monitor's file may call: those of Spark and Databricks that compute a value of what they are given.

A list of what is allowed, not of what is not: a function that a platform adds, or that somebody registered, may read any table,
so one that stands in none of the lists is refused. What is left out on purpose has lists with reasons in ``expressions``.
"""

from __future__ import annotations

from typing import Final

_MATHS: Final = """
abs acos acosh asin asinh atan atan2 atanh bin bit_count bit_get bround cbrt ceil ceiling conv cos cosh cot crc32 csc degrees
div e exp expm1 factorial floor getbit greatest hex hypot least ln log log10 log1p log2 mod nanvl negative pi pmod positive
pow power radians rint round sec shiftleft shiftright shiftrightunsigned sign signum sin sinh sqrt tan tanh try_add try_divide
try_mod try_multiply try_subtract unhex width_bucket
"""
_CONDITIONS: Final = """
between boolean case coalesce decode equal_null if iff ifnull in isnan isnotnull isnull like not nullif nullifzero nvl nvl2
typeof when zeroifnull and or ilike regexp rlike
"""
_TEXTS: Final = """
ascii base64 bit_length btrim char char_length character_length charindex chr collate collation concat concat_ws contains elt
encode endswith find_in_set format_number format_string hash initcap instr is_valid_utf8 lcase left len length levenshtein
locate lower lpad ltrim luhn_check make_valid_utf8 mask md5 octet_length overlay parse_url position printf quote regexp_count
regexp_extract regexp_extract_all regexp_instr regexp_like regexp_replace regexp_substr repeat replace reverse right rpad
rtrim sentences sha sha1 sha2 soundex space split split_part startswith str_to_map substr substring substring_index to_binary
to_char to_number to_varchar translate trim try_parse_url try_to_binary try_to_number try_url_decode try_validate_utf8 ucase
unbase64 upper url_decode url_encode validate_utf8 xxhash64 aes_decrypt try_aes_decrypt
"""
_TIMES: Final = """
add_months convert_timezone date_add date_diff date_format date_from_unix_date date_part date_sub date_trunc dateadd datediff
datepart day dayname dayofmonth dayofweek dayofyear extract from_unixtime from_utc_timestamp hour last_day make_date
make_dt_interval make_interval make_time make_timestamp make_timestamp_ltz make_timestamp_ntz make_ym_interval minute month
monthname months_between next_day quarter second time_bucket time_diff time_from_micros time_from_millis time_from_seconds
time_to_micros time_to_millis time_to_seconds time_trunc timediff timestamp_micros timestamp_millis timestamp_seconds
timestampadd timestampdiff to_date to_time to_timestamp to_timestamp_ltz to_timestamp_ntz to_unix_timestamp to_utc_timestamp
trunc try_make_interval try_make_timestamp try_make_timestamp_ltz try_make_timestamp_ntz try_to_date try_to_time
try_to_timestamp unix_date unix_micros unix_millis unix_seconds unix_timestamp weekday weekofyear year
"""
_COLLECTIONS: Final = """
aggregate array array_append array_compact array_contains array_distinct array_except array_insert array_intersect array_join
array_max array_min array_position array_prepend array_remove array_repeat array_size array_sort array_to_vector array_union
arrays_overlap arrays_zip cardinality element_at exists filter flatten forall get map map_concat map_contains_key map_entries
map_filter map_from_arrays map_from_entries map_keys map_values map_zip_with named_struct reduce sequence size slice
sort_array struct transform transform_keys transform_values try_element_at vector_cosine_similarity vector_inner_product
vector_l2_distance vector_norm vector_normalize vector_to_array zip_with
"""
_DOCUMENTS: Final = """
from_csv from_json from_xml get_json_object is_valid_variant is_variant_null json_array_length json_object_keys parse_json
schema_of_csv schema_of_json schema_of_variant schema_of_xml to_csv to_json to_variant_object to_xml try_parse_json
try_variant_get variant_get xpath xpath_boolean xpath_double xpath_float xpath_int xpath_long xpath_number xpath_short
xpath_string
"""
_FILES: Final = "input_file_block_length input_file_block_start input_file_name"
_TYPES: Final = """
bigint binary byte cast character date dec decimal double float int integer long numeric real short smallint string time
timestamp timestamp_ltz timestamp_ntz tinyint try_cast varchar
"""
_SKETCHES: Final = """
approx_top_k_estimate bitmap_bit_position bitmap_bucket_number bitmap_count hll_sketch_estimate hll_union theta_difference
theta_intersection theta_sketch_estimate theta_union
"""
_NUMBERED: Final = ("get_n", "get_quantile", "get_rank", "merge", "to_string")
PREFIXES: Final = ("h3_", "st_")
"""What begins the names of functions of places on the earth, which Databricks and Spark have by the dozen."""

_KINDS: Final = ("bigint", "double", "float")
_TUPLES: Final = [f"{tuples}_{kind}" for tuples in ("", "_theta") for kind in ("double", "integer")]

ROW_FUNCTIONS: Final = frozenset(
    {
        *" ".join((_MATHS, _CONDITIONS, _TEXTS, _TIMES, _COLLECTIONS, _DOCUMENTS, _FILES, _TYPES, _SKETCHES)).split(),
        *(f"kll_sketch_{what}_{kind}" for what in _NUMBERED for kind in _KINDS),
        *(f"tuple_{what}{kind}" for what in ("difference", "intersection", "union") for kind in _TUPLES),
        *(f"tuple_sketch_{what}_{kind}" for what in ("estimate", "summary", "theta") for kind in ("double", "integer")),
    }
)
"""Functions of one row, and types and operators that are written like functions."""

_MANY_ROWS: Final = """
any any_value approx_count_distinct approx_percentile approx_top_k approx_top_k_accumulate approx_top_k_combine array_agg avg
bit_and bit_or bit_xor bitmap_and_agg bitmap_construct_agg bitmap_or_agg bool_and bool_or collect_list collect_set corr count
count_if count_min_sketch covar_pop covar_samp every first first_value histogram_numeric hll_sketch_agg hll_union_agg kurtosis
last last_value listagg max max_by mean median min min_by mode percentile percentile_approx percentile_cont percentile_disc
regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy schema_of_variant_agg skewness
some std stddev stddev_pop stddev_samp string_agg sum theta_intersection_agg theta_sketch_agg theta_union_agg try_avg try_sum
var_pop var_samp variance vector_avg vector_sum
"""
AGGREGATES: Final = frozenset(
    {
        *_MANY_ROWS.split(),
        *(f"kll_{what}_agg_{kind}" for what in ("merge", "sketch") for kind in _KINDS),
        *(f"tuple_{what}_agg_{kind}" for what in ("intersection", "sketch", "union") for kind in ("double", "integer")),
    }
)
"""Functions of many rows, for `metrics`."""

ORDERED_FUNCTIONS: Final = frozenset(
    {
        *("cume_dist", "dense_rank", "grouping", "grouping_id", "lag", "lead", "measure", "nth_value", "ntile", "percent_rank"),
        *("rank", "row_number"),
    }
)
"""Functions of a row's place among others, of a window, of a GROUP BY or of a view with measures: there is none of these here."""

BEFORE_PARENTHESES: Final = frozenset(
    {
        *("all", "any", "as", "by", "distinct", "else", "escape", "filter", "for", "from", "group", "interval", "is", "on"),
        *("order", "placing", "some", "then", "to", "using", "where", "within"),
    }
)
"""Words of SQL that may stand before a parenthesis without being a function, beside operators that are one, such as `in`."""

"""Which functions a query may call, by dialect.

What the parser knows by name is ordinary SQL and passes; what it does not know passes only when it is listed here;
what is denied is refused however it is written.
"""

from __future__ import annotations

from stores.sqlite import DENIED_FUNCTIONS as _SQLITE_DENIED

_SQLITE = """
acosh asinh atanh bm25 ceil changes char cume_dist date datetime degrees fts5 glob highlight hex iif instr json json_array
json_array_length json_each json_extract json_group_array json_group_object json_insert json_object json_quote
json_remove json_replace json_set json_tree json_type json_valid jsonb julianday like likelihood likely log10 log2 lower ltrim
match matchinfo mod nth_value ntile nullif octet_length offsets percent_rank pi pow printf format quote radians random rank
replace round rtrim sign snippet soundex sqlite_version strftime string_agg substr substring subtype time timediff total trim
trunc typeof unhex unicode unixepoch unlikely concat concat_ws group_concat generate_series
"""

_POSTGRES = """
abs acos acosh age any_value array_agg array_append array_cat array_dims array_fill array_length array_lower array_ndims
array_position array_positions array_prepend array_remove array_replace array_sample array_shuffle array_to_json
array_to_string array_upper ascii asin asinh atan atan2 atanh avg bit_and bit_count bit_length bit_or bit_xor bool_and bool_or
bound box btrim cardinality cbrt ceil ceiling char_length character_length chr circle clock_timestamp coalesce concat concat_ws
convert_from convert_to corr cos cosh cot count covar_pop covar_samp cume_dist current_catalog current_date current_schema
date date_add date_bin date_part date_subtract date_trunc decode degrees dense_rank diameter div encode erf every exp extract
factorial family first_value floor format gcd gen_random_uuid generate_series generate_subscripts greatest grouping height host
hostmask inet_merge initcap isempty isfinite json_agg json_array_elements json_array_elements_text json_array_length json_build_array
json_build_object json_each json_each_text json_extract_path json_extract_path_text json_object json_object_agg json_object_keys
json_strip_nulls json_to_record json_to_recordset json_typeof jsonb_agg jsonb_array_elements jsonb_array_elements_text
jsonb_array_length jsonb_build_array jsonb_build_object jsonb_each jsonb_each_text jsonb_extract_path jsonb_extract_path_text
jsonb_insert jsonb_object jsonb_object_agg jsonb_object_keys jsonb_path_exists jsonb_path_match jsonb_path_query
jsonb_path_query_array jsonb_path_query_first jsonb_pretty jsonb_set jsonb_strip_nulls jsonb_to_record jsonb_to_recordset jsonb_typeof
justify_days justify_hours justify_interval lag last_value lcm lead least left length levenshtein ln localtime localtimestamp log
log10 lower lower_inc lower_inf lpad ltrim make_date make_interval make_time make_timestamp make_timestamptz masklen max md5
metaphone min min_scale mod mode netmask network normalize now nth_value ntile nullif num_nonnulls num_nulls numnode octet_length
overlaps overlay parse_ident percent_rank percentile_cont percentile_disc pg_typeof phraseto_tsquery pi plainto_tsquery point
position power quote_ident quote_literal quote_nullable radians random range_agg range_merge rank regexp_count regexp_instr
regexp_like regexp_match regexp_matches regexp_replace regexp_split_to_array regexp_split_to_table regexp_substr regr_avgx regr_avgy
regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy repeat replace reverse right round row row_number row_to_json
rpad rtrim scale set_byte setweight sha224 sha256 sha384 sha512 show_trgm sign similarity sin sind sinh soundex split_part sqrt
starts_with statement_timestamp stddev stddev_pop stddev_samp string_agg string_to_array string_to_table strip strpos
strict_word_similarity substr substring sum tan tand tanh text timeofday timezone to_ascii to_char to_date to_hex to_json to_jsonb
to_number to_timestamp to_tsquery to_tsvector transaction_timestamp translate trim trim_array trim_scale trunc ts_headline ts_rank
ts_rank_cd tsvector_to_array unaccent unistr unnest upper upper_inc upper_inf var_pop var_samp variance version
websearch_to_tsquery width width_bucket word_similarity dmetaphone cosd acosd asind atand atan2d cotd daterange int4range int8range
numrange tsrange tstzrange
"""

_MYSQL = """
addtime any_value bin bit_count ceil concat concat_ws conv convert_tz crc32 curdate curtime date_format datediff dayname dayofmonth
dayofweek dayofyear elt export_set field find_in_set format from_base64 from_days from_unixtime group_concat grouping hex hour if
ifnull inet_aton inet_ntoa insert instr isnull json_array json_arrayagg json_contains json_contains_path json_depth json_extract
json_keys json_length json_object json_objectagg json_overlaps json_quote json_search json_type json_unquote json_valid json_value
last_day lcase left lengthb locate log10 log2 lpad ltrim make_set makedate maketime md5 microsecond mid minute mod monthname now
oct octet_length ord period_add period_diff pi position pow quarter quote rand regexp_instr regexp_like regexp_replace regexp_substr
repeat replace reverse right round row_number rpad rtrim sec_to_time second sha sha1 sha2 sign soundex space std str_to_date strcmp
subdate substr substring substring_index subtime sysdate time time_format time_to_sec timediff timestamp timestampadd timestampdiff
to_base64 to_days to_seconds truncate ucase unhex unix_timestamp utc_date utc_time utc_timestamp uuid version week weekday weekofyear
yearweek
"""

_ALLOWED = {"sqlite": frozenset(_SQLITE.split()), "postgres": frozenset(_POSTGRES.split()), "mysql": frozenset(_MYSQL.split())}

_DENIED = _SQLITE_DENIED | frozenset(
    """
current_setting set_config nextval setval currval lastval query_to_xml query_to_xmlschema query_to_xml_and_xmlschema table_to_xml
table_to_xmlschema table_to_xml_and_xmlschema cursor_to_xml cursor_to_xmlschema schema_to_xml schema_to_xmlschema
schema_to_xml_and_xmlschema database_to_xml database_to_xmlschema database_to_xml_and_xmlschema inet_server_addr inet_server_port
inet_client_addr inet_client_port lowrite loread ts_stat has_table_privilege
load_file sleep benchmark get_lock release_lock release_all_locks is_free_lock is_used_lock master_pos_wait source_pos_wait
extractvalue updatexml uuid_short last_insert_id sys_exec sys_eval
""".split()
)
_DENIED_PREFIXES = {"sqlite": ("pragma_", "sqlite_"), "postgres": ("pg_", "lo_", "dblink", "binary_upgrade_"), "mysql": ("sys_",)}
_HARMLESS = frozenset({"pg_typeof", "sqlite_version"})


def is_denied(name: str, dialect: str) -> bool:
    """Whether a function of that name is refused, however it is written."""
    name = name.lower()
    return name in _DENIED or (name.startswith(_DENIED_PREFIXES[dialect]) and name not in _HARMLESS)


def is_allowed(name: str, dialect: str) -> bool:
    """Whether a function that the parser does not know may be called."""
    return name.lower() in _ALLOWED[dialect] and not is_denied(name, dialect)

// The statements of reindex_bloated. Internal to the folder.
#pragma once

namespace tocsin::agent {

/// $1: least size in bytes, $2: least bloat in percent, $3: most rows.
/// Columns: index oid, "schema.index" quoted, bytes, bloat percent, the statement, table oid,
/// index name, path of its tablespace or of the data folder (null: may not be read).
inline constexpr const char* kBloatedIndexes = R"(
WITH columns AS (
  SELECT i.indexrelid,
         sum(st.avg_width) AS width,
         bool_or(st.null_frac > 0) AS has_nulls,
         bool_and(st.avg_width IS NOT NULL) AS known
  FROM pg_index i
  JOIN pg_class ic ON ic.oid = i.indexrelid
  JOIN pg_namespace n ON n.oid = ic.relnamespace
  JOIN pg_class t ON t.oid = i.indrelid
  JOIN pg_namespace tn ON tn.oid = t.relnamespace
  JOIN pg_attribute a ON a.attrelid = i.indexrelid AND a.attnum > 0
  LEFT JOIN pg_attribute ta ON ta.attrelid = i.indrelid AND ta.attnum = i.indkey[a.attnum - 1]
                           AND i.indkey[a.attnum - 1] <> 0
  LEFT JOIN pg_stats st ON st.schemaname = tn.nspname AND NOT st.inherited
                       AND st.tablename
                           = CASE WHEN ta.attname IS NULL THEN ic.relname ELSE t.relname END
                       AND st.attname = coalesce(ta.attname, a.attname)
  WHERE n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
  GROUP BY i.indexrelid
), sized AS (
  SELECT c.indexrelid, ic.relname, n.nspname, i.indrelid, ic.reltablespace,
         pg_relation_size(c.indexrelid) AS bytes,
         current_setting('block_size')::numeric AS block,
         greatest(CASE WHEN ic.reltuples > 0 THEN ic.reltuples ELSE t.reltuples END,
                  0)::numeric AS tuples,
         coalesce((SELECT substring(option FROM 'fillfactor=([0-9]+)')::numeric
                   FROM unnest(ic.reloptions) option WHERE option LIKE 'fillfactor=%'), 90) AS fill,
         CASE WHEN c.has_nulls THEN 16 ELSE 8 END + 8 * ceil(c.width / 8.0) + 4 AS tuple
  FROM columns c
  JOIN pg_index i ON i.indexrelid = c.indexrelid
  JOIN pg_class ic ON ic.oid = c.indexrelid
  JOIN pg_namespace n ON n.oid = ic.relnamespace
  JOIN pg_class t ON t.oid = i.indrelid
  JOIN pg_am am ON am.oid = ic.relam AND am.amname = 'btree'
  WHERE c.known AND i.indisvalid AND i.indisready AND NOT i.indisexclusion
    AND ic.relkind = 'i' AND ic.relpersistence <> 't' AND t.reltuples >= 0
), judged AS (
  SELECT *, 100 * (1 - least(1, block
                                * (1 + 1.02 * ceil(tuples * tuple / ((block - 40) * fill / 100)))
                                / greatest(bytes, 1))) AS bloat
  FROM sized
  WHERE bytes >= $1::bigint
)
SELECT indexrelid::bigint, format('%I.%I', nspname, relname), bytes, round(bloat)::bigint,
       format('REINDEX INDEX CONCURRENTLY %I.%I', nspname, relname), indrelid::bigint, relname,
       coalesce(nullif(pg_tablespace_location(reltablespace), ''),
                (SELECT setting FROM pg_settings WHERE name = 'data_directory'))
FROM judged
WHERE bloat >= $2::bigint
ORDER BY bloat * bytes DESC, indexrelid
LIMIT $3::bigint)";

/// $1: table oid. The invalid indexes of the table as one text "{1,2}".
inline constexpr const char* kInvalidIndexes = R"(
SELECT coalesce(array_agg(indexrelid::bigint ORDER BY indexrelid), '{}')::text
FROM pg_index WHERE indrelid = $1::bigint::oid AND NOT indisvalid)";

/// $1: table oid, $2: index name, $3: oids that were there before, "{1,2}".
/// Columns: name, the statement. PostgreSQL cuts long names before the suffix.
inline constexpr const char* kLeftovers = R"(
SELECT format('%I.%I', n.nspname, c.relname),
       format('DROP INDEX CONCURRENTLY IF EXISTS %I.%I', n.nspname, c.relname)
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE i.indrelid = $1::bigint::oid AND NOT i.indisvalid
  AND c.relname ~ '_cc(new|old)[0-9]*$'
  AND starts_with($2::text, regexp_replace(c.relname::text, '_cc(new|old)[0-9]*$', ''))
  AND NOT i.indexrelid::bigint = ANY ($3::bigint[])
  AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = c.oid)
ORDER BY 1)";

/// $1: "schema.index" quoted. Its bytes; none if it is gone.
inline constexpr const char* kIndexBytes =
    "SELECT pg_relation_size(to_regclass($1::text)) WHERE to_regclass($1::text) IS NOT NULL";

}  // namespace tocsin::agent

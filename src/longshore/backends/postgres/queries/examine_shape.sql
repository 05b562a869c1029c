-- verb: examine
-- parameters: $1 the schema, as text that regnamespace reads; NULL for this session's temporary one
-- columns: what there is: kind, name, and what is to be equal
-- index: pg_class_relname_nsp_index, pg_attribute_relid_attnum_index
WITH place AS MATERIALIZED (
    SELECT oid, CASE WHEN oid = pg_my_temp_schema() THEN 'pg_temp.' ELSE quote_ident(nspname) || '.' END AS qualifier
    FROM pg_namespace
    WHERE oid = coalesce($1::regnamespace::oid, pg_my_temp_schema())
),
relation AS MATERIALIZED (
    SELECT class.*
    FROM pg_class AS class
    INNER JOIN place ON place.oid = class.relnamespace
)
SELECT
    CASE relkind WHEN 'v' THEN 'view' WHEN 'S' THEN 'sequence' ELSE 'table' END AS kind,
    relname::text AS name,
    coalesce((SELECT string_agg(option, ' ' ORDER BY option) FROM unnest(reloptions) AS option), '') AS shape
FROM relation
WHERE relkind IN ('r', 'p', 'v', 'S')
UNION ALL
SELECT
    'column',
    relname || '.' || attname,
    format_type(atttypid, atttypmod) || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END
FROM relation
INNER JOIN pg_attribute ON attrelid = relation.oid
WHERE
    relkind IN ('r', 'p')
    AND attnum > 0
    AND NOT attisdropped
UNION ALL
SELECT
    'index',
    relname::text,
    replace(pg_get_indexdef(relation.oid), place.qualifier, '') || CASE WHEN indisvalid THEN '' ELSE ' INVALID' END
FROM relation
INNER JOIN pg_index ON indexrelid = relation.oid
CROSS JOIN place
UNION ALL
SELECT
    'function',
    proname::text,
    pg_get_function_identity_arguments(pg_proc.oid)
    || ' '
    || md5(replace(coalesce(pg_get_function_sqlbody(pg_proc.oid), prosrc), place.qualifier, ''))
FROM pg_proc
INNER JOIN place ON place.oid = pronamespace

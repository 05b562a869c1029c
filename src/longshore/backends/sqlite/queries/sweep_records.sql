-- verb: promote: records that are over
-- parameters: now_ms
-- columns: kind, key
-- index: record_mortal
DELETE FROM record
WHERE (expires_ms IS NOT NULL OR session IS NOT NULL)
    AND (
        expires_ms <= ?1
        OR (
            session IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM session AS held WHERE held.name = record.session AND held.until_ms > ?1)
        )
    )
RETURNING kind, key

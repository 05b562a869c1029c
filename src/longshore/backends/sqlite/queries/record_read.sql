-- verb: put and claim: one record that is not over
-- parameters: kind, key, now_ms
-- columns: kind, key, value, version, session, expires_ms
-- index: the primary key of record
SELECT kind, key, value, version, session, expires_ms
FROM record
WHERE kind = ?1
    AND key = ?2
    AND (expires_ms IS NULL OR expires_ms > ?3)
    AND (
        session IS NULL
        OR EXISTS (SELECT 1 FROM session AS held WHERE held.name = record.session AND held.until_ms > ?3)
    )

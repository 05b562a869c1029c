-- for: whoever makes jobs pending: whether so few were added lately and wait that somebody must be woken (ADR 0007)
(
    SELECT count(*)
    FROM (
        SELECT 1
        FROM {schema}.{prefix}ready AS ready
        WHERE
            ready.queue = sums.queue
            AND ready.priority = sums.priority
            AND ready.place > sums.place - 33554432
        LIMIT 4
    ) AS near
) < 4

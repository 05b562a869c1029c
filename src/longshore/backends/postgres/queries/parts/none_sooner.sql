-- for: whoever makes jobs wait for a time: whether no other waits for an earlier one, so that somebody must be woken
NOT EXISTS (
    SELECT 1
    FROM {schema}.{prefix}later AS later
    WHERE later.run_ms > sums.now_ms - 10000 AND later.run_ms <= sums.next_ms
)

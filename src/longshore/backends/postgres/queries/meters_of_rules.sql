-- verb: tune
-- parameters: queues, names of rules
-- columns: the columns of `meters`, the number of the ask (from 1)
-- index: the primary key of meter (";" is next to ":", which ends the name of a rule)
SELECT
    meter.queue, meter.name, meter.kind, meter.most, meter.per_ms, meter.burst, meter.used, meter.held, meter.wanted,
    meter.spent, meter.due_ms, a.n
FROM
    unnest($1::text[], $2::text[]) WITH ORDINALITY AS a (queue, rule, n)
    JOIN {schema}.{prefix}meter AS meter
        ON meter.queue = a.queue AND meter.name >= a.rule || ':' AND meter.name < a.rule || ';'
ORDER BY a.n, meter.name

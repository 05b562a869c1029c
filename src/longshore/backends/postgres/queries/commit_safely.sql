-- verb: insert with a durability that commits do not have by themselves
-- parameters: synchronous_commit, until the end of the transaction
-- columns: the same
-- index: none; it is a setting
SELECT set_config('synchronous_commit', $1, TRUE)

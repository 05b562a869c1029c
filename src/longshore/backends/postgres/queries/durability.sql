-- verb: open: how safe a commit is on this server
-- parameters: none
-- columns: fsync, synchronous_commit, synchronous_standby_names
-- index: none; these are settings
SELECT current_setting('fsync'), current_setting('synchronous_commit'), current_setting('synchronous_standby_names')

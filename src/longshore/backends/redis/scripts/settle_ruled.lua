-- verb: settle, of jobs of which some have rules or followers with rules
-- keys: sessions held cancels | jobs states running ids due back finished failed extras errors logs counts minutes outbox edges waits parents children rules meters meter_times waiters marks ready
-- arguments: as `settle.lua` says
-- reply: as there, but for 3
-- include: time layout records sessions calls queues leaving inserting lives notes room settling
-- on demand: meters ledgers turns flow spending serving handing taking links edges telling

takes_rules = true
return add_left(settle_all())

"""This module holds the rules that jobs of random walks come with: few meters, so that everybody meets everybody."""

from longshore.core.rules import FairKey, FlowKey, LimitKind, Rules, UniqueKey
from longshore.core.states import LIVE, State

SLOT, PAIR = (FlowKey("slots", "a", LimitKind.CONCURRENCY, limit) for limit in (1, 2))
LARGE = FlowKey("slots", "a", LimitKind.CONCURRENCY, 3, cost=2)
WIDE = FlowKey("all", "", LimitKind.CONCURRENCY, 2)
BUCKET = FlowKey("rate", "", LimitKind.BUCKET, 4, 1000, burst=2)
SLOW = FlowKey("rate", "", LimitKind.BUCKET, 1, 4000, burst=3, cost=2)
SLIDING = FlowKey("slide", "a", LimitKind.SLIDING, 2, 2000)
FIXED = FlowKey("slide", "b", LimitKind.FIXED, 2, 2000)
_ANNE, _BERT = FairKey("anne"), FairKey("bert", 3.0)
_TWIN = UniqueKey(b"twin\x00", tuple(sorted(LIVE)))
_RECENT = UniqueKey(b"twin\x00", (State.PENDING, State.RUNNING, State.COMPLETED), within_ms=2000)

FLOWS = (
    *((SLOT,), (PAIR,), (LARGE,), (WIDE,), (BUCKET,), (SLOW,), (SLIDING,), (FIXED,)),
    *((SLOT, WIDE), (WIDE, SLOT), (BUCKET, SLOT), (WIDE, SLIDING), (SLOT, BUCKET, WIDE)),
)
RULES: tuple[Rules | None, ...] = (
    *(None,) * 6,
    *(Rules(flow=flow) for flow in FLOWS),
    *(Rules(fair=fair) for fair in (_ANNE, _ANNE, _BERT)),
    *(Rules(flow=(PAIR,), fair=_ANNE), Rules(flow=(SLOT, WIDE), fair=_BERT)),
    *(Rules(unique=_TWIN), Rules(unique=_RECENT), Rules(flow=(WIDE,), unique=_TWIN)),
    *(Rules(room=4), Rules(flow=(SLOT,), fair=_ANNE, unique=_RECENT, room=5)),
)
TUNES = (SLOT, PAIR, LARGE, WIDE, BUCKET, SLOW, SLIDING, FIXED, FlowKey("all", "", LimitKind.CONCURRENCY, 4))

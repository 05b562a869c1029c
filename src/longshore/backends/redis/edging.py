"""This module packs the edges of jobs so that the scripts can read them, and reads them back.

Of a job: join 1, then for each edge when 1, missed 1, parent 16, length of its queue 1, queue.
"""

import struct

from longshore.backends.redis.ruling import packed_rules
from longshore.core.edges import Edge, Edges, Join, Missed, When
from longshore.core.ids import JobId
from longshore.core.job import JobRecord, NewJob

_EDGED = 128
"""What rules never begin with."""
_LENGTH = struct.Struct("<I")
_HEAD = 19
"""Bytes of an edge in front of its queue."""


def packed_edges(edges: Edges) -> bytes:
    """The edges as the scripts take and keep them."""
    pieces = [bytes([edges.join])]
    for edge in edges.parents:
        queue = edge.queue.encode()
        pieces += (bytes([edge.on, edge.missed]), edge.parent, bytes([len(queue)]), queue)
    return b"".join(pieces)


def packed_rare(job: NewJob) -> bytes:
    """What few new jobs have beside their item: edges and rules; empty for none."""
    if job.edges is None:
        return packed_rules(job.rules)
    edges = packed_edges(job.edges)
    return bytes([_EDGED]) + _LENGTH.pack(len(edges)) + edges + packed_rules(job.rules)


def adopted_edges(job: JobRecord) -> bytes:
    """The edges of a job of another store, and in front a byte for each: whether it still waits for that parent."""
    if job.edges is None:
        return b""
    is_open = bytes(edge.parent in job.waits_for for edge in job.edges.parents)
    return _LENGTH.pack(len(is_open)) + is_open + packed_edges(job.edges)


def kept_edges(kept: bytes) -> tuple[Edges, tuple[JobId, ...]]:
    """What is kept of a job: its edges, and the parents that it still waits for."""
    (count,) = _LENGTH.unpack_from(kept)
    at = _LENGTH.size + count + 1
    join = Join(kept[at - 1])
    parents = []
    while at < len(kept):
        end = at + _HEAD + kept[at + _HEAD - 1]
        queue = kept[at + _HEAD : end].decode()
        parents.append(Edge(JobId(kept[at + 2 : at + 18]), queue, When(kept[at]), Missed(kept[at + 1])))
        at = end
    is_open = kept[_LENGTH.size : _LENGTH.size + count]
    waits_for = tuple(edge.parent for edge, open_ in zip(parents, is_open, strict=True) if open_)
    return Edges(tuple(parents), join), waits_for

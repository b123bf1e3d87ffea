"""The content-addressed store: what was encoded or described once is never computed again.

    <root>/<stage>/<key of the identity>/about.json
    <root>/<stage>/<key of the identity>/<modality>/<sha256 of the shard>.safetensors | .jsonl
    <root>/index/<stage>/<key of the identity>/<modality>.index, used, writing

A shard holds many items, each under the sha256 of its content, and is named by the sha256 of its own bytes: a partial
or altered file cannot be taken for a whole one. ``about.json`` carries its own sha256. Writers only ever add shards, so
that processes may share a store and an interrupted one leaves it usable. ``index/`` is derived: it may be deleted at
any time. Light: numpy, no torch.
"""

from .namespace import LAYOUT, Namespace, identity_key
from .shard import Array
from .shelves import ArrayShelf, TextShelf, TokenShelf, Vectors, VectorShelf

__all__ = [
    "LAYOUT",
    "Array",
    "ArrayShelf",
    "Namespace",
    "TextShelf",
    "TokenShelf",
    "VectorShelf",
    "Vectors",
    "identity_key",
]

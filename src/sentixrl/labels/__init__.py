"""Labels, label sets and maps between them; named schemes and label files."""

from sentixrl.labels.files import (
    is_file,
    of_ones_own,
    read_label_file,
    resolve_labels,
    scheme,
    scheme_names,
    scheme_text,
)
from sentixrl.labels.identity import canonical_order, concepts, identity
from sentixrl.labels.maps import (
    MapLoss,
    label_map,
    map_loss,
    merged,
    reason,
    sources_of,
    unified_names,
)
from sentixrl.labels.sets import (
    ANY_LANGUAGE,
    CUSTOM,
    MAX_LABELS,
    MAX_NAME_LENGTH,
    Label,
    LabelMap,
    LabelSet,
    Polarity,
)

__all__ = [
    "ANY_LANGUAGE",
    "CUSTOM",
    "MAX_LABELS",
    "MAX_NAME_LENGTH",
    "Label",
    "LabelMap",
    "LabelSet",
    "MapLoss",
    "Polarity",
    "canonical_order",
    "concepts",
    "identity",
    "is_file",
    "label_map",
    "map_loss",
    "merged",
    "of_ones_own",
    "read_label_file",
    "reason",
    "resolve_labels",
    "scheme",
    "scheme_names",
    "scheme_text",
    "sources_of",
    "unified_names",
]

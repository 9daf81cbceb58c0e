"""Labels, label sets and maps between them; named schemes and label files."""

from sentixrl.labels.files import (
    read_label_file,
    resolve_labels,
    scheme,
    scheme_names,
    scheme_text,
)
from sentixrl.labels.identity import canonical_order, concepts, identity
from sentixrl.labels.sets import (
    CUSTOM,
    MAX_LABELS,
    MAX_NAME_LENGTH,
    Label,
    LabelMap,
    LabelSet,
    Polarity,
)

__all__ = [
    "CUSTOM",
    "MAX_LABELS",
    "MAX_NAME_LENGTH",
    "Label",
    "LabelMap",
    "LabelSet",
    "Polarity",
    "canonical_order",
    "concepts",
    "identity",
    "read_label_file",
    "resolve_labels",
    "scheme",
    "scheme_names",
    "scheme_text",
]

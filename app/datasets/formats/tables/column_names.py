"""What columns of tables are called, in lower case and in order of preference."""

from __future__ import annotations

import re

FILENAME_NAMES = (
    *("filename", "file_name", "file name", "file", "image", "image_name", "image name", "image_file", "img"),
    *("image_path", "filepath", "file_path", "path", "img_path", "images", "filenames", "photo", "picture"),
    *("dateiname", "datei", "bild", "bildname", "fichier", "archivo", "imagen", "immagine"),
    *("url", "image_url", "name", "image_id", "img_id", "id_code", "id"),
)
LABEL_NAMES = (
    *("label", "labels", "class", "class_name", "classname", "category", "category_name", "label_name", "choice"),
    *("class name", "category name", "label name", "labelname", "class_label", "ground_truth", "groundtruth"),
    *(
        "klasse",
        "kategorie",
        "etikett",
        "classe",
        "catégorie",
        "étiquette",
        "clase",
        "categoría",
        "etiqueta",
        "categoria",
    ),
    *("breed", "species", "diagnosis", "dx", "tag", "tags", "class_id", "classid", "label_id", "category_id", "text"),
)
# A class of a one-hot table may have one of these names.
WEAK_LABEL_NAMES = ("target", "y")
VALUE_NAMES = ("value", "target", "y", "label", "score")
ID_NAME = re.compile(r"id([_ ](code|number|no|nr))?|.*[_ .]id|uuid|guid")
_INNER_FIELD = re.compile(r"(?P<outer>.*[^\W\d_])\.(?P<inner>[^\W\d_]\w+)")
# Fields that say of what is outside how it is called: label.name is a label, and no name of a file.
_OWN_NAMES = frozenset({"name", "title", "text", "value"})


def list_aliases(name: str) -> tuple[str, ...]:
    """Return what the column of an inner field may be called as well: image.path is image_path and path.

    `name` is in lower case; any other column has its own name only.
    """
    found = _INNER_FIELD.fullmatch(name)
    if found is None:
        return (name,)
    outer, inner = found["outer"].rpartition(".")[2], found["inner"]
    if inner == "id":
        return (name, f"{outer}_id")
    return (name, f"{outer}_{inner}", outer if inner in _OWN_NAMES else inner)

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
ID_NAME = re.compile(r"id([_ ](code|number|no|nr))?|.*[_ ]id|uuid|guid")

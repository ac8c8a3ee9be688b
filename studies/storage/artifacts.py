"""Files attached to a study as Optuna does, but each whole or not at all, and the same file only once."""

import hashlib
import json
import mimetypes
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from optuna.artifacts import ArtifactMeta
from optuna.artifacts._upload import ARTIFACTS_ATTR_PREFIX
from optuna.study import Study

from fcnet.writing import write_whole


def attach(study: Study, files: Sequence[Path], folder: Path) -> None:
    """Attach files to a study; their copies stand in the folder of its artifacts.

    Raises
    ------
    UserError
        If the folder cannot be written.
    """
    for file in files:
        content = file.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        kind, encoding = mimetypes.guess_type(file.name)
        meta = ArtifactMeta(
            artifact_id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{study.study_name}/{file.name}/{digest}")),
            filename=file.name,
            mimetype=kind or "application/octet-stream",
            encoding=encoding,
        )
        write_whole(folder / meta.artifact_id, content)
        key = ARTIFACTS_ATTR_PREFIX + meta.artifact_id
        study._storage.set_study_system_attr(study._study_id, key, json.dumps(asdict(meta)))

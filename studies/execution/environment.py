"""What a training's last bits depend on besides its seed and data."""

import platform
from functools import cache

import numpy as np
import scipy
from threadpoolctl import threadpool_info

import fcnet.blas  # noqa: F401  (the copy of BLAS that training uses must be loaded to be seen)

__all__ = ["environment"]


@cache
def environment() -> dict[str, str]:
    """Return versions, BLAS kernels and machine of this process, in words."""
    blas = sorted(
        f"{info['internal_api']} {info['version']} ({info.get('architecture', 'unknown')})"
        for info in threadpool_info()
        if info["user_api"] == "blas"
    )
    return {
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "blas": ", ".join(dict.fromkeys(blas)),
        "blas_threads": "1",
        "machine": f"{platform.system()} {platform.machine()}",
    }

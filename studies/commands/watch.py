"""Show the progress of a sweep that runs in another process, without touching it."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from studies.commands.options import FormatOptions, StudyOptions, seconds
from studies.commands.parser import option

if TYPE_CHECKING:
    from studies.experiments.standing import Standing


_LOOKS = 3  # that find nothing running, and nothing that ended since, are enough


@dataclass(frozen=True, kw_only=True)
class Options(StudyOptions, FormatOptions):
    """The command's options."""

    every: float = option(seconds, 1.0, "SECONDS", "time between two looks")


def run(options: Options) -> int:
    """Run the command until the sweep stands still; with ``--format json`` look once."""
    from studies.experiments.standing import Watch
    from studies.views.conclusion import conclusion
    from studies.views.console import stderr, stdout
    from studies.views.progress import SweepDisplay
    from studies.views.sentences import standing_sentence

    study = options.open()
    watch = Watch(study)
    if options.as_json:
        standing = watch.look()[0]
        print(json.dumps({"study": options.study, **asdict(standing), "is_running": standing.is_running}))
        return 0
    still = 0
    with SweepDisplay(stderr()) as display:
        display.remember(watch.ended())
        while True:
            standing, progress = watch.look()
            display.show(progress)
            still = 0 if standing.is_running or progress.latest else still + 1
            if _ended(standing, still):
                break
            time.sleep(options.every)
    out = stdout()
    out.print(f"Study {options.study}: {standing_sentence(standing)}.", markup=False)
    for sentence in conclusion(study):
        out.print(sentence, markup=False)
    return 0


def _ended(standing: Standing, still: int) -> bool:
    """Tell whether nothing is to be waited for; between two trials there may be a moment without any."""
    reached = standing.asked is not None and standing.finished >= standing.asked
    return still > 0 and (reached or still >= _LOOKS)

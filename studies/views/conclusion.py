"""What a study of any kind has found so far, in sentences."""

from optuna.study import Study

from studies import record
from studies.experiments.effects import findings
from studies.experiments.report import reproduction
from studies.experiments.results import summarise
from studies.record import ONE_FACTOR
from studies.views import report, sentences


def conclusion(study: Study) -> list[str]:
    """Return what a sweep or an experiment has found; nothing of a study that is a part of another one."""
    facts = record.read(study).facts
    if facts.is_search:
        return [sentences.headline(summarise(study))]
    if facts.experiment == ONE_FACTOR:
        return [test.sentence for test in findings(study).tests.values()]
    if facts.experiment is not None:
        return [report.headline(reproduction(study))]
    return []

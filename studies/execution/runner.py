"""The one runner: trainings side by side until an experiment has all that it wants, then its conclusion."""

import contextlib
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from fcnet.blas import one_blas_thread
from fcnet.errors import UserError
from studies.execution.backend import Backend, BackendLost, TrainingFailed, WorkerLost
from studies.execution.experiment import FINISHED, Experiment, Wanted
from studies.execution.progress import Progress
from studies.execution.signals import Interrupted, noted
from studies.record import INTERRUPTED, best_trial, kept_wish, last_failure, write_reason
from studies.storage.ownership import Coordinator

_MOST_FAILURES = 5  # trainings in a row that may fail before the sweep gives up
_TICK_SECONDS = 0.25
_PEERS_SECONDS = 2.0  # between two looks at what other coordinators do
_PUBLISHING_SHARE = 0.01  # of the time may go into figures while trainings run

# Workers wait for short answers of threads here, which wait for each other: Python's own 5 ms are long.
_SWITCH_SECONDS = 0.0005


class Runner:
    """Run trials of a study until the experiment wants no more.

    One thread per slot of the backend, and one more to have the next trial ready, asks for a trial, runs the
    objective and tells the result; the threads only relay what the workers send. Starting a trial happens
    under the coordinator's exclusive right, so the number is exact.

    Parameters
    ----------
    experiment : Experiment
        Says what is wanted.
    study : Study
    coordinator : Coordinator
        The right to run trainings of the study.
    objective : callable
        Takes a trial and returns its value.
    backend : Backend
        Where the objective trains; its slots are used.
    running : mapping of int to int, optional
        Epochs done of each training that runs, for the progress.
    show, publish : callable, optional
        See `studies.execution.run.run`; the study is published at intervals so long that it costs a hundredth
        of the time.
    """

    def __init__(
        self,
        experiment: Experiment[object],
        study: Study,
        coordinator: Coordinator,
        objective: Callable[[Trial], float],
        backend: Backend,
        *,
        running: Mapping[int, int] | None = None,
        show: Callable[[Progress], None] = lambda _: None,
        publish: Callable[[Study], None] = lambda _: None,
    ) -> None:
        self.experiment, self.study, self.coordinator = experiment, study, coordinator
        self.objective, self.backend = objective, backend
        self.running = {} if running is None else running
        self.show, self.publish = show, publish
        self.ended_because: str | None = None
        """Why it ended before its total, a few words; None if it did not."""
        self.nothing_to_do = False
        """Whether the study held all that is wanted before."""
        self._change = threading.Condition()
        self._stopping = False
        self._error: BaseException | None = None
        self._running = 0
        self._slots = 0
        self._failures = 0
        self._started = self._complete = False
        self._asked: set[Wanted] = set()
        self._ending: set[int] = set()
        self._trials: Sequence[FrozenTrial] = ()
        self._next_look = 0.0

    def run(self) -> None:
        """Run to the end.

        Raises
        ------
        Interrupted
            On SIGINT, SIGTERM or SIGHUP; running trials were ended and wait for the next start.
        UserError
            If trainings keep failing, or the database cannot be used.
        """
        self._began = time.monotonic()
        self._trials_before = sum(t.state in FINISHED for t in self.study.get_trials(deepcopy=False))
        threads: list[threading.Thread] = []
        # Whatever waits for the database, publishing in this thread too, waits no longer after a signal.
        with _quick_threads(), one_blas_thread(), noted(self.coordinator.give_up) as signalled:
            try:
                self._watch(threads, signalled)
            finally:
                self._stop()
                if any(thread.is_alive() for thread in threads):
                    self.backend.close()
                for thread in threads:
                    thread.join()
        if signalled.is_set():
            raise Interrupted
        if self._error is not None:
            raise self._error
        self.nothing_to_do = not self._started and self.ended_because is None
        self.show(self._progress())

    def _watch(self, threads: list[threading.Thread], signalled: threading.Event) -> None:
        """Show progress and publish until every slot has ended, an error came, or the user stops it."""
        next_publishing = self._began
        self._staff(threads)
        while any(thread.is_alive() for thread in threads):
            self.show(self._progress())
            if signalled.is_set() or self._error is not None or self._late():
                return
            if time.monotonic() >= next_publishing and self._trials:
                start = time.monotonic()
                self.publish(self.study)
                next_publishing = time.monotonic() + (time.monotonic() - start) / _PUBLISHING_SHARE
            with self._change:
                self._change.wait(_TICK_SECONDS)
            self._staff(threads)

    def _late(self) -> bool:
        """Tell whether the time is up; what runs then is interrupted, to be run again by the next start."""
        limit = self.experiment.timeout
        if limit is None or time.monotonic() - self._began < limit:
            return False
        self.ended_because = (
            f"the time limit of {limit:g} s was reached; trainings that ran wait for a next time"
        )
        return True

    def _staff(self, threads: list[threading.Thread]) -> None:
        """Start a thread for each slot that has none yet; workers may have joined."""
        while len(threads) < self.backend.slots + self.backend.ahead:
            thread = threading.Thread(target=self._work, name=f"slot {len(threads)}", daemon=True)
            thread.start()
            threads.append(thread)  # only what has started can be waited for
        self._slots = len(threads)

    def _work(self) -> None:
        """Run one slot: trial after trial."""
        try:
            while (trial := self._next()) is not None:
                try:
                    # Another coordinator took it for dead after a silence: it runs again under a new number.
                    with contextlib.suppress(UpdateFinishedTrialError):
                        self._run(trial)
                finally:
                    with self._change:
                        self._running -= 1
                        self._change.notify_all()
        except BaseException as error:  # handed to the main thread, which raises it
            with self._change:
                self._error = self._error or error
                self._change.notify_all()

    def _next(self) -> Trial | None:
        """Start the next trial, or wait while a running one may still fail and come back."""
        while not self._stopping:
            with self._change:
                if self._running >= self.backend.slots + self.backend.ahead:  # workers have left
                    self._change.wait(_TICK_SECONDS)
                    continue
            trial = self.coordinator.ask(self._may_start)
            if trial is not None:
                with self._change:
                    self._running += 1
                return trial
            with self._change:
                if self._complete or self.ended_because is not None:
                    return None
                if self._running > 0:
                    self._change.wait(_PEERS_SECONDS)
                    continue
            # What runs, runs in another coordinator, which may have died.
            if not self.coordinator.recover():
                with self._change:
                    self._change.wait(_PEERS_SECONDS)
        return None

    def _may_start(self, trials: Sequence[FrozenTrial]) -> bool:
        """Enqueue what is wanted now, and tell whether one more trial may be started."""
        experiment = self.experiment
        if self._stopping or self.ended_because is not None:
            return False
        wanted = experiment.enqueue(trials)
        new = [each for each in wanted if each not in self._asked]
        for each in new:
            params = {name: v for name, v in asdict(each.hyperparameters).items() if v is not None}
            self.study.enqueue_trial(params, user_attrs=kept_wish(each.wish))
            self._asked.add(each)  # not before: where the right is lost on the way, all this begins anew
        if new:
            trials = self.study.get_trials(deepcopy=False)
        states = [trial.state for trial in trials]
        if sum(s in (*FINISHED, TrialState.RUNNING) for s in states) >= experiment.total(trials):
            if len(wanted) > len(new):  # the others ended without a result, every retry too
                why = last_failure(trials)
                self.ended_because = f"some trainings failed ({why}); the same command tries them again"
            self._complete = TrialState.RUNNING not in states
            return False
        if not self._late():
            self.ended_because = experiment.enough(trials)
        self._started |= self.ended_because is None
        return self.ended_because is None

    def _run(self, trial: Trial) -> None:
        """Run the objective and tell its result."""
        try:
            value = self.objective(trial)
        except optuna.TrialPruned:
            self._failures = 0
            self._tell(trial, TrialState.PRUNED)
        except WorkerLost as error:
            if self._stopping:
                self.coordinator.requeue(trial.number, INTERRUPTED)
                return
            self.coordinator.requeue(trial.number, str(error))
            self._count_failure(error)
        except TrainingFailed as error:
            write_reason(trial, str(error))
            self._tell(trial, TrialState.FAIL)
            self._count_failure(error)
        except BackendLost:
            self.coordinator.requeue(trial.number, INTERRUPTED)
            raise
        except BaseException:
            if not self._stopping:
                self.coordinator.requeue(trial.number, INTERRUPTED)
            raise
        else:
            self._failures = 0
            self._tell(trial, TrialState.COMPLETE, value)

    def _count_failure(self, error: Exception) -> None:
        self._failures += 1
        if self._failures >= max(_MOST_FAILURES, 2 * self._slots):  # a machine dies with all its workers
            raise UserError(f"{self._failures} trainings in a row failed, the last one because {error}")

    def _tell(self, trial: Trial, state: TrialState, value: float | None = None) -> None:
        with self._change:
            self._ending.add(trial.number)  # before whoever counts it as finished shows it too
        with self.coordinator.exclusive():
            self.study.tell(trial, value, state=state, skip_if_finished=True)

    def _stop(self) -> None:
        with self._change:
            self._stopping = True
            self._change.notify_all()

    def _progress(self) -> Progress:
        if self._ending or time.monotonic() >= self._next_look:
            self._trials = self.study.get_trials(deepcopy=False)
            self._next_look = time.monotonic() + _PEERS_SECONDS
        trials = self._trials
        states = Counter(trial.state for trial in trials)
        finished, total = sum(states[s] for s in FINISHED), self.experiment.expected(trials)
        with self._change:
            latest = tuple(t for t in trials if t.number in self._ending and t.state.is_finished())
            self._ending -= {trial.number for trial in latest}
            running = min(self._running, self.backend.slots)
        each = self.experiment.facts.epochs
        return Progress(
            finished=finished,
            total=total,
            begun=self._trials_before,
            pruned=states[TrialState.PRUNED],
            running=running,
            best=best_trial(trials),
            seconds=time.monotonic() - self._began,
            latest=latest,
            epochs=(finished * each + sum(list(self.running.values())), total * each),
        )


@contextlib.contextmanager
def _quick_threads() -> Iterator[None]:
    """Let threads take turns more often."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(before)

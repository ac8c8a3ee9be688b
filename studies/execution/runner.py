"""The sweep: trials side by side until the study holds the asked number of finished ones."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from fcnet.errors import UserError
from studies.execution.backend import Backend, BackendLost, TrainingFailed, WorkerLost
from studies.execution.signals import noted
from studies.samplers import is_exhausted
from studies.storage.ownership import INTERRUPTED, Coordinator

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
_MOST_FAILURES = 5  # trainings in a row that may fail before the sweep gives up
_TICK_SECONDS = 0.25
_PEERS_SECONDS = 2.0  # between two looks at what other coordinators do
_PUBLISHING_SHARE = 0.01  # of the time may go into figures while trainings run


class Interrupted(Exception):
    """The user asked the sweep to stop; the study is clean."""


@dataclass(frozen=True)
class Progress:
    """Where a sweep stands.

    Parameters
    ----------
    finished, total : int
        Finished trials (complete or pruned) in the study, and how many were asked for.
    begun : int
        Finished trials when this run began.
    pruned, running : int
        Trials that were pruned, in the whole study; trials that this process runs.
    best : FrozenTrial or None
        The best complete trial.
    seconds : float
        Since this run began.
    latest : tuple of FrozenTrial
        Trials that ended since the last look.
    """

    finished: int
    total: int
    begun: int
    pruned: int
    running: int
    best: FrozenTrial | None
    seconds: float
    latest: tuple[FrozenTrial, ...]

    @property
    def seconds_left(self) -> float | None:
        """Estimate from the pace so far, in seconds; None before the first trial."""
        done = self.finished - self.begun
        return self.seconds / done * (self.total - self.finished) if done > 0 else None


class Sweep:
    """Run trials of a study until it holds the asked number of finished ones.

    One thread per slot of the backend asks for a trial, runs the objective and tells the result; the threads
    only relay what the workers send. Starting a trial happens under the coordinator's exclusive right, so the
    number is exact.

    Parameters
    ----------
    study : Study
    coordinator : Coordinator
        The right to run trainings of the study.
    objective : callable
        Takes a trial and returns its value.
    backend : Backend
        Where the objective trains; its slots are used.
    total : int
        Number of finished trials, complete or pruned, that the study shall hold in the end.
    timeout : float, optional
        Seconds after which no further trial is started.
    is_enough : callable, optional
        Takes all trials; a reason to start no more, or None. Asked after every finished trial.
    show : callable, optional
        Takes a `Progress`, a few times a second.
    publish : callable, optional
        Updates the study's figures; called at intervals so long that it costs a hundredth of the time.
    """

    def __init__(
        self,
        study: Study,
        coordinator: Coordinator,
        objective: Callable[[Trial], float],
        backend: Backend,
        *,
        total: int,
        timeout: float | None = None,
        is_enough: Callable[[Sequence[FrozenTrial]], str | None] = lambda _: None,
        show: Callable[[Progress], None] = lambda _: None,
        publish: Callable[[], None] = lambda: None,
    ) -> None:
        self.study, self.coordinator, self.objective, self.backend = study, coordinator, objective, backend
        self.total, self.timeout, self.is_enough = total, timeout, is_enough
        self.show, self.publish = show, publish
        self.ended_because: str | None = None
        """Why the sweep ended before its total, a few words; None if it did not."""
        self.nothing_to_do = False
        """Whether the study held its total before."""
        self._change = threading.Condition()
        self._stopping = False
        self._error: BaseException | None = None
        self._running = 0
        self._slots = 0
        self._failures = 0
        self._ended: list[FrozenTrial] = []
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
        self._trials_before = self._count()
        self.nothing_to_do = self._trials_before >= self.total
        threads: list[threading.Thread] = []
        # Whatever waits for the database, publishing in this thread too, waits no longer after a signal.
        with noted(self.coordinator.give_up) as signalled:
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
        self.show(self._progress())

    def _watch(self, threads: list[threading.Thread], signalled: threading.Event) -> None:
        """Show progress and publish until every slot has ended, an error came, or the user stops it."""
        next_publishing = self._began
        self._staff(threads)
        while any(thread.is_alive() for thread in threads):
            self.show(self._progress())
            if signalled.is_set() or self._error is not None:
                return
            if time.monotonic() >= next_publishing and self._trials:
                start = time.monotonic()
                self.publish()
                next_publishing = time.monotonic() + (time.monotonic() - start) / _PUBLISHING_SHARE
            with self._change:
                self._change.wait(_TICK_SECONDS)
            self._staff(threads)

    def _staff(self, threads: list[threading.Thread]) -> None:
        """Start a thread for each slot that has none yet; workers may have joined."""
        while len(threads) < self.backend.slots:
            threads.append(threading.Thread(target=self._work, name=f"slot {len(threads)}", daemon=True))
            threads[-1].start()
        self._slots = len(threads)

    def _work(self) -> None:
        """Run one slot: trial after trial."""
        try:
            while (trial := self._next()) is not None:
                try:
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
                if self._running >= self.backend.slots:  # workers have left
                    self._change.wait(_TICK_SECONDS)
                    continue
            trial = self.coordinator.ask(self._may_start)
            if trial is not None:
                with self._change:
                    self._running += 1
                return trial
            with self._change:
                if self.ended_because is not None:
                    return None
                if self._running > 0:
                    self._change.wait(_PEERS_SECONDS)
                    continue
            trials = self.study.get_trials(deepcopy=False)
            if not any(trial.state == TrialState.RUNNING for trial in trials):
                return None
            # They run in another coordinator, which may have died.
            if not self.coordinator.recover():
                with self._change:
                    self._change.wait(_PEERS_SECONDS)
        return None

    def _may_start(self, trials: Sequence[FrozenTrial]) -> bool:
        counted = sum(trial.state in (*FINISHED, TrialState.RUNNING) for trial in trials)
        if self._stopping or counted >= self.total:
            return False
        if self.timeout is not None and time.monotonic() - self._began >= self.timeout:
            self.ended_because = f"the time limit of {self.timeout:g} s was reached"
        elif is_exhausted(self.study):
            self.ended_because = "every point of the grid was tried"
        else:
            self.ended_because = self.is_enough(trials)
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
            trial.set_user_attr("reason", str(error))
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
        with self.coordinator.exclusive():
            frozen = self.study.tell(trial, value, state=state)
        with self._change:
            self._ended.append(frozen)

    def _stop(self) -> None:
        with self._change:
            self._stopping = True
            self._change.notify_all()

    def _count(self) -> int:
        return sum(trial.state in FINISHED for trial in self.study.get_trials(deepcopy=False))

    def _progress(self) -> Progress:
        if self._ended or time.monotonic() >= self._next_look:
            self._trials = self.study.get_trials(deepcopy=False)
            self._next_look = time.monotonic() + _PEERS_SECONDS
        trials = self._trials
        complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
        pruned = sum(trial.state == TrialState.PRUNED for trial in trials)
        with self._change:
            latest, self._ended = tuple(self._ended), []
            running = self._running
        return Progress(
            finished=len(complete) + pruned,
            total=self.total,
            begun=self._trials_before,
            pruned=pruned,
            running=running,
            best=max(complete, key=lambda trial: trial.value or 0.0, default=None),
            seconds=time.monotonic() - self._began,
            latest=latest,
        )

"""A job in a process of its own: its memory is its own, and several can run at once.

The process reads one pickled job on standard input and answers in pickles on standard output. It lives as
long as its input stays open: when that closes, even because whoever started it was killed, it stops as after
Ctrl-C. (`multiprocessing` would run the caller's script again in each process.)
"""

import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import IO, Any

from blemish.errors import BlemishError, Interrupted
from blemish.experiments.worker import Job, run_job
from blemish.progress import LOGGER

log = logging.getLogger(__name__)


class WorkProcess:
    """A call in a process of its own.

    Args:
        function: what to call, of a module.
        argument: what it is given; both are pickled, and so is what it gives.
        level: of the sentences to tell, as of logging.
        tell: is given level and text of each, in the thread that waits.
        environment: variables to set.
    """

    def __init__(
        self,
        function: Callable[[Any], Any],
        argument: Any,
        *,
        level: int,
        tell: Callable[[int, str], None],
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._tell = tell
        self.process = subprocess.Popen(
            [sys.executable, "-m", "blemish.experiments.process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | environment,
            process_group=0,  # Ctrl-C reaches it through its input alone
        )
        assert self.process.stdin
        with suppress(BrokenPipeError):  # it ended early; its exit code is all it told
            pickle.dump((function, argument, level), self.process.stdin)
            self.process.stdin.flush()

    def wait(self) -> Any:
        """What the call gives, a BlemishError among that; so is that the process ended without an answer.

        Raises:
            KeyboardInterrupt: it was stopped.
        """
        assert self.process.stdin and self.process.stdout
        answer: Any = None
        try:
            with suppress(EOFError, pickle.UnpicklingError):
                while answer is None:
                    kind, value = pickle.load(self.process.stdout)
                    if kind == "log":
                        self._tell(*value)
                    else:
                        answer = kind, value
        finally:
            if answer is None and self.process.poll() is None:
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(1)
                self.process.kill()
            self.process.wait()
            self.stop()
            self.process.stdout.close()
        if answer is None:
            return BlemishError(
                f"The process ended without a result (exit code {self.process.returncode}); if the machine "
                "is short of memory, run fewer at once, leave this method out or give a smaller frame."
            )
        kind, outcome = answer
        if kind == "stopped":
            raise KeyboardInterrupt
        return outcome

    def stop(self) -> None:
        """Ask it to stop as after Ctrl-C; `wait` then raises KeyboardInterrupt."""
        assert self.process.stdin
        with suppress(BrokenPipeError):
            self.process.stdin.close()


class JobProcess(WorkProcess):
    """A job in a process of its own; its stem stands before its sentences, which are said here.

    Args:
        job: what to do.
        bars: whether it draws progress bars; several processes would draw over each other.
    """

    def __init__(self, job: Job, *, bars: bool = False) -> None:
        threads = {"OMP_NUM_THREADS": str(job.cpus)} if job.cpus else {}
        super().__init__(
            run_job,
            job,
            level=LOGGER.getEffectiveLevel(),
            tell=lambda level, sentence: log.log(level, f"{job.stem}: {sentence}"),
            environment=threads | ({} if bars else {"TERM": "dumb"}),
        )


class _Sentences(logging.Handler):
    """Hands sentences to the process that started this one."""

    def __init__(self, answers: IO[bytes]) -> None:
        super().__init__()
        self.answers = answers

    def emit(self, record: logging.LogRecord) -> None:
        _answer(self.answers, "log", (record.levelno, record.getMessage()))


def main() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print, in C too, is no answer
    function, argument, level = pickle.load(sys.stdin.buffer)
    LOGGER.setLevel(level)
    LOGGER.addHandler(_Sentences(answers))
    for number in (signal.SIGINT, signal.SIGTERM):  # a background shell has the first ignored
        signal.signal(number, signal.default_int_handler)
    try:
        threading.Thread(target=_stop_with_input, daemon=True).start()
        _answer(answers, "done", function(argument))
    except (Interrupted, KeyboardInterrupt):
        _answer(answers, "stopped", None)
    except BlemishError as error:
        _answer(answers, "done", BlemishError(str(error)))


def _answer(answers: IO[bytes], kind: str, value: Any) -> None:
    with suppress(BrokenPipeError):  # nobody listens any more
        pickle.dump((kind, value), answers)
        answers.flush()


def _stop_with_input() -> None:
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    main()

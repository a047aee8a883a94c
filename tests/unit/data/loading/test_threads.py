"""Results come in order whoever made them; who waits helps only where a core is left."""

import threading

import pytest

from majolica.data.loading import threads
from majolica.data.loading.threads import Threads, cancel_tasks


def gated(gate: threading.Event, who: list[str], result: int) -> int:
    """Wait for the gate, and note which thread did it."""
    if threading.current_thread() is not threading.main_thread():
        gate.wait(10)
    who.append(threading.current_thread().name)
    return result


@pytest.mark.parametrize("count", [0, 1, 3])
def test_results_keep_the_order(count: int) -> None:
    made = Threads(count, "t")
    assert made.results([made.submit(lambda i=i: i * i) for i in range(50)]) == [i * i for i in range(50)]  # type: ignore[misc]
    made.close()


@pytest.mark.parametrize(("cores", "helped"), [(1, False), (2, True)])
def test_the_caller_helps_where_a_core_is_left(monkeypatch: pytest.MonkeyPatch, cores: int, helped: bool) -> None:
    monkeypatch.setattr(threads, "cores", lambda: cores)
    made, gate, who = Threads(1, "t"), threading.Event(), list[str]()
    tasks = [made.submit(lambda i=i: gated(gate, who, i)) for i in range(4)]  # type: ignore[misc]
    if not helped:
        gate.set()
    threading.Timer(0.2, gate.set).start()
    assert made.results(tasks) == [0, 1, 2, 3]
    # The one thread is held at the gate by the first task, so the caller does the other three.
    assert who.count("MainThread") == (3 if helped else 0)
    made.close()


def test_without_threads_nothing_is_done_before_it_is_asked_for() -> None:
    made, who = Threads(0, "t"), list[int]()
    tasks = [made.submit(lambda i=i: who.append(i)) for i in range(3)]  # type: ignore[misc]
    assert who == []
    made.results(tasks)
    assert sorted(who) == [0, 1, 2]


def test_an_error_reaches_who_waits() -> None:
    for count in (0, 1):
        made = Threads(count, "t")
        with pytest.raises(ZeroDivisionError):
            made.results([made.submit(lambda: 1 // 0)])
        made.close()


def test_what_is_dropped_is_not_done() -> None:
    made, gate, who = Threads(1, "t"), threading.Event(), list[str]()
    tasks = [made.submit(lambda: gated(gate, who, 0)) for _ in range(4)]
    cancel_tasks(tasks)
    gate.set()
    made.close()
    assert len(who) <= 1  # the one that had begun

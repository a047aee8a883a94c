"""torchrun for the processes of one machine: `python -m majolica.distributed.agent PROCESSES MODULE [ARGUMENT ...]`.

The same agent, without its traceback and summary when a process fails: the process has said why.
"""

from __future__ import annotations

import logging
import sys
from uuid import uuid4

from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch


def main(arguments: list[str]) -> int:
    """Run the module in so many processes; the first failing one's exit code, 128 + number after a signal."""
    processes, *module = arguments
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=int(processes),
        run_id=uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
    )
    try:
        elastic_launch(config, sys.executable)("-m", *module)
    except ChildFailedError as error:
        _, failure = error.get_first_failure()
        return abs(int(failure.exitcode)) or 1
    except SignalException as error:
        return 128 + error.sigval
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`python -m bench.drainer JOB`: one worker's job alone, from a line on stdin on until nothing waits; prints the seconds."""

import sys
import time

import sqlalchemy as sa

from app import create_app
from app.identity.store import repoints
from app.models import Refresh, db
from app.services import services
from app.stream import DRAIN, REFRESH, REPOINT, SCAN
from backends.sql.engine import reading
from worker import jobs

JOBS = {DRAIN: jobs.drain, SCAN: jobs.scan, REPOINT: jobs.repoint, REFRESH: jobs.refresh}


def main() -> None:
    """The first argument names the job: drain, scan, repoint or refresh."""
    job = sys.argv[1]
    app = create_app()
    jobs.set_up(app, f"bench-{sys.argv[2]}")
    with app.app_context():
        services().backend.ping()
        print("ready", flush=True)
        sys.stdin.readline()
        began, cpu = time.perf_counter(), time.process_time()
        while is_waiting(job):
            JOBS[job]()
        print(time.perf_counter() - began, time.process_time() - cpu, flush=True)


def is_waiting(job: str) -> bool:
    """Whether the job has something left to do."""
    if job == SCAN:
        return bool(services().backend.unassociated(1, 0))
    if job in (REPOINT, REFRESH):
        waiting = sa.exists().select_from(repoints) if job == REPOINT else sa.exists().where(Refresh.version > 0)
        with reading(db.engine) as connection:
            return connection.execute(sa.select(waiting)).scalar_one()
    return services().stream.depth().entries > 0


if __name__ == "__main__":
    main()

"""`make faults`: the long run. Many faults at random moments, reproducible from the printed seed."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from tests.fault_injection import report
from tests.fault_injection.catalogue import FAULTS, deck
from tests.fault_injection.storm import Storm, collect_garbage_rarely
from tests.fault_injection.storm_counts import StormOptions
from tests.kafka_clusters.apache import ApacheBroker, ApacheKafkaError
from tests.kafka_clusters.jars import NoJarsError


def main() -> int:
    """Run, judge and print; return 1 after any violation, or if a kind of fault never had an effect."""
    parser = argparse.ArgumentParser(prog="python -m tests.fault_injection", description=__doc__)
    parser.add_argument("--seed", type=int, default=Random().randrange(10**6), help="default: a new one, printed")
    parser.add_argument("--faults", type=int, default=300, help="number of faults (default: 300)")
    parser.add_argument("--minutes", type=float, default=14.0, help="start no fault after this time (default: 14)")
    parser.add_argument(
        "--only", action="append", choices=[fault.kind for fault in FAULTS], help="only this kind; repeatable"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the report as JSON to this file")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep logs and journals in this folder")
    args = parser.parse_args()
    collect_garbage_rarely()
    print(f"python -m tests.fault_injection --seed {args.seed} --faults {args.faults}", flush=True)
    with tempfile.TemporaryDirectory(prefix="faults-") as temporary:
        folder = args.keep or Path(temporary)
        for name in ("kafka", "world"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        try:
            broker = ApacheBroker(folder / "kafka")
        except (NoJarsError, ApacheKafkaError) as reason:
            print(f"no Apache Kafka to stop and kill: {reason}", file=sys.stderr)
            return 1
        try:
            deck_random, storm_random = report.seeds(args.seed)
            faults = deck(args.faults, deck_random, args.only)
            began = time.monotonic()
            with Storm(
                broker, folder / "world", storm_random, StormOptions(), lambda line: print(line, flush=True)
            ) as storm:
                storm.start()
                storm.strike(faults, args.minutes * 60)
                storm.wait_for_deliveries()
                storm.shut_down()
                found = report.run(storm, faults, args.seed, time.monotonic() - began)
        finally:
            broker.close()
    print(found.text())
    if args.json:
        args.json.write_text(found.as_json(), encoding="utf-8")
    return 1 if found.complaints else 0


if __name__ == "__main__":
    sys.exit(main())

"""One simulated annotator on a label store: claims, answers, and notes down what was acknowledged.

    python annotation_client.py URL WHO FILE [--rate R] [--go FILE]

FILE gets a line for each acknowledged answer, written before the next is begun: event id, status, and the
milliseconds that the submit took. Ends when nothing is left to claim. --rate: answers per second at most.
--go: say `ready` on standard output and wait for that file to appear.
"""

import argparse
import os
import random
import time

from affectml_annotation import Answer, LabelStore


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("who")
    parser.add_argument("file")
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--go")
    given = parser.parse_args()
    store = LabelStore(given.url)
    labels = store.task.labels
    pick = random.Random(given.who)
    notes = os.open(given.file, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    if given.go:
        print("ready", flush=True)
        while not os.path.exists(given.go):  # noqa: PTH110
            time.sleep(0.01)
    due = time.perf_counter() + (pick.random() / given.rate if given.rate else 0)
    while claims := store.claim(given.who, 5):
        for claim in claims:
            if given.rate:
                time.sleep(max(0.0, due - time.perf_counter()))
                due += 1 / given.rate
            chosen = tuple(label for label in labels if pick.random() < 0.3)
            kind = "labels" if chosen else "none"
            answer = Answer(claim.image_id, given.who, kind, chosen, claim.round, base_revision=claim.revision)
            start = time.perf_counter()
            receipt = store.submit([answer])[0]
            took = (time.perf_counter() - start) * 1000
            os.write(notes, f"{receipt.event_id} {receipt.status} {took:.3f}\n".encode())
    store.close()


if __name__ == "__main__":
    main()

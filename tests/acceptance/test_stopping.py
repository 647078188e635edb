"""A broker is stopped by a signal, however often it is told; and goes on when it cannot write its log."""

from __future__ import annotations

import random
import signal
import time


def test_a_full_disk_under_the_log_changes_nothing_for_documents(found):
    town = found(sections={"log": {"file": "/dev/full"}})
    document = town.letter()
    first, repeat = town.put(document).answer(), town.put(document).answer()
    assert first.attachment.content == repeat.attachment.content
    assert town.put(b"<torn").status == 500
    town.settle()
    assert [one.document for one in town.dms.received] == [document]
    assert town.serving.stop() == 0


def test_signals_upon_signals_end_it_all_the_same(town):
    town.put(town.letter())
    chance = random.Random(7)
    for _ in range(200):
        town.serving.process.send_signal(chance.choice([signal.SIGTERM, signal.SIGINT]))
        time.sleep(chance.random() * 4e-4)
    assert town.serving.stop() == 0

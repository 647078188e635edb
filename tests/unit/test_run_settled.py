"""What a broker is assembled of is not walked through for every large document."""

import gc

from config.run import settle


def test_what_is_there_when_a_broker_begins_is_not_collected_again() -> None:
    before = gc.get_freeze_count()
    kept: list[object] = [[] for _ in range(1_000)]
    try:
        settle()
        assert gc.get_freeze_count() >= before + len(kept)
        assert not any(it is kept[0] for it in gc.get_objects())
    finally:
        gc.unfreeze()

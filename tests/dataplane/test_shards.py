from pathlib import Path

from dataplane.shards import shard_path, shards_of


def test_shards_are_found_in_the_order_they_were_numbered(tmp_path: Path) -> None:
    assert shards_of(tmp_path / "queries") == []
    shards = [shard_path(tmp_path, number) for number in (0, 2, 11)]
    for shard in reversed(shards):
        shard.touch()
    (tmp_path / "summary.json").touch()
    assert shards_of(tmp_path) == shards

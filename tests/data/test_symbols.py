"""Little pictures drawn by code, to try models with."""

from __future__ import annotations

import pytest
import torch

from playground.data import symbols
from playground.errors import UsageError


@pytest.mark.parametrize("number", range(len(symbols.SYMBOLS)), ids=list(symbols.SYMBOLS))
def test_every_picture_is_a_thing_on_white(number: int):
    drawn = symbols.picture(number, 64)
    assert drawn.shape == (1, 3, 64, 64) and drawn.min() >= -1 and drawn.max() <= 1
    corners = drawn[..., [0, 0, -1, -1], [0, -1, 0, -1]]
    assert corners.min() > 0.98, "white around it"
    covered = (drawn.amin(1) < 0.9).float()
    assert 0.15 < covered.mean() < 0.75
    rows, columns = covered[0].amax(1).nonzero(), covered[0].amax(0).nonzero()
    assert max(rows.max() - rows.min(), columns.max() - columns.min()) > 64 * 0.75, "it fills the picture"
    assert rows.min() > 0 and rows.max() < 63 and columns.min() > 0 and columns.max() < 63, "nothing is cut off"


def test_pictures_differ_come_round_again_and_look_the_same_at_every_size():
    drawn = torch.cat([symbols.picture(i, 64) for i in range(len(symbols.SYMBOLS))])
    assert torch.cdist(drawn.flatten(1), drawn.flatten(1)).fill_diagonal_(1e9).min() > 5
    assert torch.equal(symbols.picture(len(symbols.SYMBOLS), 64), drawn[:1])
    for size in (16, 32, 128, 256):
        other = torch.nn.functional.adaptive_avg_pool2d(symbols.picture(2, size), 16)
        small = torch.nn.functional.adaptive_avg_pool2d(drawn[2:3], 16)
        assert (other - small).abs().mean() < 0.03


@pytest.mark.parametrize(("number", "size", "said"), [(-1, 64, "from 0"), (0, 48, "pixels")])
def test_bad_numbers_and_sizes_are_refused(number: int, size: int, said: str):
    with pytest.raises(UsageError, match=said):
        symbols.picture(number, size)

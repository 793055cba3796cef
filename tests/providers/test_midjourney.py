from dataclasses import replace
from io import BytesIO

import pytest
from PIL import Image

from core.generation import Size
from tests.providers.customer import Hasty, make, submitted, told, waited
from tests.providers.midjourney import ALL, ORDER, build, charged, configure
from tests.providers.simulator import Simulator
from tests.providers.wire_conformance import PROMPT
from workers.pictures import develop
from workers.providers.base import Delivered, Pending
from workers.providers.errors import Throttled
from workers.providers.midjourney import Split

provider = "midjourney"


@pytest.fixture(params=["novicezk", "trueai"])
def proxy(simulator: Simulator, request: pytest.FixtureRequest) -> Simulator:
    """The simulator in each of its dialects."""
    configure(simulator, dialect=request.param)
    return simulator


@pytest.mark.parametrize(("split", "edge"), [("crop", 1024), ("upscale", 2048)])
def test_the_four_pictures_of_a_grid_are_four_different_ones(proxy: Simulator, split: Split, edge: int) -> None:
    came = make(build(proxy.address, split=split), ALL)

    images = [Image.open(BytesIO(picture.data)) for picture in came]
    assert {image.size for image in images} == {(edge, edge)}
    assert len({image.resize((8, 8)).tobytes() for image in images}) == 4


@pytest.mark.parametrize("n", [1, 3])
def test_only_what_was_ordered_is_upscaled(proxy: Simulator, n: int) -> None:
    came = make(build(proxy.address, split="upscale"), replace(ORDER, n=n))

    assert len(came) == n
    assert charged(proxy) == ["imagine", *["upscale"] * n]


@pytest.mark.parametrize("split", ["crop", "upscale"])
def test_a_partners_single_pictures_are_taken_as_they_are(simulator: Simulator, split: Split) -> None:
    configure(simulator, dialect="trueai", partner=True)

    came = make(build(simulator.address, split=split), replace(ORDER, n=3))

    assert len({picture.data for picture in came}) == 3
    assert charged(simulator) == ["imagine"]


@pytest.mark.parametrize("size", [Size(1024, 1024), Size(1792, 1024), Size(1024, 1792), Size(1536, 1024)])
def test_a_picture_has_the_ratio_ordered_and_is_developed_to_its_size(simulator: Simulator, size: Size) -> None:
    [picture] = make(build(simulator.address), replace(ORDER, size=size))

    width, height = Image.open(BytesIO(picture.data)).size
    assert width / height == pytest.approx(size.width / size.height, rel=0.03)
    assert Image.open(BytesIO(develop(picture.data, size))).size == size


@pytest.mark.parametrize(
    "words", ["--v 5 --ar 9:16", "—v 5 —ar 9:16", "-- v 5 -- ar 9:16", "--version 5 --aspect 9:16", "--nonsense"]
)
def test_no_words_of_the_caller_are_taken_for_parameters(simulator: Simulator, words: str) -> None:
    make(build(simulator.address), replace(ORDER, prompt=f"a fox {words}"))

    [charge] = simulator.charges()
    assert (charge["model"], charge["size"]) == ("midjourney v6", "2048x2048")


def test_an_order_is_resumed_amid_its_upscales_whoever_asks_and_none_is_made_again(proxy: Simulator) -> None:
    anew = Hasty(lambda: build(proxy.address, split="upscale"))

    came = waited(anew, ALL, told(submitted(anew, ALL)))

    assert len({picture.data for picture in came}) == 4
    assert charged(proxy) == ["imagine", *["upscale"] * 4]


def test_upscales_are_on_record_before_they_are_asked_after(proxy: Simulator) -> None:
    proxy.take(min=60, max=60)
    adapter, order = build(proxy.address, split="upscale"), replace(ORDER, n=2)
    handle = submitted(adapter, order)
    proxy.advance(61)

    first = adapter.poll(order, handle)
    assert isinstance(first, Pending)
    second = adapter.poll(order, first.handle or {})
    assert isinstance(second, Pending)
    third = adapter.poll(order, second.handle or {})

    assert [len((poll.handle or {})["upscales"]) for poll in (first, second)] == [1, 2]
    assert third == Pending()
    assert charged(proxy) == ["imagine", "upscale", "upscale"]


@pytest.mark.parametrize("outcome", ["drop", "failure", "quota", "timeout", "server_error", "lost"])
def test_a_picture_whose_upscale_fails_is_cut_out_of_the_grid(proxy: Simulator, outcome: str) -> None:
    proxy.script("success", "success", outcome)

    came = make(build(proxy.address, split="upscale"), replace(ORDER, n=2))

    assert [Image.open(BytesIO(picture.data)).width for picture in came] == [2048, 1024]
    assert charged(proxy).count("upscale") <= 2


def test_a_full_queue_lets_an_upscale_wait(proxy: Simulator) -> None:
    adapter = build(proxy.address, split="upscale")
    handle = submitted(adapter, ORDER)
    proxy.script("queue_full")

    with pytest.raises(Throttled):
        adapter.poll(ORDER, handle)

    assert len(waited(adapter, ORDER, handle)) == 1


def test_a_modal_is_answered_once(simulator: Simulator) -> None:
    configure(simulator, dialect="trueai")
    simulator.script("modal")
    simulator.take(min=60, max=60)
    adapter = build(simulator.address)
    handle = submitted(adapter, ORDER)
    before = charged(simulator)

    confirmed = adapter.poll(ORDER, handle)
    simulator.advance(61)

    assert confirmed == Pending(handle={**handle, "confirmed": [handle["task"]]})
    assert isinstance(adapter.poll(ORDER, confirmed.handle or {}), Delivered)
    assert (before, charged(simulator)) == ([], ["imagine"])


def test_the_modal_of_an_upscale_is_answered_too(simulator: Simulator) -> None:
    configure(simulator, dialect="trueai")
    simulator.script("success", "modal")

    came = make(build(simulator.address, split="upscale"), ORDER)

    assert len(came) == 1
    assert charged(simulator) == ["imagine", "upscale"]


def test_what_a_picture_was_made_from_is_told(proxy: Simulator) -> None:
    [picture] = make(build(proxy.address), replace(ORDER, style="natural"))

    assert picture.revised_prompt == f"{PROMPT} --style raw --ar 1:1 --v 6"


def test_a_picture_whose_modal_is_refused_is_cut_out_of_the_grid(simulator: Simulator) -> None:
    configure(simulator, dialect="trueai")
    simulator.script("success", "modal", "banned_word")

    [picture] = make(build(simulator.address, split="upscale"), ORDER)

    assert Image.open(BytesIO(picture.data)).size == (1024, 1024)
    assert charged(simulator) == ["imagine"]

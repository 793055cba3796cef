from io import BytesIO
from typing import Any

import pytest
from flask.testing import FlaskClient
from PIL import Image

from sandbox.simulators.midjourney import create_app
from sandbox.simulators.midjourney_tasks import Dialect


@pytest.fixture
def novicezk() -> FlaskClient:
    return create_app(None).test_client()


@pytest.fixture
def trueai() -> FlaskClient:
    return create_app(None, Dialect.TRUEAI).test_client()


@pytest.fixture(params=list(Dialect))
def either(request: pytest.FixtureRequest) -> FlaskClient:
    return create_app(None, request.param).test_client()


def submit(proxy: FlaskClient, kind: str = "imagine", **body: Any) -> dict[str, Any]:
    answer: dict[str, Any] = proxy.post(f"/mj/submit/{kind}", json=body).get_json()
    return answer


def imagine(proxy: FlaskClient, prompt: str = "a fox") -> str:
    return str(submit(proxy, prompt=prompt)["result"])


def task(proxy: FlaskClient, task_id: str) -> dict[str, Any]:
    told: dict[str, Any] = proxy.get(f"/mj/task/{task_id}/fetch").get_json()
    return told


def picture(proxy: FlaskClient, url: str) -> Image.Image:
    return Image.open(BytesIO(proxy.get(url).data))


def advance(proxy: FlaskClient, seconds: float) -> None:
    proxy.put("/control/clock", json={"advance_seconds": seconds})


def last(proxy: FlaskClient, seconds: float) -> None:
    proxy.put("/control/latency", json={"seconds": seconds})


def charges(proxy: FlaskClient) -> list[tuple[str, int]]:
    return [(charge["quality"], charge["n"]) for charge in proxy.get("/control/charges").get_json()]


def test_a_submit_answers_with_an_id_of_sixteen_digits(either: FlaskClient) -> None:
    answer = submit(either, prompt="a fox")

    assert (answer["code"], answer["description"]) == (1, "提交成功")
    assert len(answer["result"]) == 16
    assert answer["result"].isdecimal()


def test_a_task_goes_from_its_start_over_a_preview_to_its_grid(either: FlaskClient) -> None:
    last(either, 100)
    told = [task(either, task_id := imagine(either))]
    for seconds in (7, 13, 60, 21):
        advance(either, seconds)
        told.append(task(either, task_id))

    states = ["NOT_START", "SUBMITTED", "IN_PROGRESS", "IN_PROGRESS", "SUCCESS"]
    assert [each["status"] for each in told] == states
    assert [each["progress"] for each in told] == ["0%", "0%", "20%", "80%", "100%"]
    assert [bool(each["imageUrl"]) for each in told] == [False, False, True, True, True]
    assert picture(either, told[3]["imageUrl"]).size == (256, 256)


def test_a_grid_is_four_visibly_different_pictures(either: FlaskClient) -> None:
    grid = picture(either, task(either, imagine(either))["imageUrl"])

    corners = [(0, 0), (1024, 0), (0, 1024), (1024, 1024)]
    cells = [grid.crop((x, y, x + 1024, y + 1024)).resize((8, 8)).tobytes() for x, y in corners]
    assert grid.size == (2048, 2048)
    assert len(set(cells)) == 4


@pytest.mark.parametrize(
    ("ratio", "size"), [("1:1", (2048, 2048)), ("7:4", (2720, 1536)), ("2:3", (1664, 2496)), ("1:2", (1440, 2912))]
)
def test_a_grid_has_the_ratio_asked_for(novicezk: FlaskClient, ratio: str, size: tuple[int, int]) -> None:
    url = task(novicezk, imagine(novicezk, f"a fox --ar {ratio}"))["imageUrl"]

    assert picture(novicezk, url).size == size


def test_an_address_is_signed_and_lives_for_a_day(either: FlaskClient) -> None:
    url = task(either, imagine(either))["imageUrl"]

    forged = either.get(url[:-1] + ("0" if url[-1] != "0" else "1")).status_code
    advance(either, 24 * 3600 - 10)
    before = either.get(url).status_code
    advance(either, 11)

    assert (forged, before, either.get(url).status_code) == (404, 200, 404)
    assert {"ex=", "is=", "hm="} <= {part[:3] for part in url.partition("?")[2].split("&")}


def test_equal_prompts_are_two_tasks_and_two_charges(either: FlaskClient) -> None:
    assert imagine(either) != imagine(either)
    assert charges(either) == [("imagine", 4), ("imagine", 4)]


@pytest.mark.parametrize(
    "asked",
    [
        ("change", {"action": "UPSCALE", "index": 2}),
        ("simple-change", {"content": "{} U2"}),
    ],
)
def test_novicezk_takes_a_picture_out_of_a_grid_as_another_task(
    novicezk: FlaskClient, asked: tuple[str, dict[str, Any]]
) -> None:
    parent = imagine(novicezk)
    kind, body = asked
    body = {name: value.format(parent) if name == "content" else value for name, value in body.items()}

    child = task(novicezk, submit(novicezk, kind, taskId=parent, **body)["result"])

    assert (child["action"], child["status"], child["description"]) == ("UPSCALE", "SUCCESS", f"/up {parent} U2")
    assert picture(novicezk, child["imageUrl"]).size == (2048, 2048)
    assert charges(novicezk) == [("imagine", 4), ("upscale", 1)]


def test_trueai_takes_a_picture_out_of_a_grid_by_its_button(trueai: FlaskClient) -> None:
    parent = task(trueai, imagine(trueai))
    button = next(button for button in parent["buttons"] if button["label"] == "U3")

    child = submit(trueai, "action", taskId=parent["id"], customId=button["customId"])

    assert button["customId"] == f"MJ::JOB::upsample::3::{parent['jobId']}"
    assert task(trueai, child["result"])["parentId"] == parent["id"]
    assert charges(trueai) == [("imagine", 4), ("upscale", 1)]


def test_the_same_upscale_twice_is_made_twice(novicezk: FlaskClient) -> None:
    parent = imagine(novicezk)

    ids = {submit(novicezk, "change", taskId=parent, action="UPSCALE", index=1)["result"] for _ in range(2)}

    assert len(ids) == 2
    assert charges(novicezk) == [("imagine", 4), ("upscale", 1), ("upscale", 1)]


def test_a_variation_is_a_grid_of_other_pictures(novicezk: FlaskClient) -> None:
    parent = imagine(novicezk)

    child = submit(novicezk, "change", taskId=parent, action="VARIATION", index=1)["result"]

    first, second = (picture(novicezk, task(novicezk, each)["imageUrl"]) for each in (parent, child))
    assert first.size == second.size
    assert first.tobytes() != second.tobytes()


def test_a_partner_gets_the_four_single_pictures_at_once(trueai: FlaskClient) -> None:
    trueai.put("/control/account", json={"partner": True})

    told = task(trueai, imagine(trueai))

    pictures = [picture(trueai, image["url"]) for image in told["imageUrls"]]
    assert [each.size for each in pictures] == [(1024, 1024)] * 4
    assert len({each.tobytes() for each in pictures}) == 4
    assert told["imageUrls"][2]["url"].endswith(f"/{told['jobId']}/0_2.png")


def test_a_modal_waits_until_it_is_answered_with_a_prompt(trueai: FlaskClient) -> None:
    answer = submit(trueai, prompt="a fox [[modal]]")
    waiting = task(trueai, answer["result"])["status"]

    refused = submit(trueai, "modal", taskId=answer["result"])["code"]
    taken = submit(trueai, "modal", taskId=answer["result"], prompt="a fox")["code"]

    assert (answer["code"], waiting, refused, taken) == (21, "MODAL", 4, 1)
    assert task(trueai, answer["result"])["status"] == "SUCCESS"
    assert charges(trueai) == [("imagine", 4)]


def test_a_task_can_be_cancelled_and_its_seed_be_asked_for(trueai: FlaskClient) -> None:
    done = imagine(trueai, "a fox --seed 7")
    last(trueai, 100)
    going_on = imagine(trueai)

    trueai.post(f"/mj/task/{going_on}/cancel")

    assert trueai.get(f"/mj/task/{done}/image-seed").get_json()["result"] == "7"
    assert task(trueai, going_on)["status"] == "CANCEL"


def test_tasks_are_listed(novicezk: FlaskClient, trueai: FlaskClient) -> None:
    for proxy, path in ((novicezk, "list-by-condition"), (trueai, "list-by-ids")):
        ids = [imagine(proxy), imagine(proxy)]

        listed = proxy.post(f"/mj/task/{path}", json={"ids": [*ids, "7"]}).get_json()

        assert [each["id"] for each in listed] == ids


def test_novicezk_lists_all_tasks_and_those_at_work(novicezk: FlaskClient) -> None:
    done = imagine(novicezk)
    last(novicezk, 100)
    going_on = imagine(novicezk)

    listed = [[each["id"] for each in novicezk.get(f"/mj/task/{path}").get_json()] for path in ("list", "queue")]

    assert listed == [[done, going_on], [going_on]]


@pytest.mark.parametrize("mode", ["mj-fast", "mj-turbo", "mj-relax"])
def test_only_trueai_has_an_address_for_each_mode(novicezk: FlaskClient, trueai: FlaskClient, mode: str) -> None:
    answers = [proxy.post(f"/{mode}/mj/submit/imagine", json={"prompt": "a fox"}) for proxy in (novicezk, trueai)]

    assert [answer.status_code for answer in answers] == [404, 200]


def test_each_dialect_lacks_what_is_the_others(novicezk: FlaskClient, trueai: FlaskClient) -> None:
    missing = {
        "novicezk": [novicezk.post(f"/mj/submit/{kind}", json={}).status_code for kind in ("action", "modal")],
        "trueai": [trueai.post(f"/mj/submit/{kind}", json={}).status_code for kind in ("change", "simple-change")],
    }

    assert missing == {"novicezk": [404, 404], "trueai": [404, 404]}
    assert "buttons" not in task(novicezk, imagine(novicezk))

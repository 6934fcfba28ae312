"""Keypoints and other results: so far, finished, in parts, packed."""

import gzip
import json
from dataclasses import replace

import httpx
import pytest

from model.spec.sequence import Rows
from service.database.frames import store_window
from service.results import Form
from tests.results_rows import MEDIA_TYPES, finished_job, running_job, written
from tests.service_api import Api
from tests.service_rows import NOW, TERMS, window

PLAIN = {"Accept-Encoding": "identity"}


@pytest.mark.parametrize("form", ["csv", "json"])
def test_a_running_job_gives_its_raw_frames_so_far(api: Api, form: Form) -> None:
    job_id, _, blocks = running_job(api)
    path = f"/v1/jobs/{job_id}/keypoints.{form}"
    answer = api.get(path, headers=PLAIN)
    assert answer.content == written(form, blocks)
    assert "etag" not in answer.headers
    assert answer.headers["content-type"].startswith(MEDIA_TYPES[form])
    part = api.get(f"{path}?from=5&to=9", headers=PLAIN)
    assert part.content == written(form, [Rows.joined(blocks)[5:9]])
    for query in ("from=24", "from=100&to=200", "from=9&to=3", "to=0"):
        assert api.get(f"{path}?{query}").content == written(form, []), query
    packed = api.get(path, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == written(form, blocks)
    filtered = api.get(f"{path}?series=filtered")
    assert (filtered.status_code, filtered.json()["code"]) == (409, "series.not_ready")


def test_before_a_worker_has_opened_the_video_there_is_no_series(api: Api) -> None:
    job_id = api.job()
    for path in ("keypoints.csv", "keypoints.json?from=3"):
        answer = api.get(f"/v1/jobs/{job_id}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (409, "series.not_ready")
    for path in ("preview.mp4", "preview.masks.csv", "quality.json", "quality.png"):
        answer = api.get(f"/v1/jobs/{job_id}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (409, "result.not_ready")
    assert api.get(f"/v1/jobs/{job_id}/frames").json() == {"items": [], "next": None}
    assert api.get(f"/v1/jobs/{job_id}/previews").json() == {"frames": []}


def test_a_series_whose_job_is_deleted_meanwhile_is_cut_off(api: Api) -> None:
    job_id, _, blocks = running_job(api)
    found: list[Rows] = []

    def remove_behind_the_first(*_: object, **__: object) -> object:
        for block in blocks:
            if found:
                api.ask("DELETE", f"/v1/jobs/{job_id}")
                return
            found.append(block)
            yield block

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("service.results.stream_rows", remove_behind_the_first)
        answer = api.get(f"/v1/jobs/{job_id}/keypoints.json", headers=PLAIN)
    assert not answer.content.endswith(b"]}\n")


def test_a_finished_series_is_a_file_with_a_strong_etag(api: Api) -> None:
    job_id, files = finished_job(api)
    path = f"/v1/jobs/{job_id}/keypoints.csv"
    answer = api.get(path, headers=PLAIN)
    assert answer.content == files["keypoints.csv"]
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers["content-disposition"] == (
        f'attachment; filename="{job_id}-keypoints.csv"'
    )
    etag = answer.headers["etag"]
    assert len(etag) == 66
    assert api.get(path, headers={"If-None-Match": etag}).status_code == 304
    takes_gzip = {"Accept-Encoding": "br, gzip;q=0.5"}
    packed = api.get(path, headers=takes_gzip)
    assert packed.content == files["keypoints.csv"]
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["etag"] == f'{etag[:-1]}-gzip"'
    for known in (etag, packed.headers["etag"]):
        for takes, wanted in ((PLAIN, etag), (takes_gzip, packed.headers["etag"])):
            same = api.get(path, headers=takes | {"If-None-Match": known})
            assert (same.status_code, same.headers["etag"]) == (304, wanted)
    assert packed.headers["vary"] == "Accept-Encoding"
    assert int(packed.headers.get("content-length", 0)) == 0
    filtered = api.get(f"{path}?series=filtered", headers=PLAIN)
    assert filtered.content == files["keypoints-filtered.csv"]
    missing = api.get(f"/v1/jobs/{job_id}/keypoints.json?series=filtered")
    assert (missing.status_code, missing.json()["code"]) == (409, "series.not_ready")


@pytest.mark.parametrize("form", ["csv", "json"])
def test_a_part_of_a_finished_series_is_cut_out_of_its_file(api: Api, form: Form) -> None:
    job_id, _ = finished_job(api)
    blocks = [window(8 * number).rows for number in range(3)]
    for first, behind in ((0, 1), (5, 9), (23, 24), (20, 99), (30, 40), (9, 3)):
        query = f"from={first}&to={behind}"
        answer = api.get(f"/v1/jobs/{job_id}/keypoints.{form}?{query}", headers=PLAIN)
        assert answer.content == written(form, [Rows.joined(blocks)[first:behind]]), query


def test_ranges_of_the_film(api: Api) -> None:
    job_id, files = finished_job(api)
    film, path = files["preview.mp4"], f"/v1/jobs/{job_id}/preview.mp4"
    whole = api.get(path)
    assert (whole.status_code, whole.content) == (200, film)
    assert "content-encoding" not in whole.headers
    assert (whole.headers["accept-ranges"], whole.headers["content-type"]) == ("bytes", "video/mp4")
    for asked, content in {
        "bytes=0-0": film[:1], "bytes=100-199": film[100:200], "bytes=10000-": film[10000:],
        "bytes=-5": film[-5:], "bytes=10-99999": film[10:], "bytes=-99999": film,
    }.items():  # fmt: skip
        answer = api.get(path, headers={"Range": asked})
        assert (answer.status_code, answer.content) == (206, content), asked
        start = (
            film.index(content)
            if len(content) > 300
            else int(answer.headers["content-range"].split()[1].split("-")[0])
        )
        span = f"bytes {start}-{start + len(content) - 1}/{len(film)}"
        assert answer.headers["content-range"] == span
        assert answer.headers["content-length"] == str(len(content))
    for asked in ("bytes=10240-", "bytes=99999-100000", "bytes=-0"):
        answer = api.get(path, headers={"Range": asked})
        assert (answer.status_code, answer.json()["code"]) == (416, "range.not_satisfiable")
        assert answer.headers["content-range"] == f"bytes */{len(film)}"
    for asked in ("bytes=5-3", "bytes=0-1,5-6", "lines=1-2", "bytes=-", "bytes=a-b"):
        assert api.get(path, headers={"Range": asked}).status_code == 200, asked
    etag = whole.headers["etag"]
    same = api.get(path, headers={"Range": "bytes=0-1", "If-Range": etag})
    other = api.get(path, headers={"Range": "bytes=0-1", "If-Range": '"other"'})
    assert (same.status_code, other.status_code) == (206, 200)


def test_a_range_is_never_one_of_packed_bytes(api: Api) -> None:
    job_id, files = finished_job(api)
    headers = {"Range": "bytes=3-10", "Accept-Encoding": "gzip"}
    answer = api.get(f"/v1/jobs/{job_id}/keypoints.csv", headers=headers)
    assert (answer.status_code, answer.content) == (206, files["keypoints.csv"][3:11])
    assert "content-encoding" not in answer.headers


def test_quality_and_stills(api: Api) -> None:
    job_id, files = finished_job(api)
    assert api.get(f"/v1/jobs/{job_id}").json()["quality"] == {"frames": 24}
    assert "quality" not in api.get("/v1/jobs").json()["items"][0]
    assert api.get(f"/v1/jobs/{job_id}/quality.json").content == files["quality.json"]
    assert api.get(f"/v1/jobs/{job_id}/quality.png").content == files["quality.png"]
    masks = api.get(f"/v1/jobs/{job_id}/preview.masks.csv")
    assert masks.content == files["preview.masks.csv"]
    assert masks.headers["content-type"].startswith("text/csv")
    assert api.get(f"/v1/jobs/{job_id}/previews").json() == {"frames": [0, 16]}
    still = api.get(f"/v1/jobs/{job_id}/previews/16.jpg")
    assert (still.content, still.headers["content-type"]) == (b"\xff\xd8two", "image/jpeg")
    etag = {"If-None-Match": still.headers["etag"]}
    assert api.get(f"/v1/jobs/{job_id}/previews/16.jpg", headers=etag).status_code == 304
    missing = api.get(f"/v1/jobs/{job_id}/previews/1.jpg")
    assert (missing.status_code, missing.json()["code"]) == (404, "preview.not_found")
    for frame in ("-1", "x", "9" * 30):
        assert api.get(f"/v1/jobs/{job_id}/previews/{frame}.jpg").status_code == 422


def test_frames_come_in_pages_as_they_stand_in_the_file(api: Api) -> None:
    job_id, _, blocks = running_job(api)
    expected = json.loads(written("json", blocks))["frames"]
    seen, cursor = [], ""
    while True:
        page = api.get(f"/v1/jobs/{job_id}/frames?limit=7{cursor}").json()
        seen += page["items"]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == expected
    part = api.get(f"/v1/jobs/{job_id}/frames?from=3&to=5").json()
    assert (part["items"], part["next"]) == (expected[3:5], None)


def test_a_file_that_is_gone_is_told(api: Api) -> None:
    job_id, _ = finished_job(api)
    api.service.store.delete(f"jobs/{job_id}/preview.mp4")
    answer = api.get(f"/v1/jobs/{job_id}/preview.mp4")
    assert (answer.status_code, answer.json()["code"]) == (404, "blob.missing")


def test_a_store_with_addresses_of_its_own_is_pointed_to(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, _ = finished_job(api)
    asked = []

    def url(key: str, seconds: int, **told: str) -> str:
        asked.append((seconds, told))
        return f"https://files.example/{key}?x"

    monkeypatch.setattr(api.service.store, "url", url)
    answer = api.get(f"/v1/jobs/{job_id}/preview.mp4")
    assert answer.status_code == 307
    assert answer.headers["location"] == f"https://files.example/jobs/{job_id}/preview.mp4?x"
    assert asked == [(300, {"media_type": "video/mp4", "name": f"{job_id}-preview.mp4"})]


def test_gzip_is_one_that_others_read(api: Api) -> None:
    job_id, files = finished_job(api)
    path = f"/v1/jobs/{job_id}/keypoints.json"

    async def raw() -> bytes:
        headers = {"Authorization": f"Bearer {api.key()}", "Accept-Encoding": "gzip"}
        async with api.client.stream("GET", path, headers=headers) as answer:
            return b"".join([chunk async for chunk in answer.aiter_raw()])

    assert gzip.decompress(api.portal.call(raw)) == files["keypoints.json"]


def test_frames_without_time_stamps_are_given_too(api: Api) -> None:
    job_id, lease, blocks = running_job(api, windows=1)
    content = window(8)
    odd = replace(content, rows=replace(content.rows, time_s=content.rows.time_s * float("nan")))
    with api.service.database.write() as session:
        store_window(session, lease, odd, now=NOW, terms=TERMS)
    answer = api.get(f"/v1/jobs/{job_id}/keypoints.csv")
    assert answer.content == written("csv", [*blocks, odd.rows])


def told(answer: httpx.Response) -> dict[str, str]:
    """What an answer says beside its bytes."""
    return {name: value for name, value in answer.headers.items() if name != "x-request-id"}


@pytest.mark.parametrize(
    "file",
    ["keypoints.csv", "keypoints.json", "keypoints.csv?series=filtered", "keypoints.csv?from=2",
     "preview.mp4", "preview.masks.csv", "quality.json", "quality.png", "previews/16.jpg"],
)  # fmt: skip
def test_what_is_asked_by_head_is_told_as_by_get(api: Api, file: str) -> None:
    job_id, _ = finished_job(api)
    path = f"/v1/jobs/{job_id}/{file}"
    etag = api.get(path, headers=PLAIN).headers.get("etag", '"none"')
    for headers in (PLAIN, {"Accept-Encoding": "gzip"}, PLAIN | {"If-None-Match": etag}):
        by_get, by_head = (api.ask(method, path, headers=headers) for method in ("GET", "HEAD"))
        assert by_head.status_code == by_get.status_code
        assert told(by_head) == told(by_get)
    # Only GET knows ranges (RFC 9110, 14.2).
    part = api.ask("HEAD", path, headers=PLAIN | {"Range": "bytes=0-1"})
    assert (part.status_code, told(part)) == (200, told(api.get(path, headers=PLAIN)))


def test_asking_by_head_reads_no_file(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id, _ = finished_job(api)
    path = f"/v1/jobs/{job_id}/preview.mp4"
    with monkeypatch.context() as patch:
        patch.setattr(api.service.store, "open", None)
        patch.setattr(
            api.service.store, "url", lambda *_, **__: "https://files.example/for-get-alone"
        )
        answer = api.ask("HEAD", path)
        assert (answer.status_code, answer.content) == (200, b"")
    api.service.store.delete(f"jobs/{job_id}/preview.mp4")
    assert api.ask("HEAD", path).status_code == 404


def test_head_of_a_running_series_and_of_what_is_not_there(api: Api) -> None:
    job_id, _, _ = running_job(api)
    path = f"/v1/jobs/{job_id}/keypoints.csv"
    assert told(api.ask("HEAD", path)) == told(api.get(path))
    assert api.ask("HEAD", path).content == b""
    assert api.ask("HEAD", f"/v1/jobs/{job_id}/preview.mp4").status_code == 409
    refused = api.ask("OPTIONS", path)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")

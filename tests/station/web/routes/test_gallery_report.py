"""The report of a day or a shift."""

from datetime import datetime, timedelta
from html import unescape

import httpx2
import pytest

from tests.station.support import Running
from tests.station.web.support import page_of

pytestmark = pytest.mark.slow


def text_of(visitor: httpx2.Client, address: str = "/report") -> str:
    return " ".join(unescape(page_of(visitor, address)).replace("\N{NO-BREAK SPACE}", " ").split())


def test_it_counts_what_was_seen_and_judged(visited: Running, visitor: httpx2.Client) -> None:
    said = {1: "good", 2: "defect", 11: "good", 12: "defect"}
    for number, feedback in said.items():
        kind = {"defect_kind": "scratch" if number == 2 else "dent"} if feedback == "defect" else {}
        visited.client.put(f"/v1/inspections/{number}/feedback", json={"feedback": feedback} | kind)
    text = text_of(visitor)
    rows = {
        "Good": "<td>10</td> <td>1</td><td>1</td><td>8</td>",
        "Anomalous": "<td>3</td> <td>1</td><td>1</td><td>1</td>",
        "Not scored": "<td>1</td> <td>0</td><td>0</td><td>1</td>",
        "All": "<td>14</td><td>2</td> <td>2</td>",
    }
    for name, cells in rows.items():
        assert f'<th scope="row">{name}</th>{cells}' in text
    assert "<strong>23.1 %</strong> of those scored are anomalous; 95 % interval 5 % to 53.8 %." in text
    assert "Of 2 judged alarms 1 was false. Of those called good 1 was judged a defect." in text
    for kind in ("scratch", "dent"):
        assert f'<th scope="row">{kind}</th>' in text
    assert "<td>1</td><td>50 %</td><td>100 %</td></tr>" in text
    assert "by grey.onnx</p>" in text
    assert "command line: threshold No. 1: 2 %, 199 scores, the model file" in text
    for number in said:
        visited.client.put(f"/v1/inspections/{number}/feedback", json={"feedback": None})


def test_shifts_follow_each_other_over_midnight(visitor: httpx2.Client) -> None:
    text = text_of(visitor, "/report?day=2020-03-02&start=22:00&hours=8")
    assert "2 Mar 2020, 22:00:00" in text and "to 3 Mar 2020, 06:00:00" in text
    assert "/report?day=2020-03-03&start=06:00&hours=8" in text
    assert "/report?day=2020-03-02&start=14:00&hours=8" in text
    assert "since=2020-03-02T22:00&until=2020-03-03T06:00" in text
    assert "Nothing was inspected" in text and "Neither model, rules nor threshold was changed." in text


def test_a_shift_has_what_came_in_it(visited: Running, visitor: httpx2.Client) -> None:
    first = datetime.fromisoformat(visited.client.get("/v1/inspections/1").json()["received"]).astimezone()
    after = first + timedelta(hours=1)
    assert 'row">All</th><td>14</td>' in text_of(
        visitor, f"/report?day={first:%Y-%m-%d}&start={first:%H:%M}&hours=1"
    )
    assert "Nothing was inspected" in text_of(visitor, f"/report?day={after:%Y-%m-%d}&start={after:%H:%M}")
    assert "hours cannot be used" in page_of(visitor, "/report?hours=0", status=422)

"""The report as a file: what it shows, what it must not hold, and what it says where there is nothing to show."""

import dataclasses
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
import torch
import tyro
from matplotlib.figure import Figure
from torch import nn

import vanishlab as vl
from vanishlab.cli.running import counted
from vanishlab.config import NetworkConfig, TrainingConfig
from vanishlab.errors import InputError
from vanishlab.language.sentences import speaking
from vanishlab.recording.quantities import LAYER_QUANTITIES

pytest.importorskip("jinja2", reason="the extra vanishlab[report] is not installed")
pytest.importorskip("vl_convert", reason="the extra vanishlab[report] is not installed")

from vanishlab.plots.powers import plain_powers
from vanishlab.plots.profiles import depth_profile
from vanishlab.report import check_extra, write_report
from vanishlab.report.commands import Commands, flags_of
from vanishlab.report.drawing import panel_axes, picture
from vanishlab.report.frames import VALUES, choose, decades, frames_of
from vanishlab.report.player import player
from vanishlab.report.sources import open_sources
from vanishlab.report.svg import compact

NAME = "<script>alert(1)</script>"
VOID = ("meta", "link", "img", "input", "br", "source")


class Page(HTMLParser):
    """The page's elements in order, with their text; unbalanced tags are an error."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self._open[-1] if self._open else "", data))

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def shown(self) -> str:
        return " ".join(" ".join(data for tag, data in self.texts if tag not in ("script", "style")).split())

    @property
    def charts(self) -> list[dict[str, Any]]:
        parts = re.findall(r'<script type="application/json">(.*?)</script>', self.source, re.DOTALL)
        return [json.loads(part) for part in parts]


@pytest.fixture(scope="module")
def record(data: vl.Dataset) -> vl.Record:
    training = TrainingConfig((0.1, 1.0, 1e6), (0, 1), steps=4)
    return vl.train(NetworkConfig(depth=3, width=6), training, data)


@pytest.fixture(scope="module")
def hostile() -> vl.Record:
    """A user's own model with a layer whose name is a script, frozen in part, loss never noted."""
    model = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3))
    model.add_module(NAME, nn.Linear(3, 3))
    model[0].requires_grad_(False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with vl.GradientRecorder(model, optimizer) as recorder:
        for _ in range(3):
            optimizer.zero_grad()
            model(torch.ones(6, 5)).square().mean().backward()
            optimizer.step()
    return recorder.record


@pytest.fixture(scope="module")
def page(record: vl.Record, tmp_path_factory: pytest.TempPathFactory) -> Page:
    folder = tmp_path_factory.mktemp("report")
    return Page(write_report(record.save(folder / "mine.npz"), folder / "report.html"))


def test_a_page_holds_what_the_record_does(record: vl.Record, page: Page) -> None:
    assert "3 hidden sigmoid layers, width 6" in page.shown and "mine" in page.shown
    for name, value in record.environment.items():
        assert name in page.shown and value in page.shown
    for verdict in vl.diagnose(record).verdicts:
        assert verdict.sentence in page.shown
    (table,) = [chunk for chunk in page.source.split('<table class="sortable">')[1:]]
    rows = re.findall(r"<tr>(.*?)</tr>", table.split("<tbody>")[1].split("</tbody>")[0], re.DOTALL)
    assert len(rows) == record.runs
    ratio = record.at_end(record.first_last_ratio("delta_rms"))
    for run, row in enumerate(rows):
        keys = re.findall(r'data-key="([^"]*)"', row)
        assert keys[0] == "mine" and float(keys[1]) == record.learning_rate[run] and int(keys[2]) == record.seed[run]
        assert float(keys[4]) == record.at_end(record.loss)[run] or np.isnan(record.at_end(record.loss)[run])
        assert float(keys[8]) == ratio[run]
        assert keys[9] == (str(record.diverged_step[run]) if record.diverged[run] else "inf")


def test_the_player_shows_the_medians_over_seeds(record: vl.Record, page: Page) -> None:
    assert len(page.charts) == 3
    compared = 0
    for quantity, chart in zip(("activation_rms", "delta_rms", "gradient_norm"), page.charts, strict=True):
        for row in chart["datasets"]["curves"]:
            here = record.select(learning_rate=float(row["rate"]), step=int(record.step[row["f"]]))
            values = here.layer_quantity(quantity)[:, 0]
            if np.isfinite(values).all() and (values > 0).all():
                compared += 1
                assert np.allclose(row["y"], np.log10(np.median(values, axis=0)), atol=6e-4)  # three decimals
    assert compared >= 3 * 2 * 5


def test_a_page_is_accessible_and_asks_nothing_of_any_host(page: Page) -> None:
    images = page.all("img")
    assert len(images) > 12
    for image in images:
        assert len(image["alt"]) > 20 and image["src"].startswith("data:image/svg+xml,")
    assert all(re.search(r"\d", image["alt"]) for image in images if not image["alt"].startswith("Key"))
    charts = [each for each in page.all("div") if each.get("class") == "chart"]
    assert len(charts) == 3 and all(each["role"] == "img" and re.search(r"\d", each["aria-label"]) for each in charts)
    for _, attributes in page.elements:
        for name in ("src", "srcset", "href", "data", "poster", "action"):
            assert attributes.get(name, "#").startswith(("data:", "#"))
        assert not any(name.startswith("on") for name in attributes)
    style = page.source.split("<style>")[1].split("</style>")[0]
    assert "url(" not in style and "@import" not in style
    (policy,) = [each["content"] for each in page.all("meta") if "http-equiv" in each]
    assert policy.startswith("default-src 'none'; script-src 'sha256-") and "unsafe-eval" not in policy
    headers = page.source.split('<table class="sortable">')[1].split("</thead>")[0]
    assert headers.count("<th ") == headers.count("aria-sort=") == headers.count("<button type=")
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {each["href"][1:] for each in page.all("a")} <= set(ids)


def test_text_from_a_record_is_shown_and_not_run(hostile: vl.Record, tmp_path: Path) -> None:
    path = hostile.save(tmp_path / "a&b<i>'\".npz")
    page = Page(write_report(path, tmp_path / "report.html"))
    assert NAME not in page.source
    assert f"('{path.name}')" not in page.source and "a&b<i>" not in page.source
    assert NAME in page.shown
    assert any(NAME in json.dumps(chart) for chart in page.charts)
    # what runs: Vega, and the page's own few lines
    assert len([each for each in page.all("script") if not each]) == 2
    assert "unknown" in page.shown and "a model of your own" in page.shown


def test_zeros_and_underflows_are_marks(data: vl.Dataset) -> None:
    record = vl.train(NetworkConfig(depth=60, width=6, initialization="torch_default"), TrainingConfig(steps=1), data)
    chosen = choose(record, 1)
    frames = frames_of(record, "gradient_norm", chosen)
    lost = record.gradient_norm[0] == 0
    assert lost.any()
    assert {(frame, layer) for frame, _, layer, kind in frames.marks if kind == "underflow"} == {
        (int(step), int(layer) + 1) for step, layer in zip(*np.nonzero(lost), strict=True)
    }
    assert np.isnan(frames.values[:, 0][lost]).all() and np.isfinite(frames.values[:, 0][~lost]).all()
    assert frames.low <= np.nanmin(frames.values) and np.nanmax(frames.values) <= frames.high


def test_many_steps_and_rates_are_thinned_and_it_is_said(record: vl.Record) -> None:
    layers = 300
    big = dataclasses.replace(
        record,
        learning_rate=np.geomspace(1e-3, 10, 20),
        seed=np.zeros(20, dtype=np.int64),
        diverged_step=np.full(20, -1),
        step=np.arange(400),
        layer=np.arange(1, layers + 1),
        loss=np.ones((20, 400)),
        accuracy=np.ones((20, 400)),
        test_accuracy=np.ones((20, len(record.test_step))),
        sharpness=np.ones((20, 0)),
        layer_names=tuple(map(str, range(layers))),
        **{name: np.ones((20, 400, layers), dtype=np.float64) for name in LAYER_QUANTITIES},
    )
    chosen = choose(big, 8)
    assert len(chosen.steps) * len(chosen.rates) * layers <= max(VALUES // 8, 2 * 12 * layers)
    assert chosen.steps[0] == 0 and chosen.steps[-1] == 399 and len(chosen.rates) == 12
    assert chosen.note == (
        f"Thinned to keep this file small: {len(chosen.steps)} of 400 recorded steps and 12 of 20 learning rates; "
        "the record has them all."
    )


@pytest.mark.parametrize(("low", "high", "axis"), [(-0.5, 0.2, (-1, 2)), (-30.1, 0.0, (-31, 0)), (0.0, 0.0, (-1, 2))])
def test_an_axis_spans_whole_decades_and_at_least_three(low: float, high: float, axis: tuple[int, int]) -> None:
    assert decades(low, high) == axis


@pytest.mark.parametrize(
    "configs",
    [
        (NetworkConfig(), TrainingConfig()),
        (
            NetworkConfig(3, (5, 6, 7), "tanh", "gaussian", 1.4, 0.3, "layer", "none", "float64"),
            TrainingConfig((1e-3, 10.0), (3, 5), 7, "mse", 32, "linear_warmup", 3, 0.9, None, True, "log", 10, 20),
        ),
    ],
)
def test_the_commands_flags_make_the_same_configs(configs: tuple[NetworkConfig, TrainingConfig]) -> None:
    for config in configs:
        words = shlex.split(shlex.join(flags_of(config)))
        assert tyro.cli(tyro.conf.OmitArgPrefixes[type(config)], args=words) == config


@pytest.mark.slow
def test_the_commands_beneath_the_pictures_run_as_they_stand(
    record: vl.Record, data: vl.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where the paths begin
    (tmp_path / "it's here").mkdir()
    record.save(tmp_path / "it's here" / "record.npz")
    grid, training = vl.Grid(depth=(1, 2), width=(4,)), TrainingConfig(steps=2)
    swept = list(vl.sweep(grid, training, data, out=tmp_path / "swept", workers=1))
    one, many = open_sources([tmp_path / "it's here" / "record.npz", tmp_path / "swept"])
    commands, others = Commands.of(record, one), Commands.of(swept[1], many)
    pictures = tmp_path / "it's here" / "record_pictures"
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for lines, made in (
        (commands.end, pictures / "end.png"),
        (commands.learning_rate, pictures / "learning_rate.png"),
        (commands.heatmap(1), tmp_path / "history.png"),
        (others.training, tmp_path / "training.png"),
    ):
        made.unlink(missing_ok=True)
        for line in lines:
            subprocess.run(line, shell=True, cwd=tmp_path, env=os.environ | {"PATH": path}, check=True)
        assert made.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("inside", [True, False])
def test_a_page_does_not_tell_where_it_was_written(
    inside: bool, record: vl.Record, data: vl.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(tmp_path if inside else elsewhere)
    one = record.select(step=0)
    (tmp_path / "mine").mkdir()
    one.save(tmp_path / "mine" / "a.npz")
    list(vl.sweep(vl.Grid(depth=(1, 2), width=(4,)), TrainingConfig(steps=0), data, out=tmp_path / "swept", workers=1))
    (tmp_path / "swept" / "chunk-damaged.npz").write_text("no zip")
    paths = [tmp_path / "mine" / "a.npz", tmp_path / "swept"]
    words = [str(tmp_path / "bin" / "vanishlab"), "report", *map(str, paths), f"--out={tmp_path / 'r.html'}"]
    monkeypatch.setattr(sys, "argv", words)
    page = Page(write_report(paths, tmp_path / "r.html"))
    assert "chunk-damaged.npz" in page.shown and str(tmp_path) not in page.source and tmp_path.name not in page.source
    mine = str(Path("mine") / "a.npz") if inside else "a.npz"
    assert shlex.join(["vanishlab", "report", mine, "swept", "--out=r.html"]) in page.shown
    assert shlex.join(["vanishlab", "plot", mine]) in page.shown


@pytest.mark.slow
def test_a_sweep_has_maps_and_every_run(data: vl.Dataset, tmp_path: Path) -> None:
    grid = vl.Grid(depth=(1, 2, 3, 4, 5), width=(4,), activation=("relu", "sigmoid"))
    training = TrainingConfig((0.1, 1.0), (0,), steps=2)
    assert len(list(vl.sweep(grid, training, data, out=tmp_path / "swept", workers=1))) == 10
    (tmp_path / "swept" / "chunk-damaged.npz").write_text("no zip")
    page = Page(write_report(tmp_path / "swept", tmp_path / "report.html"))
    assert "10 networks" in page.shown and "Of 10 networks, 3 are looked at closely" in page.shown
    assert page.source.split('<table class="sortable">')[1].split("</table>")[0].count("<tr>") == 21
    assert "chunk-damaged.npz" in page.shown and "it is left out." in page.shown
    shown = [image for image in page.all("img") if "night" not in image.get("class", "")]  # by day; each is there twice
    maps = [image["alt"] for image in shown if "Map of" in image["alt"]]
    assert len(maps) == 6  # two values: depth for each activation, activation over all depths
    assert maps[0].startswith(
        "activation relu: Map of training accuracy at the end, 5 values of depth by 2 of learning"
    )
    assert "vl.load_sweep(" in page.shown and "depth=" in page.shown


@pytest.mark.slow
@pytest.mark.parametrize("steps", [0, 1])
def test_one_recorded_step_or_two_are_enough(steps: int, data: vl.Dataset, tmp_path: Path) -> None:
    record = vl.train(NetworkConfig(depth=1, width=3), TrainingConfig(steps=steps), data)
    page = Page(write_report(record, tmp_path / "report.html"))
    assert len(page.charts) == 3 * steps


@pytest.mark.slow
def test_runs_that_all_diverged_are_shown(data: vl.Dataset, tmp_path: Path) -> None:
    training = TrainingConfig((1e8, 1e9), steps=6)
    record = vl.train(NetworkConfig(depth=3, width=6, activation="relu"), training, data)
    assert record.diverged.all()
    page = Page(write_report(record, tmp_path / "report.html"))
    assert "2 diverged" in page.shown and "diverging" in page.shown


@pytest.mark.slow
def test_theory_is_drawn_where_the_data_can_be_had_and_refused_by_name(record: vl.Record, tmp_path: Path) -> None:
    digits = vl.load_data("digits", max_examples=32)
    known = vl.train(NetworkConfig(depth=2, width=6), TrainingConfig(steps=1), digits)
    page = Page(write_report({"known": known, "drawn": record}, tmp_path / "report.html"))
    assert "32 examples of digits; it never saw a weight" in page.shown
    assert "the data 'drawn' cannot be had by name without fetching anything" in page.shown
    prediction = vl.predict(NetworkConfig(depth=2, width=6), digits)
    first = 10 ** prediction.log10_typical("delta_rms")[0]
    assert any(f"by theory {first:.3g}" in image["alt"] for image in page.all("img"))


def write_text(path: Path) -> None:
    path.write_text("no zip")


def empty_record(path: Path) -> None:
    record = vl.train(NetworkConfig(1, 2), TrainingConfig(steps=1), vl.load_data("digits", max_examples=8))
    record.select(step=()).save(path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (None, r"^path must be a record file or a folder that exists, got '.*x\.npz'$"),
        (Path.mkdir, r"^folder must hold record files \(\.npz\) or a sweep's chunks, got '.*x\.npz'$"),
        (write_text, r"^record file must be a whole vanishlab record, got '.*x\.npz'"),
        (empty_record, r"^record must hold at least one recorded step and layer, got none in '.*x\.npz'$"),
    ],
)
def test_what_cannot_be_shown_is_said_and_nothing_is_written(
    make: Callable[[Path], object] | None, message: str, tmp_path: Path
) -> None:
    path, out = tmp_path / "x.npz", tmp_path / "out" / "report.html"
    if make is not None:
        make(path)
    with pytest.raises(InputError, match=message):
        write_report(path, out)
    assert not out.parent.exists() or not list(out.parent.iterdir())


@pytest.mark.slow
def test_the_command_line_writes_a_report_and_tells_mistakes_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from vanishlab.cli import commands as cli

    def call(*words: object) -> None:
        monkeypatch.setattr(sys, "argv", ["vanishlab", *map(str, words)])
        cli.main()

    flags = ("--depth", 2, "--width", 4, "--steps", 1, "--data", "moons", "--max-examples", 16)
    monkeypatch.chdir(tmp_path)
    call("train", *flags, "--out", tmp_path / "a b", "--report")
    page = Page(tmp_path / "a b" / "report.html")
    line = "vanishlab train --depth 2 --width 4 --steps 1 --data moons --max-examples 16 --out 'a b' --report"
    assert line in page.shown
    assert "report.html (" in capsys.readouterr().out.replace("\n", "")
    with pytest.raises(SystemExit) as stop:
        call("report", tmp_path / "nowhere", "--out", tmp_path / "r.html")
    assert stop.value.code == 2 and not (tmp_path / "r.html").exists()
    assert capsys.readouterr().err.startswith("vanishlab: error: path must be a record file or a folder that exists")


def test_no_paths_and_a_folder_as_the_file_are_mistakes(record: vl.Record, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^report needs at least one record file or folder, got none$"):
        write_report([], tmp_path / "report.html")
    with pytest.raises(InputError, match=r"^out must be the name of a file, got the folder '"):
        write_report(record, tmp_path)


def test_without_the_extra_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(InputError, match=r"^report needs jinja2: pip install 'vanishlab\[report\]'$"):
        check_extra()


def test_a_compact_picture_has_the_same_words_and_places() -> None:
    svg = (
        '<?xml version="1.0"?>\n<svg width="1pt">\n <metadata>x</metadata>\n <g id="a">\n  <path id="m1" '
        'd="M 1.26 -2 \nL 3.0 4 \n" style="fill: none; stroke: red"/>\n  <use xlink:href="#m1" x="1.25"/>\n'
        "<text style=\"font-family: 'A', 'B'; text-anchor: end\">two words</text>\n </g>\n</svg>\n"
    )
    assert compact(svg) == (
        '<svg font-family="DejaVu Sans, Verdana, sans-serif" width="1pt"><g>'
        '<path id="m1" d="M1.2,-2L3,4" style="fill:none;stroke:red"/>'
        '<use xlink:href="#m1" x="1.2"/>'
        '<text style="text-anchor:end">two words</text></g></svg>'
    )


def test_each_picture_is_drawn_once(
    record: vl.Record, hostile: vl.Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draws: list[Figure] = []
    plain = Figure.draw

    def counted(figure: Figure, renderer: Any) -> None:
        draws.append(figure)
        plain(figure, renderer)

    monkeypatch.setattr(Figure, "draw", counted)
    page = Page(write_report({"mine": record, "own": hostile}, tmp_path / "report.html"))
    shown = [image for image in page.all("img") if "night" not in image.get("class", "")]  # by day; each is there twice
    assert len(draws) == len(shown) and len({id(figure) for figure in draws}) == len(draws)


def words_of(figure: Figure) -> list[str]:
    """What a picture reads, in any order; raised digits are digits."""
    svg = unquote(picture(figure, "", "").source)
    return sorted(re.sub("<[^>]*>", "", text) for text in re.findall("<text.*?</text>", svg))


def test_ticks_and_labels_are_those_that_matplotlib_would_draw(record: vl.Record) -> None:
    (figure, ax), (own, other) = panel_axes(), panel_axes()
    for each in (ax, other):
        depth_profile(each, record, "delta_rms", key=False)
    own.set_layout_engine("none")
    own.draw_without_rendering()
    kept = [tick.label1.get_text() for axis in (other.xaxis, other.yaxis) for tick in axis._update_ticks()]  # pyright: ignore[reportAttributeAccessIssue]
    labels = [plain_powers(text) for text in kept if text] + [other.get_xlabel(), other.get_ylabel()]
    labels += [text.get_text() for text in other.texts]  # the 0 of the strip
    lowered = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "−0123456789")
    assert words_of(figure) == sorted(label.translate(lowered) for label in labels)


@pytest.mark.parametrize("letters", ["big", "turned", "many digits"])
def test_nothing_of_a_picture_is_cut_off(letters: str) -> None:
    figure, ax = panel_axes()
    ax.plot([0, 1], [0, 1])
    ax.set_xlabel("below")
    ax.set_ylabel("beside")
    if letters == "turned":
        ax.set_xticks([0, 1], ["a module of mine", "another module"], rotation=90)
    elif letters == "many digits":
        ax.set_yticks([0, 1], ["0.000000001", "1000000000"])
    else:
        ax.tick_params(labelsize="x-large")
    picture(figure, "", "")
    width, height = figure.get_size_inches() * figure.dpi
    box = np.array(figure.get_tightbbox().extents) * figure.dpi
    assert box[0] >= -1 and box[1] >= -1 and box[2] <= width + 1 and box[3] <= height + 1


@pytest.mark.parametrize(
    ("label", "plain"),
    [
        (r"$\mathdefault{10^{-3}}$", "10⁻³"),
        ("$10^{12}$", "10¹²"),
        (r"$\mathdefault{2\times10^{5}}$", "2×10⁵"),
        (r"$\mathdefault{0}$", "0"),
        (r"$\alpha$", r"$\alpha$"),
        ("0.1", "0.1"),
    ],
)
def test_powers_of_ten_need_no_formula(label: str, plain: str) -> None:
    assert plain_powers(label) == plain


def test_progress_is_told_of_every_part(record: vl.Record, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    write_report(
        {"a": record, "b": record}, tmp_path / "report.html", progress=lambda done, of: told.append((done, of))
    )
    assert told == [(done, 4) for done in (1, 2, 3, 4)]  # side by side, maps, and a chapter each


class Here(Executor):
    """Runs at once what it is asked for, up to the `most`-th, then is broken."""

    def __init__(self, most: int) -> None:
        self.most, self.calls = most, 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        self.calls += 1
        if self.calls <= self.most:
            future.set_result(fn(*args, **kwargs))
        elif self.calls == self.most + 1:
            future.set_running_or_notify_cancel()
            future.set_exception(BrokenExecutor("dead"))
        return future  # any further one is never begun, and can be taken back


@pytest.mark.parametrize("most", [0, 1, 3])
def test_a_page_is_the_same_whoever_draws_its_chapters(most: int, record: vl.Record, tmp_path: Path) -> None:
    given = {name: record.select(run=[run]) for run, name in enumerate("abc")}
    told: list[tuple[int, int]] = []
    paths = [tmp_path / name / "report.html" for name in ("alone", "helped")]
    executor = Here(most)
    with speaking("zh"):
        write_report(given, paths[0], command="x")
        write_report(given, paths[1], command="x", executor=executor, progress=lambda *parts: told.append(parts))
    assert executor.calls == 3
    assert paths[1].read_text(encoding="utf-8") == paths[0].read_text(encoding="utf-8")
    assert told == [(done, 5) for done in (1, 2, 3, 4, 5)]


def test_a_bar_is_shown_to_a_terminal_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    for terminal in (False, True):
        if terminal:
            monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes it for a terminal
        with counted("drawing the report") as told:
            told(1, 3)
        assert ("1/3" in capsys.readouterr().err) == terminal


def test_what_is_no_file_is_refused_before_anything_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = vl.train(vl.NetworkConfig(depth=1, width=2), vl.TrainingConfig(steps=1), vl.load_data("moons"))
    monkeypatch.setattr("vanishlab.report.write.render", lambda *_, **__: pytest.fail("it was drawn"))
    (tmp_path / "link").symlink_to("link")
    for out, kind in ((Path(os.devnull), "a device"), (tmp_path / "link", "Too many levels of symbolic links")):
        with pytest.raises(vl.InputError, match=rf"^out must be a regular file, got '{out}' \({kind}\)$"):
            write_report(record, out)
    (tmp_path / "target.html").write_text("old")
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to("target.html")
    monkeypatch.setattr("vanishlab.report.write.render", lambda *_, **__: "new")
    assert write_report(record, tmp_path / "link") == tmp_path / "link"
    assert (tmp_path / "link").is_symlink() and (tmp_path / "target.html").read_text() == "new"


def test_the_charts_are_of_vega_lites_schema() -> None:
    import altair as alt
    import jsonschema

    network = vl.NetworkConfig(2, 3, "relu", "gaussian", sigma_w=1e-30)  # with marks off the scale
    data = vl.load_data("moons", max_examples=16)
    record = vl.train(network, vl.TrainingConfig(learning_rates=(0.1, 1.0), steps=3), data)
    shown = player(record, vl.predict(vl.NetworkConfig(depth=2, width=3), data), 1)
    assert shown is not None and shown.marked and len(shown.charts) == 3
    for chart in shown.charts:
        alt.Chart.from_dict(chart["spec"])
    spec = shown.charts[0]["spec"]
    spec["layer"][0]["mark"]["strokeWidth"] = "thick"
    with pytest.raises(jsonschema.ValidationError):
        alt.Chart.from_dict(spec)

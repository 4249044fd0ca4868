"""The report pages in Chromium: no request, keys, filters, themes, nothing clipped, and quick with a full list.

Skipped where there is no Chromium; `RASID_CHROMIUM` names one that is not in the path.
"""

from __future__ import annotations

import importlib.util
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import chromium
import pytest
from chromium import Browser, Tab

from rasid.annotations import Annotated
from rasid.compare import compare
from rasid.comparisonpage import Run, comparison_page
from rasid.counts import count
from rasid.evaluate import evaluate
from rasid.evaluationpage import evaluation_page
from rasid.listing import MOST
from rasid.mistakes import all_mistakes

ROOT = Path(__file__).parents[1]
BINARY = chromium.find()
pytestmark = pytest.mark.skipif(BINARY is None, reason="no Chromium in the path and RASID_CHROMIUM is not set")
WIDTHS = (360, 800, 1400)  # CSS pixels: a telephone, half a screen, a screen
HOSTILE = "</script><script>hit = 1</script><img src=x onerror=hit=1>\u202e\u2069 "
SLOW = 1000  # ms that no single action may take, also on a machine that does other things

# Every text that is seen, with the contrast (WCAG 2) of its colour on what is painted behind it.
CONTRASTS = """(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const paint = (colours) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((c) => c / 255);
  };
  const light = (rgb) => rgb.map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0);
  const behind = (node) => {
    const found = [];
    for (let n = node; n; n = n.parentElement) {
      found.unshift(getComputedStyle(n).backgroundColor);
      const square = n.closest("g.square")?.querySelector("rect");
      if (square && n === node) {
        const { fill, fillOpacity } = getComputedStyle(square);
        found.push(`color-mix(in srgb, ${fill} ${100 * fillOpacity}%, transparent)`);
      }
    }
    return found;
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const own = (node, pseudo, text) => {
    const style = getComputedStyle(node, pseudo);
    const grounds = behind(node);
    const [a, b] = [light(paint([...grounds, node.closest("svg") ? style.fill : style.color])), light(paint(grounds))];
    found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), text]);
  };
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    const text = walker.currentNode.data.trim();
    const unread = "script, style, title, noscript, datalist, :disabled";
    if (text && !node.closest(unread) && node.checkVisibility()) own(node, null, text);
  }
  for (const mark of document.querySelectorAll("mark.own")) own(mark, "::before", mark.dataset.type);
  return found.sort((a, b) => a[0] - b[0]).slice(0, 5);
})()"""

# Elements whose content reaches out of the window or of their own box, but those that may be scrolled.
CLIPPED = """(() => {
  const width = document.documentElement.clientWidth;
  const found = document.documentElement.scrollWidth > width ? ["the page"] : [];
  for (const node of document.body.querySelectorAll("*")) {
    if (node.closest(".scroll, .skip, thead, datalist, script, style") || !node.checkVisibility()) continue;
    const box = node.getBoundingClientRect();
    const name = `${node.tagName} ${node.getAttribute("class")} ${node.textContent.slice(0, 40)}`;
    if (box.width && (box.left < -1 || box.right > width + 1)) found.push(name);
    const { overflowX, display } = getComputedStyle(node);
    if (display !== "inline" && overflowX !== "visible" && node.scrollWidth > node.clientWidth + 1) found.push(name);
  }
  for (const text of document.querySelectorAll("svg text")) {
    const [box, paper] = [text.getBoundingClientRect(), text.ownerSVGElement.getBoundingClientRect()];
    const across = box.left < paper.left - 1 || box.right > paper.right + 1;
    if (across || box.top < paper.top - 1 || box.bottom > paper.bottom + 1)
      found.push(`chart: ${text.textContent}`);
  }
  return found;
})()"""

# Milliseconds from an action to the second frame after it, when the browser has painted what came of it.
TIMED = """(action) => new Promise((done) => {
  const before = performance.now();
  action();
  requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - before)));
})"""


def load(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert BINARY
    found = Browser(BINARY)
    yield found
    found.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """`evaluation` and `comparison` of 30 articles, the first of them hostile, and `full` with the longest list."""
    made = load("scripts/page_speed.py")
    rng = random.Random(1)
    gold = [hostile(made.made_up(0, rng)), *(made.made_up(number, rng) for number in range(1, 30))]
    runs = [[made.made_up_run(each, rng) for each in gold] for _ in range(2)]
    for run in runs:  # nothing is found of the hostile one
        run[0] = run[0].model_copy(update={"entities": ()})
    records = [each.record for each in gold]
    wrong = [all_mistakes(gold, run) for run in runs]
    found = evaluate(gold, runs[0])
    many = (wrong[0] * (1 + MOST // len(wrong[0])))[: MOST + 100]
    written = {
        "evaluation": evaluation_page(found, records, runs[0], wrong[0], "errors.jsonl"),
        "full": evaluation_page(found, records, runs[0], many, "errors.jsonl"),
        "comparison": comparison_page(
            compare(*(count(records, run) for run in runs)), Run("base", wrong[0]), Run("new", wrong[1])
        ),
    }
    folder = tmp_path_factory.mktemp("pages")
    for name, page in written.items():
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in written}


def hostile(article: Annotated) -> Annotated:
    """The article with markup and bidi controls in its name and before its first entity."""
    place, shift = article.record.entities[0].start, len(HOSTILE)
    entities = tuple(
        each.model_copy(update={"start": each.start + shift, "end": each.end + shift})
        for each in article.record.entities
    )
    record = article.record.model_copy(update={"doc": f"{HOSTILE}0", "entities": entities})
    return Annotated(record, article.text[:place] + HOSTILE + article.text[place:])


@pytest.fixture
def tab(browser: Browser, pages: dict[str, Path]) -> Iterator[Tab]:
    found = Tab(browser, pages["evaluation"])
    yield found
    found.close()


def selected(tab: Tab) -> Any:
    """Number of the row that has the focus."""
    return tab.js("Number(document.activeElement.dataset.place ?? -1)")


def choose(tab: Tab, select: int, value: str) -> None:
    """Chooses in a facet as a person does; `value` is the beginning of what the option says."""
    assert tab.js(f"""(() => {{
      const select = document.querySelectorAll("[data-facet]")[{select}];
      const option = [...select.options].find((each) => each.textContent.startsWith({value!r}));
      select.value = option?.value;
      select.dispatchEvent(new Event("change"));
      return Boolean(option);
    }})()""")


def write(tab: Tab, field: str, text: str) -> None:
    """Writes into a field, and waits until the list has followed."""
    tab.js(f"document.getElementById({field!r}).value = {text!r}")
    tab.js(f"document.getElementById({field!r}).dispatchEvent(new Event('input'))")
    tab.js("new Promise((done) => setTimeout(done, 300))")


def texts(tab: Tab, selector: str) -> Any:
    """What the elements say, in order."""
    return tab.js(f"[...document.querySelectorAll({selector!r})].map((each) => each.textContent)")


def shown(tab: Tab) -> int:
    """How many rows the filters leave."""
    return int(tab.js("document.getElementById('status').textContent.split(' ')[0].replace(',', '')"))


def titles(tab: Tab) -> Any:
    return texts(tab, ".row h3")


@pytest.mark.parametrize("name", ["evaluation", "comparison"])
def test_no_request_leaves_the_page_and_nothing_in_it_runs(name: str, browser: Browser, pages: dict[str, Path]) -> None:
    tab = Tab(browser, pages[name])
    for key in ("j", "Enter", "]", "j", "Enter"):
        tab.press(key)
    tab.js("document.getElementById('theme').click()")
    assert [each["request"]["url"] for each in tab.events("Network.requestWillBeSent")] == [pages[name].as_uri()]
    assert tab.events("Runtime.exceptionThrown") == []
    assert tab.events("Log.entryAdded") == []
    assert tab.js("window.hit === undefined && !document.querySelector('img')")
    tab.close()


def test_hostile_text_is_shown_as_it_is_and_its_controls_are_spelt_out(tab: Tab) -> None:
    line = tab.js("document.querySelector('.row .text').textContent")
    assert "<script>" in line
    assert not set(line) & set("\u202e\u2069")
    assert tab.js("document.querySelector('.row .control').dataset.code") == "U+202E"
    assert "[U+202E]" in tab.js("document.querySelector('.row .place').textContent")


def test_keys_move_the_selection(tab: Tab) -> None:
    for key, place in (("j", 0), ("j", 1), ("ArrowDown", 2), ("k", 1), ("ArrowUp", 0), ("k", 0), ("End", -1)):
        tab.press(key)
        assert place < 0 or selected(tab) == place
    last = selected(tab)
    assert last > 50
    assert tab.js("document.activeElement.getAttribute('aria-posinset')") == str(last + 1)
    assert tab.js("document.activeElement.getAttribute('aria-current')") == "true"
    tab.press("Home")
    assert selected(tab) == 0
    tab.press("]")
    assert selected(tab) == 50
    tab.press("k")
    assert selected(tab) == 49
    assert tab.js("document.querySelectorAll('.row[tabindex=\"0\"]').length") == 1
    assert tab.js("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_keys_open_details_and_go_to_the_search_and_back(tab: Tab) -> None:
    tab.press("j")
    tab.press("Enter")
    assert tab.js("document.activeElement.querySelectorAll('.details dt').length") == 2
    tab.press("Enter")
    assert tab.js("document.querySelector('.details')") is None
    tab.press("/")
    assert tab.js("document.activeElement.id") == "query"
    tab.press("j")
    assert tab.js("document.activeElement.value") == "j"
    tab.press("Escape")
    assert selected(tab) == 0


def test_the_tab_key_reaches_everything_in_the_order_of_the_page(tab: Tab) -> None:
    seen = []
    for _ in range(200):
        tab.press("Tab")
        seen.append(tab.js("document.activeElement.id || document.activeElement.className || 'body'"))
        if seen[-1] == "row":
            break
    wanted = ["skip", "theme", "pick", "query", "doc", "order", "clear", "next", "row"]
    assert [name for name in dict.fromkeys(seen) if name in wanted] == wanted


def test_filters_leave_what_they_say(tab: Tab) -> None:
    choose(tab, 0, "wrong type (")
    assert set(titles(tab)) == {"wrong type"}
    left = shown(tab)
    choose(tab, 1, "GPE (")
    fewer = shown(tab)
    assert 0 < fewer < left
    assert all("GPE →" in text for text in texts(tab, ".row header"))
    assert f"GPE ({fewer})" in tab.js("document.querySelectorAll('[data-facet]')[1].selectedOptions[0].textContent")
    assert "#errors?kind=wrong+type&gold=GPE" in tab.js("location.hash")
    tab.js("document.getElementById('clear').click()")
    assert tab.js("document.getElementById('status').textContent").isdigit()
    write(tab, "doc", "ARTICLE-000007")
    docs = texts(tab, ".row .place bdi")
    assert set(docs) == {"article-000007"}


def test_the_search_is_blind_to_spelling(tab: Tab) -> None:
    tab.press("/")
    write(tab, "query", "الأُمَـم  المتّحده")
    lines = texts(tab, ".row .text")
    assert lines
    assert all("الأمم المتحدة" in line for line in lines)


def test_charts_and_tables_pick_what_the_list_shows(tab: Tab) -> None:
    tab.js("document.querySelector('.square.wrong').dispatchEvent(new MouseEvent('click', { bubbles: true }))")
    square = tab.js("({ ...document.querySelector('.square.wrong').dataset })")
    assert str(shown(tab)) == tab.js("document.querySelector('.square.wrong text').textContent")
    assert all(square["gold"] in text for text in texts(tab, ".row header"))
    tab.js("document.querySelector('[data-pick-kind]').click()")
    assert set(titles(tab)) == {tab.js("document.querySelector('[data-pick-kind]').textContent")}
    assert selected(tab) == 0


def test_a_link_to_a_filtered_list_opens_it(browser: Browser, pages: dict[str, Path]) -> None:
    tab = Tab(browser, pages["comparison"])
    tab.js("location.hash = '#errors?outcome=lost&type=ORG'")
    tab.js("new Promise((done) => setTimeout(done, 100))")
    assert set(titles(tab)) == {"lost"}
    assert tab.js("document.querySelectorAll('.row:first-child .line').length") == 3
    tab.close()


def test_gold_and_predicted_stand_one_above_the_other(tab: Tab) -> None:
    lines = tab.js("""[...document.querySelectorAll(".row")].filter((row) => row.querySelectorAll(".own").length === 2)
      .slice(0, 20).map((row) => [...row.querySelectorAll(".own")].map((mark) => {
        const { right, top } = mark.getBoundingClientRect();
        return [right, top, getComputedStyle(mark).direction];
      }))""")
    assert lines
    for above, below in lines:
        assert above[2] == below[2] == "rtl"
        assert above[1] < below[1]
    assert sum(abs(above[0] - below[0]) < 1 for above, below in lines) > len(lines) / 2  # most begin at one place


@pytest.mark.parametrize("name", ["evaluation", "comparison"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_text_can_be_read(name: str, dark: bool, browser: Browser, pages: dict[str, Path]) -> None:
    tab = Tab(browser, pages[name], dark=dark)
    tab.js("document.querySelectorAll('details').forEach((each) => { each.open = true })")
    tab.press("j")
    tab.press("Enter")
    worst = tab.js(CONTRASTS)
    assert worst[0][0] >= 4.5, worst  # WCAG 2 AA
    tab.close()


def test_the_toggle_goes_against_the_system(tab: Tab) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    light = tab.js(ground)
    tab.system(dark=True)
    dark = tab.js(ground)
    assert light != dark
    grounds = []
    for _ in range(3):
        tab.js("document.getElementById('theme').click()")
        grounds.append((tab.js("document.getElementById('theme').textContent"), tab.js(ground)))
    assert grounds == [("Colours: light", light), ("Colours: dark", dark), ("Colours: system", dark)]


@pytest.mark.parametrize("name", ["evaluation", "comparison"])
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_clipped(name: str, width: int, browser: Browser, pages: dict[str, Path]) -> None:
    tab = Tab(browser, pages[name], width=width)
    tab.js("document.querySelectorAll('details').forEach((each) => { each.open = true })")
    tab.press("j")
    tab.press("Enter")
    assert tab.js(CLIPPED) == []
    tab.close()


def test_a_full_list_answers_at_once(browser: Browser, pages: dict[str, Path]) -> None:
    tab = Tab(browser, pages["full"])
    assert tab.js("document.getElementById('status').textContent") == f"{MOST:,}"
    assert tab.js("document.querySelectorAll('.row').length") == 50
    for what, times in latencies(tab).items():
        print(f"{what}: median {sorted(times)[len(times) // 2]:.0f} ms, most {max(times):.0f} ms")
        assert min(times) < SLOW, what
    tab.close()


def latencies(tab: Tab) -> dict[str, list[float]]:
    """Milliseconds of five actions each."""
    press = "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key: %r, bubbles: true }))"
    change = "document.querySelectorAll('[data-facet]')[0].dispatchEvent(new Event('change'))"
    choose_next = f"(() => {{ document.querySelectorAll('[data-facet]')[0].selectedIndex = %d; {change} }})()"
    order = "document.getElementById('order').dispatchEvent(new Event('change'))"
    search = f"(() => {{ document.getElementById('query').value = %r; {order} }})()"
    tab.press("j")
    actions = {
        "next row": [press % "j"] * 5,
        "next page": [press % "]"] * 5,
        "last row": [press % key for key in ("End", "Home", "End", "Home", "End")],
        "filter": [choose_next % number for number in (1, 2, 3, 2, 0)],
        "search": [search % word for word in ("دمشق", "الأمم المتحدة", "cnn", "لا شيء كهذا", "")],
    }
    return {what: [float(tab.js(f"({TIMED})(() => {each})")) for each in every] for what, every in actions.items()}


def test_the_speed_script_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = load("scripts/page_speed.py")
    wrong = made.write_page(20, 0, tmp_path / "page.html")
    assert len(wrong) == (tmp_path / "page.errors.jsonl").read_text(encoding="utf-8").count("\n") > 50
    assert "page written: " in capsys.readouterr().out
